//! Pauses between attempts: doubled from the shortest to the longest, half of each drawn.
//! Waits for nothing and knows no reason.

use std::time::Duration;

/// Drawn, so that processes which failed together do not come back together.
pub fn pause(shortest: Duration, longest: Duration, attempts: u32) -> Duration {
    let doubled = shortest.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let half = doubled.min(longest) / 2;
    half + half.mul_f64(fastrand::f64())
}

/// `whole`, up to so many percent earlier.
pub fn early(whole: Duration, percent: u8) -> Duration {
    whole - whole.mul_f64(f64::from(percent.min(100)) / 100.0 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_half_of_each_is_drawn() {
        let mut drawn = std::collections::BTreeSet::new();
        for attempts in 1..40 {
            let whole = SECOND.saturating_mul(1 << (attempts - 1).min(6)).min(60 * SECOND);
            let pause = pause(SECOND, 60 * SECOND, attempts);
            assert!(pause >= whole / 2 && pause <= whole, "attempt {attempts}: {pause:?}");
            drawn.insert(pause);
        }
        assert!(drawn.len() > 20, "nothing is drawn: {drawn:?}");
    }

    #[test]
    fn a_reading_comes_early_but_never_late() {
        let drawn: Vec<Duration> = (0..100).map(|_| early(30 * SECOND, 10)).collect();
        assert!(drawn.iter().all(|after| *after >= 27 * SECOND && *after <= 30 * SECOND));
        assert!(drawn.iter().any(|after| *after != drawn[0]), "nothing is drawn");
        assert_eq!(early(SECOND, 0), SECOND);
    }
}
