//! Renders the ledger as a table for a terminal.
//! Does not judge it.

use std::fmt::Write;

use tillstream_domain::Money;
use tillstream_generator::GeneratorAccount;
use tillstream_messages::LedgerReport;

const HEADINGS: [&str; 7] = ["store", "accepted", "in windows", "late", "rejected", "open", "imbalance"];

/// One line per store.
pub fn ledger(report: &LedgerReport) -> String {
    let rows = report.stores.iter().map(|store| {
        let imbalance = (store.imbalance_count, Money::from_cents(store.imbalance_cents));
        [
            store.store.to_string(),
            side(store.accepted),
            side(store.in_windows),
            side(store.late),
            side(store.rejected),
            side(store.open),
            format!("{} / {}", imbalance.0, imbalance.1),
        ]
    });
    let mut text = aligned(&[vec![HEADINGS.map(str::to_owned)], rows.collect()].concat());
    if report.poison > 0 {
        writeln!(text, "{} messages could not be read as a sale", report.poison).expect("a text takes a line");
    }
    text
}

/// What the tills say beside it: every sale that they were told is recorded, final or open.
pub fn account(account: &GeneratorAccount, report: &LedgerReport) -> String {
    let sold = account.total();
    let recorded = report.stores.iter().map(|store| store.accepted.0 + store.open.0).sum::<u64>();
    let money = report.stores.iter().map(|store| store.accepted.1.cents() + store.open.1.cents()).sum();
    format!(
        "tills: {} paid sales answered with 200 ({}), {} failed payments, {} retries, {} without an answer\n\
         ledger: {recorded} paid sales since the first start ({})",
        sold.accepted,
        sold.amount,
        sold.failed_payments,
        account.retries,
        account.outstanding,
        Money::from_cents(money),
    )
}

fn side((count, amount): (u64, Money)) -> String {
    format!("{count} / {amount}")
}

/// The first column to the left, numbers to the right.
fn aligned(rows: &[[String; 7]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use tillstream_domain::StoreId;
    use tillstream_messages::StoreLedger;

    use super::*;

    #[test]
    fn columns_stand_below_their_headings() {
        let money = Money::from_cents;
        let store = StoreLedger {
            store: StoreId::from_number(10).unwrap(),
            accepted: (12_345, money(1_234_567)),
            in_windows: (12_345, money(1_234_567)),
            late: (0, money(0)),
            rejected: (0, money(0)),
            open: (3, money(999)),
            open_starts: None,
            imbalance_count: 0,
            imbalance_cents: 0,
        };
        let text = ledger(&LedgerReport { stores: vec![store], poison: 2 });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0].len(), lines[1].len());
        assert!(lines[1].starts_with("STORE_10  12345 / 12345.67"));
        assert!(lines[1].ends_with("3 / 9.99   0 / 0.00"));
        assert_eq!(lines[2], "2 messages could not be read as a sale");
    }
}
