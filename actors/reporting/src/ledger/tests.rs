use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::Utc;
use proptest::prelude::*;
use tillstream_domain::{Money, Tally};
use tillstream_messages::{InboundMessage, LedgerReport, StoreLedger};

use super::book::LedgerBook;
use super::pass::Pass;
use super::store::LedgerStore;
use crate::consumer::{Book, Written};
use crate::rejects::Reject;
use crate::testing::*;
use crate::turnover::{Figures, StoreFigures};

const WINDOW: i64 = 10_000_000;

/// The ledger between two restarts.
struct Bench {
    store: LedgerStore,
    book: LedgerBook,
}

impl Bench {
    fn open(directory: &Path) -> Self {
        let (store, book) = LedgerBook::open(&plan_for_test(directory), Utc::now()).expect("opened");
        Self { store, book }
    }

    fn fold(&mut self, messages: &[InboundMessage]) -> Vec<Reject> {
        let plan = plan_for_test(Path::new("unused"));
        let errand = self.book.errand();
        let mut pass = Pass::new(&self.store, &plan, &errand).expect("begun");
        for message in messages {
            pass.fold(message).expect("folded");
        }
        let Written { change, rejects, .. } = pass.commit().expect("committed");
        self.book.absorb(change, &plan);
        rejects
    }

    fn report(&mut self, figures: &Figures) -> LedgerReport {
        self.book.report(figures, WINDOW).expect("reported")
    }
}

/// What Turnover would say when these sales are in final windows.
fn figures_for_test(sales: &[TestSale], late: &[TestSale]) -> Figures {
    let mut stores: BTreeMap<u32, StoreFigures> = BTreeMap::new();
    for (sale, is_late) in sales.iter().map(|sale| (sale, false)).chain(late.iter().map(|sale| (sale, true))) {
        let figures = stores.entry(sale.store).or_default();
        let tally = if is_late { &mut figures.late } else { &mut figures.in_finals };
        *tally = tally.plus(Tally::new(1, Money::from_cents(sale.cents))).expect("small");
        let end = window_for_test(sale.second).timestamp_micros() + WINDOW;
        figures.final_until = figures.final_until.max(end);
    }
    let stores = stores.into_iter().map(|(store, figures)| (store_for_test(store), figures)).collect();
    Figures { stores: Arc::new(stores), poison: 0 }
}

fn sale_for_test(id: u64, store: u32, cents: i64) -> TestSale {
    TestSale { id, store, cents, second: (id % 30).cast_signed() }
}

fn imbalance_for_test(report: &LedgerReport) -> Vec<(u32, i64, i64)> {
    let line = |line: &StoreLedger| (line.store.number(), line.imbalance_count, line.imbalance_cents);
    report.stores.iter().map(line).filter(|(_, count, cents)| (*count, *cents) != (0, 0)).collect()
}

#[test]
fn sales_of_open_windows_are_shown_and_balanced_only_when_final() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Bench::open(directory.path());
    let early = TestSale { id: 1, store: 1, cents: 100, second: 3 };
    let fresh = TestSale { id: 2, store: 1, cents: 70, second: 12 };
    bench.fold(&[early.receipt(1), fresh.receipt(2)]);

    let before = bench.report(&Figures::default()).stores[0].clone();
    let after = bench.report(&figures_for_test(&[early], &[])).stores[0].clone();

    assert_eq!((before.accepted, before.open), ((0, Money::ZERO), (2, Money::from_cents(170))));
    assert_eq!((after.accepted, after.open), ((1, Money::from_cents(100)), (1, Money::from_cents(70))));
    assert_eq!((after.imbalance_count, after.imbalance_cents), (0, 0));
}

#[test]
fn a_lost_a_doubled_and_a_mispriced_sale_show_in_their_store_with_their_amount() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Bench::open(directory.path());
    let sales: Vec<TestSale> = (0..40).map(|id| sale_for_test(id, id as u32 % 4 + 1, 100 + id.cast_signed())).collect();
    let receipts: Vec<_> = sales.iter().map(|sale| sale.receipt(sale.id)).collect();
    bench.fold(&receipts);

    let mut wrong = sales.clone();
    wrong[6].cents += 13;
    let doubled = wrong[5];
    wrong.push(doubled);
    wrong.remove(4);

    assert_eq!(
        imbalance_for_test(&bench.report(&figures_for_test(&wrong, &[]))),
        [(1, 1, 104), (2, -1, -105), (3, 0, -13)]
    );
    assert_eq!(imbalance_for_test(&bench.report(&figures_for_test(&sales[..30], &sales[30..]))), []);
}

#[test]
fn a_window_that_was_lost_as_a_whole_shows_once_a_later_one_is_final() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Bench::open(directory.path());
    let lost = TestSale { id: 1, store: 5, cents: 999, second: 4 };
    let kept = TestSale { id: 2, store: 5, cents: 1, second: 25 };
    bench.fold(&[lost.receipt(1), kept.receipt(2)]);

    let report = bench.report(&figures_for_test(&[kept], &[]));

    assert_eq!(imbalance_for_test(&report), [(5, 1, 999)]);
}

