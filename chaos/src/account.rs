//! The drill's account beside the service's books: turnover window by window, and the ledger.
//! Does not fetch and does not wait.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::{Imbalance, Ledger, Row, StoreLedger};
use crate::book::Entry;
use crate::comparison::{Comparison, compare};

/// Stores that are named when the drill waits for many.
const NAMED: usize = 3;

/// The service's books before the first own sale.
#[derive(Debug, Clone, Default)]
pub(crate) struct Baseline {
    /// Paid sales of the ledger, by store.
    pub(crate) recorded: BTreeMap<String, u64>,
    /// Whether the ledger was out of balance already.
    pub(crate) was_imbalanced: bool,
    /// Turnover that own sales may add to.
    pub(crate) rows: Vec<Row>,
}

/// What the books say at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Turnover against the own list.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// Own paid sales answered with 200 that the ledger has not recorded, by store.
    pub unrecorded: BTreeMap<String, u64>,
    /// Sales that the ledger recorded and this drill did not send, or does not know to be taken.
    pub foreign: u64,
    /// Stores whose ledger does not balance.
    pub imbalance: BTreeMap<String, Imbalance>,
    /// The ledger was out of balance before the drill.
    pub was_imbalanced: bool,
    /// Sales in windows that are not final, by store.
    pub open: BTreeMap<String, u64>,
}

impl Baseline {
    /// Takes the books as they are.
    pub(crate) fn new(ledger: &Ledger, rows: Vec<Row>) -> Self {
        let recorded = ledger.stores.iter().map(|store| (store.store_id.clone(), recorded(store))).collect();
        let was_imbalanced = ledger.stores.iter().any(|store| store.imbalance != Imbalance::default());
        Self { recorded, was_imbalanced, rows }
    }
}

impl Account {
    /// Compares everything.
    pub(crate) fn of(run: u64, answered: &[Entry], baseline: &Baseline, ledger: &Ledger, rows: &[Row]) -> Self {
        let mut account = Self::of_ledger(answered, baseline, ledger);
        account.comparison = compare(run, answered, &baseline.rows, rows);
        account
    }

    /// Compares the ledger alone.
    pub(crate) fn of_ledger(answered: &[Entry], baseline: &Baseline, ledger: &Ledger) -> Self {
        let mut own = BTreeMap::<String, u64>::new();
        for entry in answered {
            *own.entry(format!("STORE_{}", entry.store)).or_default() += 1;
        }
        let mut account = Self { was_imbalanced: baseline.was_imbalanced, ..Self::default() };
        for store in &ledger.stores {
            let mine = own.remove(&store.store_id).unwrap_or_default();
            let grown =
                recorded(store).saturating_sub(baseline.recorded.get(&store.store_id).copied().unwrap_or_default());
            account.add(store, mine, grown);
        }
        account.unrecorded.extend(own);
        account
    }

    fn add(&mut self, store: &StoreLedger, mine: u64, grown: u64) {
        let name = || store.store_id.clone();
        self.foreign += grown.saturating_sub(mine);
        if mine > grown {
            self.unrecorded.insert(name(), mine - grown);
        }
        if store.imbalance != Imbalance::default() {
            self.imbalance.insert(name(), store.imbalance);
        }
        if store.open.count > 0 {
            self.open.insert(name(), store.open.count);
        }
    }

    /// Whether nothing is off and nothing is missing.
    pub fn is_clean(&self) -> bool {
        self.comparison.is_clean() && self.is_at_rest() && self.imbalance.is_empty()
    }

    /// Whether the ledger has every own sale, and every window is final.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.unrecorded.is_empty() && self.open.is_empty()
    }

    /// Whom the drill waits for, in words.
    pub(crate) fn awaited(&self) -> String {
        let open = self.open.iter().map(|(store, count)| format!("{store} ({count} in windows that are not final)"));
        let unrecorded = self.unrecorded.iter().map(|(store, count)| format!("{store} ({count} not in the ledger)"));
        few(open.chain(unrecorded))
    }
}

/// The first names, and how many more there are.
pub(crate) fn few(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<_> = names.collect();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    names.join(", ") + &rest
}

/// Distinct paid sales, final or not.
fn recorded(store: &StoreLedger) -> u64 {
    store.accepted.count + store.open.count
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::api::Side;
    use crate::cents::Cents;
    use crate::comparison::tests::rows_for_test;

    /// A ledger of one store with so many accepted and open sales.
    pub(crate) fn ledger_for_test(accepted: u64, open: u64) -> Ledger {
        let side = |count| Side { count, amount: Cents(0) };
        let imbalance = Imbalance::default();
        let store_id = "STORE_1".to_owned();
        Ledger { stores: vec![StoreLedger { store_id, accepted: side(accepted), open: side(open), imbalance }] }
    }

    fn entries_for_test(count: u64) -> Vec<Entry> {
        (0..count).map(|number| Entry { number, store: 1, time: 5, cents: 100 }).collect()
    }

    fn account_for_test(own: u64, ledger: &Ledger) -> Account {
        let entries = entries_for_test(own);
        let baseline = Baseline::new(&ledger_for_test(10, 0), Vec::new());
        Account::of(1, &entries, &baseline, ledger, &rows_for_test(&entries))
    }

    #[test]
    fn books_that_grew_by_the_own_sales_are_clean() {
        assert!(account_for_test(5, &ledger_for_test(15, 0)).is_clean());
    }

    #[test]
    fn open_windows_and_unrecorded_sales_are_named() {
        let open = account_for_test(5, &ledger_for_test(12, 3));
        assert!(!open.is_at_rest() && open.awaited().contains("STORE_1 (3 in windows"));
        assert_eq!(few((1..=5).map(|number| number.to_string())), "1, 2, 3 and 2 more");
        let unrecorded = account_for_test(5, &ledger_for_test(13, 0));
        assert_eq!(unrecorded.unrecorded["STORE_1"], 2);
        assert!(!unrecorded.is_clean());
    }

    #[test]
    fn sales_of_others_are_counted_as_such() {
        let account = account_for_test(5, &ledger_for_test(18, 0));
        assert_eq!(account.foreign, 3);
    }

    #[test]
    fn an_imbalance_is_never_clean() {
        let mut ledger = ledger_for_test(15, 0);
        ledger.stores[0].imbalance = Imbalance { count: 0, cents: -1 };
        let account = account_for_test(5, &ledger);
        assert!(!account.is_clean() && account.imbalance["STORE_1"].cents == -1);
    }

    #[test]
    fn a_store_that_the_ledger_does_not_know_has_unrecorded_sales() {
        let account = account_for_test(4, &Ledger { stores: Vec::new() });
        assert_eq!(account.unrecorded["STORE_1"], 4);
    }
}
