//! Bounds how many requests wait for an actor at once.
//! Does not queue: one more than the bound is refused, so that memory and waiting time stay bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::errors::ApiError;

/// Shared by all workers; clones count together.
#[derive(Debug, Clone)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    limit: usize,
}

/// One request's place; dropping it frees the place.
#[must_use]
#[derive(Debug)]
pub struct Place {
    count: Arc<AtomicUsize>,
}

impl InFlight {
    /// At most `limit` places.
    pub fn new(limit: usize) -> Self {
        Self { count: Arc::default(), limit }
    }

    /// How many places are taken.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Takes a place.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub fn enter(&self) -> Result<Place, ApiError> {
        let place = Place { count: self.count.clone() };
        // Relaxed: the number guards memory use, it orders nothing.
        if self.count.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Ok(place);
        }
        Err(ApiError::Unavailable("too many requests are in flight".to_owned()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_bound_is_refused_and_a_freed_place_is_taken_again() {
        let in_flight = InFlight::new(2);
        let first = in_flight.enter().unwrap();
        let _second = in_flight.enter().unwrap();
        assert!(in_flight.enter().is_err());
        assert!(in_flight.enter().is_err());
        drop(first);
        assert!(in_flight.enter().is_ok());
    }
}
