//! Writes a recording: valid transactions in the order of their time, one per line, to be replayed.
//! Does not add up what it writes except for its summary; tests compute sums from the file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tillstream_domain::Money;

use crate::sales::{Mix, SaleStream};

/// What a recording holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordingSummary {
    /// Its lines.
    pub count: u64,
    /// The sum of its sales.
    pub amount: Money,
}

/// Writes `count` plain sales of `stores` stores, spread evenly over `duration` from `from` on. The same arguments, the same file.
///
/// # Errors
/// The file cannot be written.
pub fn write_recording(
    path: &Path,
    seed: u64,
    count: u32,
    stores: u32,
    from: DateTime<Utc>,
    duration: Duration,
) -> io::Result<RecordingSummary> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut stream = SaleStream::new(seed, Mix::plain(stores));
    let mut summary = RecordingSummary { count: 0, amount: Money::ZERO };
    let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    for number in 0..count {
        let offset = i128::from(micros) * i128::from(number) / i128::from(count.max(1));
        let time = from + TimeDelta::microseconds(i64::try_from(offset).unwrap_or(i64::MAX));
        let sale = stream.next(time);
        file.write_all(&sale.body)?;
        file.write_all(b"\n")?;
        summary.count += 1;
        summary.amount = Money::from_cents(summary.amount.cents() + sale.amount.cents());
    }
    file.into_inner()?.sync_all()?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use tillstream_domain::Rules;

    use super::*;

    #[test]
    fn a_recording_is_valid_sorted_by_time_and_adds_up_to_its_summary() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("day.ndjson");
        let from = DateTime::from_timestamp(1_731_628_800, 0).expect("in range");

        let summary = write_recording(&path, 5, 500, 3, from, Duration::from_secs(60)).expect("written");

        let lines = BufReader::new(File::open(&path).expect("there")).lines();
        let check = |line: io::Result<String>| Rules::default().check(line.expect("text").as_bytes(), Utc::now());
        let sales: Vec<_> = lines.map(|line| check(line).expect("valid").transaction).collect();
        assert!(sales.is_sorted_by_key(|sale| sale.timestamp));
        assert_eq!(sales.iter().map(|sale| sale.total_amount).sum::<Money>(), summary.amount);
        assert_eq!((sales.len() as u64, summary.count), (500, 500));
        assert!(sales.iter().all(|sale| sale.timestamp < from + TimeDelta::seconds(60)));
    }
}
