//! The tills' account: what the service has said yes to, per store, each sale once.
//! Does not ask the service for its figures; whoever compares the two does.

use std::collections::BTreeMap;

use tillstream_domain::{Money, StoreId};

use crate::sales::TillSale;

/// What was accepted from one store's tills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreAccount {
    /// Distinct paid sales answered with 200.
    pub accepted: u64,
    /// Their money: the sums of their lines.
    pub amount: Money,
    /// Distinct failed payments answered with 200; no turnover.
    pub failed_payments: u64,
}

/// The account of all tills at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeneratorAccount {
    /// By store number.
    pub stores: BTreeMap<StoreId, StoreAccount>,
    /// Distinct sales that were rung up.
    pub rung_up: u64,
    /// Exact repetitions of accepted sales that were answered with 200 again.
    pub repetitions: u64,
    /// Sales that were refused for good, by status: never sent again.
    pub refused: BTreeMap<u16, u64>,
    /// Attempts beyond the first ones.
    pub retries: u64,
    /// Sales whose fate is not known yet.
    pub outstanding: u64,
}

impl GeneratorAccount {
    /// The sum over all stores.
    pub fn total(&self) -> StoreAccount {
        let mut total = StoreAccount::default();
        for store in self.stores.values() {
            total.accepted += store.accepted;
            total.amount = Money::from_cents(total.amount.cents() + store.amount.cents());
            total.failed_payments += store.failed_payments;
        }
        total
    }

    /// The service has the sale on disk.
    pub(crate) fn accept(&mut self, sale: &TillSale) {
        let store = self.stores.entry(sale.store).or_default();
        if !sale.is_paid {
            store.failed_payments += 1;
            return;
        }
        store.accepted += 1;
        store.amount = Money::from_cents(store.amount.cents() + sale.amount.cents());
    }
}
