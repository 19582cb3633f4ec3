//! The verdicts once more, after every window is final: what a fault had left open is judged by then.
//! Does not judge; the service does, and the account is the proof that does not depend on its word.

use std::time::Duration;

use reqwest::Method;
use tokio::time::{Instant, sleep};

use crate::api::FaultRecord;
use crate::faults::FaultRow;
use crate::injection::FAULTS;
use crate::service::{Service, read};

const LOOK_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Takes over what the service says by now of faults that it could not judge wholly, until all are judged; one that a dead
/// process has taken along, or that stays open, keeps its row.
pub(crate) async fn revise(service: &Service, rows: &mut [FaultRow], within: Duration) {
    let started = Instant::now();
    while rows.iter().any(awaits_judgement) && started.elapsed() < within {
        look(service, rows).await;
        sleep(LOOK_EVERY).await;
    }
}

/// The same, once. The service remembers its newest faults only, so a long drill looks now and then.
pub(crate) async fn look(service: &Service, rows: &mut [FaultRow]) {
    let Some(records) = records(service).await else { return };
    rows.iter_mut().filter(|row| awaits_judgement(row)).for_each(|row| take_over(row, &records));
}

/// Damage may be one side of the books that is behind the other.
fn awaits_judgement(row: &FaultRow) -> bool {
    row.id.is_some() && (row.is_unjudged() || row.damage().is_some())
}

async fn records(service: &Service) -> Option<Vec<FaultRecord>> {
    let reply = service.send(Method::GET, FAULTS, None, LOOK_WITHIN).await.ok()?;
    read(FAULTS, &reply).ok()
}

fn take_over(row: &mut FaultRow, records: &[FaultRecord]) {
    let is_it = |record: &&FaultRecord| {
        let same_target = row.actor.is_none() || record.target.as_deref() == Some(row.target.as_str());
        Some(record.id) == row.id && record.kind == row.kind.name() && same_target
    };
    let Some(verdict) = records.iter().find(is_it).and_then(|record| record.verdict.as_ref()) else {
        row.id = None; // The process has died since, and its numbers with it.
        return;
    };
    row.verdict.lost = verdict.lost;
    row.verdict.double = verdict.double;
    row.verdict.open = verdict.open;
}
