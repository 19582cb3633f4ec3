//! What a drill found, for people and as JSON for tests, and the verdict with its reasons.
//! Does not print.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::account::Account;
use crate::book::Counts;
use crate::delays::WindowDelay;
use crate::faults::FaultRow;
use crate::injection::State;
use crate::quantiles::Quantiles;

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether nothing is lost, double, wrong, unanswered or unrecovered.
    pub passed: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Repeats the drill.
    pub seed: u64,
    /// Begins the ids of this run's sales.
    pub run: String,
    /// Load, from the first sale to the last answer.
    pub seconds: f64,
    /// Whether it was told to stop before all faults were injected.
    pub interrupted: bool,
    /// What was sent and what came back.
    pub load: Counts,
    /// Sales whose fate is not known.
    pub unanswered: u64,
    /// Answers that no valid sale should get, the first of them.
    pub violations: Vec<String>,
    /// Own list against the service's books.
    pub account: Account,
    /// Fault by fault.
    pub faults: Vec<FaultRow>,
    /// By kind of fault.
    pub by_kind: BTreeMap<String, Figures>,
    /// By kind of actor.
    pub by_actor: BTreeMap<String, Figures>,
    /// Windows first told before the first fault.
    pub calm_delay: Option<WindowDelay>,
    /// Windows first told since.
    pub run_delay: Option<WindowDelay>,
}

/// Of faults that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// That took effect.
    pub injected: usize,
    /// That were made good.
    pub recovered: usize,
    /// That did not take effect.
    pub not_fired: usize,
    /// From the fault to the knowledge of it.
    pub detection: Option<Quantiles>,
    /// From there to the next incarnation.
    pub restart: Option<Quantiles>,
}

impl Report {
    /// Judges.
    pub(crate) fn judged(mut self) -> Self {
        self.by_kind = figures_by_kind(&self.faults);
        self.by_actor = figures(&self.faults, |row| row.actor.clone());
        self.reasons = [self.of_load(), self.of_account(), self.of_faults()].concat();
        self.passed = self.reasons.is_empty();
        self
    }

    fn of_load(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.load.violations > 0 {
            reasons.push(format!("{} answers that no valid sale should get", self.load.violations));
        }
        if self.unanswered > 0 {
            reasons.push(format!("{} sales were never answered with 200", self.unanswered));
        }
        if self.load.answered == 0 {
            reasons.push("not one sale was answered with 200: nothing is proven".to_owned());
        }
        reasons
    }

    fn of_account(&self) -> Vec<String> {
        let (account, comparison) = (&self.account, &self.account.comparison);
        let mut reasons = Vec::new();
        let mut add = |is_so: bool, text: String| {
            if is_so {
                reasons.push(text)
            }
        };
        let foreign = account.foreign;
        let has_others = foreign > 0 && !account.is_clean();
        add(has_others, format!("{foreign} sales were not ours: the account cannot be exact; stop other tills"));
        let (lost, double) = (comparison.lost, comparison.double);
        add(lost.count > 0, format!("{} sales lost ({})", lost.count, lost.cents));
        add(
            double.count > 0,
            format!("{} sales counted that were not answered, or twice ({})", double.count, double.cents),
        );
        add(comparison.mispriced > 0, format!("{} windows with a wrong amount", comparison.mispriced));
        let unrecorded: u64 = account.unrecorded.values().sum();
        add(unrecorded > 0, format!("{unrecorded} sales are not in the ledger"));
        let stores = account.imbalance.keys().cloned().collect::<Vec<_>>().join(", ");
        let before = if account.was_imbalanced { ", as it was before the drill" } else { "" };
        add(!stores.is_empty(), format!("the ledger is out of balance in {stores}{before}"));
        let open: u64 = account.open.values().sum();
        add(open > 0, format!("{open} sales are in windows that did not become final in time"));
        reasons
    }

    fn of_faults(&self) -> Vec<String> {
        [self.of_recoveries(), self.of_effect(), self.of_verdicts()].concat()
    }

    fn of_recoveries(&self) -> Vec<String> {
        let of = |state| self.faults.iter().filter(move |row| row.state == state);
        let unrecovered = of(State::Unrecovered).map(|row| format!("{} did not recover from {}", row.target, row.kind));
        let why = |row: &FaultRow| row.note.clone().unwrap_or_default();
        let refused = of(State::Refused).map(|row| format!("{} on {} was refused: {}", row.kind, row.target, why(row)));
        unrecovered.chain(refused).collect()
    }

