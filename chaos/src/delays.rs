//! How long after their end windows were first told, read from the service's own histogram in `/metrics`.
//! Does not fetch; the figures start again at 0 with the process, which this survives.

use serde::Serialize;

const NAME: &str = "pos_window_delay_seconds_bucket{";

/// Cumulative counts by upper bound, in the order of the text.
type Buckets = Vec<(f64, f64)>;

/// Median and 99th percentile of a span of time, in seconds, interpolated within the histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WindowDelay {
    /// Windows first told in this span.
    pub windows: u64,
    /// Half of them were told no later.
    pub p50_seconds: f64,
    /// 99 of 100 were told no later.
    pub p99_seconds: f64,
}

/// Growth of the histogram in the calm time, and afterwards.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    last: Buckets,
    calm: Buckets,
    disturbed: Buckets,
    is_disturbed: bool,
}

impl Delays {
    /// A text of `/metrics`.
    pub(crate) fn saw(&mut self, metrics: &str) {
        let now = buckets(metrics);
        let grown = growth(&self.last, &now);
        let is_first = self.last.is_empty();
        self.last = now;
        if is_first {
            return;
        }
        add(if self.is_disturbed { &mut self.disturbed } else { &mut self.calm }, &grown);
    }

    /// The calm time is over.
    pub(crate) const fn calm_is_over(&mut self) {
        self.is_disturbed = true;
    }

    /// Of the time before.
    pub(crate) fn of_calm(&self) -> Option<WindowDelay> {
        summary(&self.calm)
    }

    /// Of the time afterwards.
    pub(crate) fn of_run(&self) -> Option<WindowDelay> {
        summary(&self.disturbed)
    }
}

fn buckets(metrics: &str) -> Buckets {
    let lines = metrics.lines().filter(|line| line.starts_with(NAME));
    lines.filter_map(bucket).collect()
}

fn bucket(line: &str) -> Option<(f64, f64)> {
    let (_, bound) = line.split_once("le=\"")?;
    let (bound, rest) = bound.split_once('"')?;
    let count = rest.rsplit_once(' ')?.1.parse().ok()?;
    let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
    Some((bound, count))
}

/// A process that was killed begins at 0: then everything it counted is growth.
fn growth(last: &Buckets, now: &Buckets) -> Buckets {
    let total = |buckets: &Buckets| buckets.last().map_or(0.0, |bucket| bucket.1);
    if last.len() != now.len() || total(now) < total(last) {
        return now.clone();
    }
    now.iter().zip(last).map(|((bound, count), (_, before))| (*bound, count - before)).collect()
}

fn add(sum: &mut Buckets, grown: &Buckets) {
    if sum.len() != grown.len() {
        grown.clone_into(sum);
        return;
    }
    sum.iter_mut().zip(grown).for_each(|(total, (_, count))| total.1 += count);
}

fn summary(buckets: &Buckets) -> Option<WindowDelay> {
    let total = buckets.last()?.1;
    if total < 1.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count, positive and below 2^52")]
    let windows = total as u64;
    let quantile = |share: f64| interpolated(buckets, total * share);
    Some(WindowDelay { windows, p50_seconds: quantile(0.5), p99_seconds: quantile(0.99) })
}

/// Straight within a bucket; beyond the last bound the last bound is all that is known.
fn interpolated(buckets: &Buckets, rank: f64) -> f64 {
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank && bound.is_finite() {
            let inside = count - below;
            return if inside > 0.0 { lower + (bound - lower) * (rank - below) / inside } else { *bound };
        }
        (lower, below) = (if bound.is_finite() { *bound } else { lower }, *count);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics_for_test(counts: [u32; 4]) -> String {
        let bounds = ["0.5", "1", "2", "+Inf"];
        let lines = bounds.iter().zip(counts);
        let lines = lines.map(|(bound, count)| format!("pos_window_delay_seconds_bucket{{le=\"{bound}\"}} {count}\n"));
        format!("# HELP x y\n{}pos_window_delay_seconds_sum 3.5\n", lines.collect::<String>())
    }

    #[test]
    fn growth_is_attributed_to_its_time_and_interpolated() {
        let mut delays = Delays::default();
        delays.saw(&metrics_for_test([5, 5, 5, 5]));
        delays.saw(&metrics_for_test([5, 15, 15, 15]));
        delays.calm_is_over();
        delays.saw(&metrics_for_test([5, 15, 115, 115]));

        let calm = delays.of_calm().unwrap();
        assert_eq!((calm.windows, calm.p50_seconds), (10, 0.75));
        let run = delays.of_run().unwrap();
        assert_eq!((run.windows, run.p50_seconds, run.p99_seconds), (100, 1.5, 1.99));
    }

    #[test]
    fn a_process_that_begins_again_at_zero_loses_no_count() {
        let mut delays = Delays::default();
        delays.saw(&metrics_for_test([0, 0, 0, 0]));
        delays.calm_is_over();
        delays.saw(&metrics_for_test([0, 40, 40, 40]));
        delays.saw(&metrics_for_test([0, 10, 10, 10]));
        assert_eq!(delays.of_run().unwrap().windows, 50);
        assert_eq!(delays.of_calm(), None);
    }

    #[test]
    fn beyond_the_last_bound_the_bound_is_told() {
        let mut delays = Delays::default();
        delays.saw(&metrics_for_test([0, 0, 0, 0]));
        delays.saw(&metrics_for_test([0, 0, 0, 7]));
        assert_eq!(delays.of_calm().unwrap().p99_seconds, 2.0);
    }

    #[test]
    fn metrics_without_the_histogram_say_nothing() {
        let mut delays = Delays::default();
        delays.saw("up 1\n");
        delays.saw("");
        assert_eq!((delays.of_calm(), delays.of_run()), (None, None));
    }
}