#[test]
fn the_same_id_with_another_amount_or_store_is_rejected_once_in_its_own_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Bench::open(directory.path());
    let first = TestSale { id: 1, store: 1, cents: 100, second: 3 };
    let (dearer, elsewhere) = (TestSale { cents: 300, ..first }, TestSale { store: 2, ..first });
    bench.fold(&[first.receipt(1), dearer.receipt(2), first.receipt(3)]);
    drop(bench);
    let mut bench = Bench::open(directory.path());

    let rejects = bench.fold(&[elsewhere.receipt(4), dearer.receipt(5), elsewhere.receipt(6)]);

    let settled = TestSale { id: 9, store: 2, cents: 5, second: 9 };
    bench.fold(&[settled.receipt(7)]);
    let report = bench.report(&figures_for_test(&[first, settled], &[]));
    assert_eq!(rejects.len(), 3);
    assert_eq!(report.stores[0].accepted, (2, Money::from_cents(400)));
    assert_eq!(report.stores[0].rejected, (1, Money::from_cents(300)));
    assert_eq!(report.stores[1].rejected, (1, Money::from_cents(100)));
    assert_eq!(imbalance_for_test(&report), []);
}

#[test]
fn what_is_no_paid_sale_is_counted_once_as_poison_and_rejected_each_time() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Bench::open(directory.path());
    let topic = "sale/pos/transaction/receipt/STORE_1/x";
    let poison = [inbound_for_test(1, topic, "{"), inbound_for_test(2, topic, vec![0xff; 9])];

    let first = bench.fold(&poison);
    let again = bench.fold(&poison);

    assert_eq!((first.len(), again.len()), (2, 2));
    assert_eq!(bench.report(&Figures::default()), LedgerReport { stores: Vec::new(), poison: 2 });
}

#[test]
fn rows_of_settled_windows_are_forgotten_and_their_sums_are_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut bench = Bench::open(directory.path());
    let sale = TestSale { id: 1, store: 1, cents: 100, second: 3 };
    bench.fold(&[sale.receipt(1)]);
    bench.report(&figures_for_test(&[sale], &[]));
    let straggler = TestSale { id: 2, ..sale };
    bench.fold(&[straggler.receipt(2)]);

    let report = bench.report(&figures_for_test(&[sale], &[straggler]));
    bench.fold(&[]);

    assert!(bench.store.open.is_empty().expect("read"));
    assert_eq!(report.stores[0].accepted, (2, Money::from_cents(200)));
    drop(bench);
    let again = Bench::open(directory.path()).report(&figures_for_test(&[sale], &[straggler]));
    assert_eq!(again, report);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_repetition_and_restart_counts_every_distinct_sale_once(
        sent in prop::collection::vec((0_u64..12, 1_u32..3, 1_i64..3), 1..60),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..6),
        back in 0_usize..10,
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let sales: Vec<TestSale> = sent.iter().map(|(id, store, cents)| sale_for_test(*id, *store, *cents)).collect();
        let mut bench = Bench::open(directory.path());
        let mut done = 0;
        for (cut, settle) in &cuts {
            let end = cut.index(sales.len() + 1).max(done);
            // What was committed and not acknowledged comes again, from an earlier place on and in the queue's order.
            let batch: Vec<_> = sales[done.saturating_sub(back)..end].iter().map(|sale| sale.receipt(0)).collect();
            bench.fold(&batch);
            done = end;
            if *settle {
                bench.report(&figures_for_test(&[TestSale { id: 0, store: 1, cents: 1, second: 19 }], &[]));
            }
            drop(bench);
            bench = Bench::open(directory.path());
        }
        let rest: Vec<_> = sales[done.saturating_sub(back)..].iter().map(|sale| sale.receipt(0)).collect();
        bench.fold(&rest);

        let (mut first, mut accepted, mut rejected) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for sale in &sales {
            let holds = *first.entry(sale.id).or_insert((sale.store, sale.cents));
            accepted.insert((sale.id, sale.store, sale.cents), sale.cents);
            if holds != (sale.store, sale.cents) {
                rejected.insert((sale.id, sale.store, sale.cents), sale.cents);
            }
        }
        let far = [1, 2].map(|store| TestSale { id: 0, store, cents: 0, second: 1_000 });
        let report = bench.report(&figures_for_test(&far, &[]));
        let sum = |of: fn(&StoreLedger) -> (u64, Money)| report.stores.iter().map(of).map(|(n, m)| (n, m.cents()))
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        prop_assert_eq!(sum(|line| line.accepted), (accepted.len() as u64, accepted.values().sum::<i64>()));
        prop_assert_eq!(sum(|line| line.rejected), (rejected.len() as u64, rejected.values().sum::<i64>()));
        prop_assert_eq!(sum(|line| line.open), (0, 0));
    }
}