    /// Faults that find nobody to hurt prove nothing.
    fn of_effect(&self) -> Vec<String> {
        let asked = self.faults.iter().filter(|row| row.state != State::NotHere).count();
        let effective = self.faults.iter().filter(|row| row.took_effect()).count();
        if effective * 2 >= asked {
            return Vec::new();
        }
        vec![format!("only {effective} of {asked} faults took effect: little is proven")]
    }

    /// What the service itself says that a fault has cost, unless the fault was to miscount.
    fn of_verdicts(&self) -> Vec<String> {
        let honest = self.faults.iter().filter(|row| !row.kind.tampers());
        honest.filter_map(FaultRow::damage).collect()
    }
}

fn figures(rows: &[FaultRow], name: impl Fn(&FaultRow) -> Option<String>) -> BTreeMap<String, Figures> {
    let mut groups = BTreeMap::<String, Vec<&FaultRow>>::new();
    for row in rows.iter().filter(|row| !matches!(row.state, State::Refused | State::NotHere)) {
        if let Some(name) = name(row) {
            groups.entry(name).or_default().push(row);
        }
    }
    groups.into_iter().map(|(name, rows)| (name, Figures::of(&rows))).collect()
}

/// A fault that did not fire and was repeated as another counts with both kinds.
fn figures_by_kind(rows: &[FaultRow]) -> BTreeMap<String, Figures> {
    let mut by_kind = figures(rows, |row| Some(row.kind.to_string()));
    for kind in rows.iter().filter_map(|row| row.instead_of) {
        by_kind.entry(kind.to_string()).or_default().not_fired += 1;
    }
    by_kind
}

