//! What came back in each second of a run, to be laid beside what happened meanwhile.
//! Does not write it anywhere.

use std::convert::Infallible;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use crate::book::{Book, Counts};
use crate::drill::{Line, Say};

const EVERY: Duration = Duration::from_secs(1);

/// One second of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Second {
    /// Its end.
    pub at: DateTime<Utc>,
    /// What came in it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Tells every second what it brought.
pub(crate) async fn timeline(book: &Book, say: Say<'_>) -> Infallible {
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = Counts::default();
    loop {
        tick.tick().await;
        let now = book.open().counts.clone();
        say(Line::Second(&Second { at: Utc::now(), counts: now.since(&before) }));
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_what_came_since_the_one_before_and_names_only_statuses_that_came() {
        let before = Counts { sent: 5, cuts: 1, statuses: [(200, 4), (503, 2)].into(), ..Counts::default() };
        let after = Counts { sent: 9, cuts: 1, statuses: [(200, 7), (503, 2)].into(), ..Counts::default() };
        let second = after.since(&before);
        assert_eq!((second.sent, second.cuts), (4, 0));
        assert_eq!(second.statuses, [(200, 3)].into());
        let line = serde_json::to_value(Second { at: DateTime::UNIX_EPOCH, counts: second }).unwrap();
        assert_eq!((&line["at"], &line["statuses"]["200"]), (&"1970-01-01T00:00:00Z".into(), &3.into()));
    }

    #[test]
    fn an_account_that_was_closed_brings_nothing() {
        let before = Counts { sent: 5, statuses: [(200, 4)].into(), ..Counts::default() };
        assert_eq!(Counts::default().since(&before), Counts::default());
    }
}
