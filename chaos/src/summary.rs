//! The drill in words: the table of faults while it runs, and the summary at its end.
//! Does not judge; the report has done so.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::api::Imbalance;
use crate::delays::WindowDelay;
use crate::faults::FaultRow;
use crate::injection::State;
use crate::quantiles::Quantiles;
use crate::report::{Figures, Report};

/// Differences and violations that are shown one by one; the JSON report has more.
const SHOWN: usize = 20;

/// The line above the table of faults.
pub(crate) fn heading() -> String {
    let name = |text: &str| text.to_owned();
    columns([
        name("no."),
        name("at"),
        name("fault"),
        name("target"),
        name("detected"),
        name("restarted"),
        name("generation"),
        name("replayed"),
        name("repeated"),
        name("disturbed"),
        name("lost so far"),
        name("double"),
        name("open"),
        name("state"),
    ])
}

/// One fault.
pub(crate) fn row(row: &FaultRow) -> String {
    let verdict = &row.verdict;
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let generation = match (verdict.generation_before, verdict.generation_after) {
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        _ => "-".to_owned(),
    };
    columns([
        row.number.to_string(),
        format!("{:.1} s", row.at_seconds),
        row.kind.to_string(),
        row.target.clone(),
        verdict.detection_ms.map_or_else(|| "-".to_owned(), milliseconds),
        verdict.restart_ms.map_or_else(|| "-".to_owned(), milliseconds),
        generation,
        number(verdict.replayed),
        number(verdict.duplicates),
        verdict.disturbed.len().to_string(),
        sales(verdict.lost),
        sales(verdict.double),
        sales(verdict.open),
        format!("{}{}", state(row.state), row.note.as_deref().map_or_else(String::new, |note| format!(": {note}"))),
    ])
}

/// Names to the left, figures to the right.
fn columns(cells: [String; 14]) -> String {
    let [
        number,
        at,
        fault,
        target,
        detected,
        restarted,
        generation,
        replayed,
        repeated,
        disturbed,
        lost,
        double,
        open,
        state,
    ] = cells;
    format!(
        "{number:>5} {at:>8}  {fault:<13} {target:<34} {detected:>10} {restarted:>10} {generation:>11} {replayed:>8} \
         {repeated:>8} {disturbed:>9} {lost:>11} {double:>6} {open:>6}  {state}"
    )
}

const fn state(state: State) -> &'static str {
    match state {
        State::Recovered => "recovered",
        State::NotFired => "not fired",
        State::Unrecovered => "NOT RECOVERED",
        State::NotHere => "not here",
        State::Refused => "REFUSED",
    }
}

/// Nobody could say what is not there.
fn sales(amount: Option<Imbalance>) -> String {
    amount.map_or_else(|| "-".to_owned(), |amount| amount.count.to_string())
}

fn milliseconds(value: f64) -> String {
    if value < 10.0 { format!("{value:.2} ms") } else { format!("{value:.0} ms") }
}

impl Report {
    /// What is printed at the end.
    pub fn text(&self) -> String {
        let mut out = String::new();
        self.write_load(&mut out);
        write_figures(&mut out, "fault", &self.by_kind);
        write_figures(&mut out, "actor", &self.by_actor);
        self.write_delays(&mut out);
        self.write_unjudged(&mut out);
        self.write_account(&mut out);
        self.write_verdict(&mut out);
        out
    }

    fn write_load(&self, out: &mut String) {
        let load = &self.load;
        line(out, "");
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52, for a rate that is read by people")]
        let rate = load.sent as f64 / self.seconds.max(0.001);
        line(out, &format!("sales: {} sent in {:.1} s ({rate:.0}/s)", load.sent, self.seconds));
        let paid = load.answered - load.failed_payments;
        line(out, &format!("  answered with 200: {}, of them paid: {paid}", load.answered));
        line(out, &format!("  retries: {}, repetitions on purpose: {}", load.retries, load.repetitions));
        let statuses: Vec<_> = load.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        line(out, &format!("  answers: {}; cut: {}; timeouts: {}", statuses.join(", "), load.cuts, load.timeouts));
        for violation in self.violations.iter().take(SHOWN) {
            line(out, &format!("  {violation}"));
        }
    }

    fn write_delays(&self, out: &mut String) {
        let told = |delay: Option<WindowDelay>| match delay {
            Some(WindowDelay { windows, p50_seconds, p99_seconds }) => {
                format!("median {p50_seconds:.2} s, p99 {p99_seconds:.2} s of {windows} windows")
            }
            None => "none told".to_owned(),
        };
        line(out, &format!("window delay before the first fault: {}", told(self.calm_delay)));
        line(out, &format!("window delay since:                  {}", told(self.run_delay)));
    }

    /// A 0 in a verdict means little while windows are open.
    fn write_unjudged(&self, out: &mut String) {
        let unjudged = self.faults.iter().filter(|row| row.is_unjudged()).count();
        if unjudged > 0 {
            let text = "verdicts were given before all windows were final and not judged again: there lost and double \
                        are so far; the account below has every sale";
            line(out, &format!("{unjudged} {text}"));
        }
    }