impl Figures {
    fn of(rows: &[&FaultRow]) -> Self {
        let count = |state| rows.iter().filter(|row| row.state == state).count();
        let (recovered, not_fired) = (count(State::Recovered), count(State::NotFired));
        let good = || rows.iter().filter(|row| row.state == State::Recovered).map(|row| &row.verdict);
        Self {
            injected: rows.len() - not_fired,
            recovered,
            not_fired,
            detection: Quantiles::of(good().filter_map(|verdict| verdict.detection_ms)),
            restart: Quantiles::of(good().filter_map(|verdict| verdict.restart_ms)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::api::{Imbalance, Verdict};
    use crate::cents::Cents;
    use crate::comparison::Tally;
    use crate::kinds::FaultKind;

    /// A drill in which all went well.
    pub(crate) fn report_for_test() -> Report {
        let row = |number, kind, detection| FaultRow {
            number,
            id: Some(1),
            at_seconds: 1.5,
            kind,
            instead_of: None,
            target: "root.pipeline.windows.STORE_3".to_owned(),
            actor: Some("window".to_owned()),
            state: State::Recovered,
            verdict: Verdict { detection_ms: Some(detection), restart_ms: Some(1.0), ..Verdict::default() },
            note: None,
        };
        Report {
            passed: false,
            reasons: Vec::new(),
            seed: 1,
            run: "00ff".to_owned(),
            seconds: 3.0,
            interrupted: false,
            load: Counts { sent: 10, answered: 10, ..Counts::default() },
            unanswered: 0,
            violations: Vec::new(),
            account: Account::default(),
            faults: vec![row(1, FaultKind::Panic, 0.5), row(2, FaultKind::Hang, 1_000.0)],
            by_kind: BTreeMap::new(),
            by_actor: BTreeMap::new(),
            calm_delay: None,
            run_delay: None,
        }
    }

    fn reasons_for_test(change: impl FnOnce(&mut Report)) -> String {
        let mut report = report_for_test();
        change(&mut report);
        let report = report.judged();
        assert_eq!(report.passed, report.reasons.is_empty());
        report.reasons.join("; ")
    }

    #[test]
    fn a_drill_in_which_all_went_well_passes_with_figures_per_kind() {
        let report = report_for_test().judged();
        assert!(report.passed);
        assert_eq!(report.by_kind["hang"].detection.unwrap().max_ms, 1_000.0);
        assert_eq!(report.by_actor["window"].recovered, 2);
        assert!(serde_json::to_string(&report).unwrap().contains("\"passed\":true"));
    }

    #[test]
    fn every_kind_of_damage_fails_the_drill_and_is_named() {
        let one = Tally { count: 1, cents: Cents(1_234) };
        assert!(reasons_for_test(|report| report.load.violations = 2).contains("2 answers"));
        assert!(reasons_for_test(|report| report.unanswered = 3).contains("3 sales were never answered"));
        assert!(reasons_for_test(|report| report.load.answered = 0).contains("nothing is proven"));
        assert!(reasons_for_test(|report| report.account.comparison.lost = one).contains("1 sales lost (12.34)"));
        assert!(reasons_for_test(|report| report.account.comparison.double = one).contains("twice (12.34)"));
        assert!(reasons_for_test(|report| report.account.comparison.mispriced = 1).contains("wrong amount"));
        assert!(reasons_for_test(|report| report.faults[0].state = State::Unrecovered).contains("did not recover"));
        assert!(reasons_for_test(|report| report.faults[0].state = State::Refused).contains("refused"));
        let imbalance = Imbalance { count: 1, cents: 5 };
        let store = || "STORE_4".to_owned();
        let off = reasons_for_test(|report| report.account.imbalance = [(store(), imbalance)].into());
        assert!(off.contains("out of balance in STORE_4"));
        let hidden = reasons_for_test(|report| report.account.unrecorded = [(store(), 2)].into());
        assert!(hidden.contains("2 sales are not in the ledger"));
        let open = reasons_for_test(|report| report.account.open = [(store(), 2)].into());
        assert!(open.contains("2 sales are in windows that did not become final in time"));
    }

    #[test]
    fn a_drill_whose_faults_mostly_found_nobody_proves_little() {
        let lame = |count: usize| {
            reasons_for_test(|report| {
                report.faults.extend(report_for_test().faults);
                report.faults.iter_mut().take(count).for_each(|row| row.state = State::NotFired);
            })
        };
        assert_eq!(lame(2), "");
        assert_eq!(lame(3), "only 1 of 4 faults took effect: little is proven");
        assert_eq!(lame(4), "only 0 of 4 faults took effect: little is proven");
        assert_eq!(reasons_for_test(|report| report.faults.clear()), "", "nobody asked for faults");
        let elsewhere = reasons_for_test(|report| {
            report.faults.extend([report_for_test().faults, report_for_test().faults].concat());
            report.faults.iter_mut().skip(1).for_each(|row| row.state = State::NotHere);
        });
        assert_eq!(elsewhere, "", "what runs elsewhere was not to be hurt here");
        let stall = reasons_for_test(|report| {
            report.faults.truncate(1);
            report.faults[0].kind = FaultKind::BrokerStall;
            report.faults[0].verdict = Verdict::default();
        });
        assert_eq!(stall, "", "a condition that nobody felt was survived all the same");
    }

    #[test]
    fn a_verdict_with_a_loss_fails_the_drill_unless_the_fault_was_to_miscount() {
        let damaged = |kind, lost: i64, double: i64| {
            reasons_for_test(|report| {
                let row = &mut report.faults[1];
                row.kind = kind;
                row.verdict.lost = Some(Imbalance { count: lost, cents: lost * 250 });
                row.verdict.double = Some(Imbalance { count: 0, cents: double });
            })
        };
        let told = damaged(FaultKind::Stop, 2, 0);
        assert_eq!(
            told,
            "fault 2 (stop on root.pipeline.windows.STORE_3): its verdict says lost 2 (5.00), double 0 (0.00)"
        );
        assert!(damaged(FaultKind::Stop, 0, 1).ends_with("lost 0 (0.00), double 0 (0.01)"));
        assert_eq!(damaged(FaultKind::Stop, 0, 0), "");
        assert_eq!(damaged(FaultKind::LoseSale, 1, 1), "");
    }

    #[test]
    fn sales_of_others_are_the_reason_only_when_the_sums_do_not_match() {
        assert_eq!(reasons_for_test(|report| report.account.foreign = 3), "");
        let reasons = reasons_for_test(|report| {
            report.account.foreign = 3;
            report.account.open.insert("STORE_1".to_owned(), 3);
        });
        assert!(reasons.starts_with("3 sales were not ours: the account cannot be exact; stop other tills"));
    }
}
