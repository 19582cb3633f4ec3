//! Reporting's metrics, with a bound on the number of store labels.
//! Nothing counts from them: they are copies of what is on disk.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus::{
    IntCounterVec, IntGauge, IntGaugeVec, register_int_counter_vec, register_int_gauge, register_int_gauge_vec,
};
use tillstream_domain::StoreId;

/// Turnover of final windows.
static TURNOVER_CENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("pos_turnover_cents_total", "Turnover of final windows in cents, by store", &["store_id"])
        .expect("the name is registered once, here")
});

/// What does not balance.
static IMBALANCE_CENTS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "pos_ledger_imbalance_cents",
        "Accepted minus in windows, late and rejected, in cents of final windows, by store; must be 0. \
         For store_id other: the sum of the magnitudes",
        &["store_id"]
    )
    .expect("the name is registered once, here")
});

/// Sales that can be asked for.
static JOURNEYS: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("pos_journeys", "Newest sales whose journey can be asked for one by one")
        .expect("the name is registered once, here")
});

/// Stores with a label of their own, for the life of the process: a store must not move between labels.
static LABELLED: Mutex<BTreeSet<StoreId>> = Mutex::new(BTreeSet::new());

/// Shows the turnover of all stores. A counter never falls, so a figure below what was shown is not shown.
pub(crate) fn show_turnover(turnover: impl Iterator<Item = (StoreId, i64)>, max_labels: usize) {
    let mut other = None;
    for (store, cents) in turnover {
        if labelled(store, max_labels) {
            raise(&store.to_string(), cents);
        } else {
            other = Some(other.unwrap_or(0_i64).saturating_add(cents));
        }
    }
    if let Some(cents) = other {
        raise("other", cents);
    }
}

/// Shows what does not balance.
pub(crate) fn show_imbalance(imbalance: impl Iterator<Item = (StoreId, i64)>, max_labels: usize) {
    let mut other = None;
    for (store, cents) in imbalance {
        if labelled(store, max_labels) {
            IMBALANCE_CENTS.with_label_values(&[store.to_string()]).set(cents);
        } else {
            // Magnitudes, because a surplus of one store must not hide what another lacks.
            other = Some(other.unwrap_or(0_i64).saturating_add(cents.saturating_abs()));
        }
    }
    if let Some(cents) = other {
        IMBALANCE_CENTS.with_label_values(&["other"]).set(cents);
    }
}

/// Shows how many sales can be asked for.
pub(crate) fn show_journeys(sales: usize) {
    JOURNEYS.set(i64::try_from(sales).unwrap_or(i64::MAX));
}

fn raise(label: &str, cents: i64) {
    let counter = TURNOVER_CENTS.with_label_values(&[label]);
    let target = u64::try_from(cents).unwrap_or(0);
    counter.inc_by(target.saturating_sub(counter.get()));
}

fn labelled(store: StoreId, max_labels: usize) -> bool {
    let mut labels = LABELLED.lock().unwrap_or_else(PoisonError::into_inner);
    labels.contains(&store) || (labels.len() < max_labels && labels.insert(store))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store_for_test(number: u32) -> StoreId {
        StoreId::from_number(number).expect("not 0")
    }

    #[test]
    fn stores_beyond_the_bound_share_one_label_and_a_counter_never_falls() {
        let figures = |cents| (1..=5).map(move |number| (store_for_test(number), cents));

        show_turnover(figures(100), 2);
        show_turnover(figures(40), 2);
        show_imbalance((1..=5).map(|number| (store_for_test(number), if number == 4 { -7 } else { 0 })), 2);

        assert_eq!(TURNOVER_CENTS.with_label_values(&["other"]).get(), 300);
        assert_eq!(TURNOVER_CENTS.with_label_values(&["STORE_1"]).get(), 100);
        assert_eq!(IMBALANCE_CENTS.with_label_values(&["other"]).get(), 7);
    }
}
