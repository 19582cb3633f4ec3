//! Answers questions for windows in the order of the keys, without reading more rows than it answers.
//! Does not format; HTTP does.

use std::ops::RangeInclusive;

use fjall::Guard;
use tillstream_domain::StoreId;
use tillstream_messages::{QueryTurnover, TurnoverRow};

use super::keys::{RowKey, bounds};
use super::row::Row;
use super::store::TurnoverStore;
use crate::error::StoreError;
use crate::settings::ReportingPlan;

/// The windows that a question asks for, newest first, then by store.
pub(crate) fn rows(
    store: &TurnoverStore,
    question: &QueryTurnover,
    plan: &ReportingPlan,
) -> Result<Vec<TurnoverRow>, StoreError> {
    let Some((newest, oldest)) = bounds(question.from, question.to) else { return Ok(Vec::new()) };
    match question.store {
        Some(one) => rows_of_store(store, one, newest..=oldest, question.limit, plan),
        None => rows_of_all(store, newest..=oldest, question.limit, plan),
    }
}

fn rows_of_all(
    store: &TurnoverStore,
    windows: RangeInclusive<u64>,
    limit: usize,
    plan: &ReportingPlan,
) -> Result<Vec<TurnoverRow>, StoreError> {
    let first = [&windows.start().to_be_bytes()[..], &[0; 4]].concat();
    let last = [&windows.end().to_be_bytes()[..], &[u8::MAX; 4]].concat();
    let mut answer = Vec::new();
    for entry in store.rows.range(first..=last).take(limit) {
        answer.push(read(entry, plan)?);
    }
    Ok(answer)
}

fn rows_of_store(
    store: &TurnoverStore,
    one: StoreId,
    windows: RangeInclusive<u64>,
    limit: usize,
    plan: &ReportingPlan,
) -> Result<Vec<TurnoverRow>, StoreError> {
    let prefix = one.number().to_be_bytes();
    let bound = |window: &u64| [&prefix[..], &window.to_be_bytes()[..]].concat();
    let mut answer = Vec::new();
    for entry in store.by_store.range(bound(windows.start())..=bound(windows.end())).take(limit) {
        let key = RowKey::parse_by_store(&entry.key()?).ok_or(StoreError::Damaged("by_store"))?;
        // Housekeeping may have deleted the row since the range was opened.
        if let Some(row) = store.row(key)? {
            answer.push(row.answer(key, &plan.currency).ok_or(StoreError::Damaged("rows"))?);
        }
    }
    Ok(answer)
}

fn read(entry: Guard, plan: &ReportingPlan) -> Result<TurnoverRow, StoreError> {
    let (key, record) = entry.into_inner()?;
    let row = RowKey::parse(&key).and_then(|key| Row::decode(key, &record)?.answer(key, &plan.currency));
    row.ok_or(StoreError::Damaged("rows"))
}