    fn write_account(&self, out: &mut String) {
        let (account, comparison) = (&self.account, &self.account.comparison);
        let (lost, double) = (comparison.lost, comparison.double);
        let imbalance = account.imbalance.values().map(|off| off.cents.abs()).sum::<i64>();
        line(
            out,
            &format!(
                "lost: {} ({})  double: {} ({})  wrong amounts: {}  ledger: {} stores out of balance ({imbalance} cents)",
                lost.count,
                lost.cents,
                double.count,
                double.cents,
                comparison.mispriced,
                account.imbalance.len(),
            ),
        );
        for difference in comparison.differences.iter().take(SHOWN) {
            let open = if difference.is_final { "" } else { " (not final)" };
            let known = difference.window_start.map(|start| format!("window {start}{open}"));
            let window = known.as_deref().unwrap_or("no window");
            let (own, counted) = (difference.answered, difference.counted);
            line(
                out,
                &format!(
                    "  {}, {window}: {} sales ({}) answered, {} ({}) counted{}",
                    difference.store_id,
                    own.count,
                    own.cents,
                    counted.count,
                    counted.cents,
                    suspects(&difference.suspects),
                ),
            );
        }
        let rest = comparison.differences.len().saturating_sub(SHOWN);
        if rest > 0 {
            line(out, &format!("  and {rest} more windows"));
        }
    }

    fn write_verdict(&self, out: &mut String) {
        let early = if self.interrupted { " (stopped early)" } else { "" };
        if self.passed {
            line(
                out,
                &format!(
                    "PASSED{early}: every sale that was answered with 200 is counted exactly once (seed {})",
                    self.seed
                ),
            );
            return;
        }
        line(out, &format!("FAILED{early} (seed {}):", self.seed));
        for reason in self.reasons.iter().take(SHOWN) {
            line(out, &format!("  {reason}"));
        }
        let rest = self.reasons.len().saturating_sub(SHOWN);
        if rest > 0 {
            line(out, &format!("  and {rest} more reasons"));
        }
    }
}

fn suspects(ids: &[uuid::Uuid]) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    format!("; it may be {}", ids.join(" or "))
}

fn write_figures(out: &mut String, what: &str, groups: &BTreeMap<String, Figures>) {
    if groups.is_empty() {
        return;
    }
    line(
        out,
        &format!(
            "{what:<14} {:>8} {:>9} {:>9}   {:<34} restart p50 / p99 / max",
            "injected", "recovered", "not fired", "detection p50 / p99 / max"
        ),
    );
    for (name, of) in groups {
        let (detection, restart) = (times(of.detection), times(of.restart));
        let (injected, recovered, not_fired) = (of.injected, of.recovered, of.not_fired);
        line(out, &format!("{name:<14} {injected:>8} {recovered:>9} {not_fired:>9}   {detection:<34} {restart}"));
    }
}

fn times(quantiles: Option<Quantiles>) -> String {
    let Some(of) = quantiles else { return "-".to_owned() };
    [of.p50_ms, of.p99_ms, of.max_ms].map(milliseconds).join(" / ")
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a text takes a line");
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::cents::Cents;
    use crate::comparison::{Difference, Tally};
    use crate::report::tests::report_for_test;

    #[test]
    fn a_row_stands_below_its_heading() {
        let text = row(&report_for_test().faults[0]);
        assert!(
            text.contains("panic") && text.contains("root.pipeline.windows.STORE_3") && text.ends_with("recovered")
        );
        assert_eq!(heading().find("state"), text.find("recovered"));
    }

    #[test]
    fn the_summary_of_a_good_drill_ends_with_the_verdict() {
        let text = report_for_test().judged().text();
        assert!(text.lines().last().unwrap().starts_with("PASSED: every sale"), "{text}");
        assert!(text.contains("lost: 0 (0.00)  double: 0 (0.00)"));
    }

    #[test]
    fn what_a_verdict_could_not_judge_is_shown_as_open() {
        let mut report = report_for_test();
        report.faults[0].verdict.lost = Some(Imbalance::default());
        report.faults[0].verdict.open = Some(Imbalance { count: 57, cents: 5_700 });
        let shown = row(&report.faults[0]);
        assert!(shown.ends_with(" 0      -     57  recovered"), "{shown}");
        let text = report.judged().text();
        assert!(text.contains("1 verdicts were given before all windows were final"), "{text}");
        assert!(!report_for_test().judged().text().contains("verdicts were given"));
    }

    #[test]
    fn a_lost_sale_is_named_with_store_window_and_amount() {
        let mut report = report_for_test();
        let missing = Tally { count: 1, cents: Cents(1_234) };
        report.account.comparison.lost = missing;
        report.account.comparison.differences.push(Difference {
            store_id: "STORE_7".to_owned(),
            window_start: DateTime::from_timestamp(1_731_672_000, 0),
            is_final: false,
            answered: missing,
            counted: Tally::default(),
            suspects: vec![uuid::Uuid::nil()],
        });
        let text = report.judged().text();
        let expected = "STORE_7, window 2024-11-15 12:00:00 UTC (not final): 1 sales (12.34) answered, 0 (0.00) counted; it may be 0000";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("FAILED (seed 1):\n  1 sales lost (12.34)"), "{text}");
    }
}
