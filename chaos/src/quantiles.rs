//! Median, 99th percentile and maximum of measured times.
//! Nothing here is money.

use serde::Serialize;

/// What is said of a set of times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half of them were no longer.
    pub p50_ms: f64,
    /// 99 of 100 were no longer.
    pub p99_ms: f64,
    /// None was longer.
    pub max_ms: f64,
}

impl Quantiles {
    /// By nearest rank, so that every figure is one that was measured; `None` of nothing.
    pub(crate) fn of(times: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut times: Vec<f64> = times.into_iter().collect();
        times.sort_unstable_by(f64::total_cmp);
        let rank = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self { p50_ms: rank(50)?, p99_ms: rank(99)?, max_ms: *times.last()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_a_hundred_times_the_ranks_are_exact() {
        let quantiles = Quantiles::of((1..=100).rev().map(f64::from)).unwrap();
        assert_eq!(quantiles, Quantiles { p50_ms: 50.0, p99_ms: 99.0, max_ms: 100.0 });
    }

    #[test]
    fn one_time_is_all_three_and_none_is_none() {
        assert_eq!(Quantiles::of([7.0]), Some(Quantiles { p50_ms: 7.0, p99_ms: 7.0, max_ms: 7.0 }));
        assert_eq!(Quantiles::of([]), None);
    }

    proptest! {
        #[test]
        fn at_least_the_share_that_is_named_lies_at_or_below(times in proptest::collection::vec(0.0..1e6, 1..300)) {
            let quantiles = Quantiles::of(times.iter().copied()).unwrap();
            let below = |limit: f64| times.iter().filter(|time| **time <= limit).count() * 100;
            prop_assert!(below(quantiles.p50_ms) >= times.len() * 50);
            prop_assert!(below(quantiles.p99_ms) >= times.len() * 99);
            prop_assert!(times.contains(&quantiles.p50_ms) && below(quantiles.max_ms) == times.len() * 100);
        }
    }
}
