//! The drill's sales: drawn from the seed alone, numbered, and written as a till writes them.
//! Does not send anything and has no clock: the caller says when a sale takes place.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use fastrand::Rng;
use uuid::Uuid;

use crate::cents::Cents;
use crate::stores::Stores;

/// So that the sales of a seed are not the faults of the same seed.
const OTHER_STREAM: u64 = 0x7461_6c65_735f_3031;
const CASHIERS: u32 = 8;
const MAX_LINES: usize = 4;
const MAX_QUANTITY: i64 = 5;
const METHODS: [&str; 3] = ["credit_card", "cash", "voucher"];
/// Name and price of what is sold; every name can stand in JSON as it is.
const GOODS: [(&str, i64); 6] =
    [("Milk 1 l", 129), ("Rye bread 500 g", 349), ("Apples 1 kg", 279), ("Soap", 99), ("Coffee", 649), ("Tea", 189)];

/// Out of 1,000 sales, the till's total is wrong and will be corrected.
const WRONG_TOTAL: u32 = 20;
/// The payment failed: recorded, no turnover.
const FAILED: u32 = 20;
/// The same body goes out again after its 200.
const REPEATED: u32 = 30;
/// The same body goes out twice at the same time.
const TWICE: u32 = 20;
/// Told so late that the window is final.
const LATE: u32 = 10;
/// Told up to [`DISORDER`] late.
const DISORDERED: u32 = 300;

/// Less than what the service waits for sales that overtake each other (1 s by default).
const DISORDER: i64 = 800;
/// Behind the default's window (10 s), disorder (1 s) and allowed lateness (30 s), in milliseconds.
const LATE_FROM: i64 = 90_000;
/// At most this far behind.
pub(crate) const LATE_TO: i64 = 240_000;
/// The first sales are on time: a store whose very first sale is old has no final window yet.
const ON_TIME_FIRST: u64 = 300;

/// How often the till sends a sale that needs no retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Once.
    Once,
    /// Again after its 200.
    Again,
    /// Twice at the same time.
    Twice,
}

/// One sale before it takes place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sale {
    /// From 0.
    pub(crate) number: u64,
    /// The store's number.
    pub(crate) store: u32,
    /// How often it is sent.
    pub(crate) sending: Sending,
    /// Whether it is turnover.
    pub(crate) is_paid: bool,
    /// How long ago it took place when it is sent first, in milliseconds.
    pub(crate) behind: i64,
    cashier: u32,
    /// Place in the goods, and quantity.
    lines: Vec<(usize, i64)>,
    /// The till's total is off by this.
    error_cents: i64,
    method: &'static str,
}

/// The endless stream of a seed's sales.
#[derive(Debug)]
pub(crate) struct Sales {
    rng: Rng,
    stores: Stores,
    next: u64,
    repeats: bool,
}

impl Sales {
    /// The sales of this seed.
    pub(crate) fn new(seed: u64, stores: Stores) -> Self {
        Self { rng: Rng::with_seed(seed ^ OTHER_STREAM), stores, next: 0, repeats: true }
    }

    /// The same sales, none of them sent twice on purpose.
    pub(crate) fn sent_once(self) -> Self {
        Self { repeats: false, ..self }
    }

    /// Draws the next one.
    pub(crate) fn draw(&mut self) -> Sale {
        let number = self.next;
        self.next += 1;
        Sale {
            number,
            store: self.stores.at(self.rng.u32(0..self.stores.count())),
            cashier: self.rng.u32(1..=CASHIERS),
            lines: self.lines(),
            method: METHODS[self.rng.usize(..METHODS.len())],
            error_cents: self.error_cents(),
            is_paid: self.rng.u32(..1_000) >= FAILED,
            sending: self.sending(),
            behind: self.behind(number),
        }
    }

    fn lines(&mut self) -> Vec<(usize, i64)> {
        let count = self.rng.usize(1..=MAX_LINES);
        (0..count).map(|_| (self.rng.usize(..GOODS.len()), self.rng.i64(1..=MAX_QUANTITY))).collect()
    }

    /// Always upwards, so that the total stays positive.
    fn error_cents(&mut self) -> i64 {
        let error = self.rng.i64(1..=500);
        if self.rng.u32(..1_000) < WRONG_TOTAL { error } else { 0 }
    }

    fn sending(&mut self) -> Sending {
        match self.rng.u32(..1_000) {
            _ if !self.repeats => Sending::Once,
            0..REPEATED => Sending::Again,
            place if place < REPEATED + TWICE => Sending::Twice,
            _ => Sending::Once,
        }
    }

    /// Draws the same numbers whatever comes of them.
    fn behind(&mut self, number: u64) -> i64 {
        let (late, disorder) = (self.rng.i64(LATE_FROM..=LATE_TO), self.rng.i64(0..=DISORDER));
        match self.rng.u32(..1_000) {
            0..LATE if number >= ON_TIME_FIRST => late,
            place if place < LATE + DISORDERED => disorder,
            _ => 0,
        }
    }
}

impl Sale {
    /// What the service has to record, whatever the till's total says.
    pub(crate) fn cents(&self) -> i64 {
        self.lines.iter().map(|(goods, quantity)| GOODS[*goods].1 * quantity).sum()
    }

    /// When it took place if it is sent now; on whole milliseconds, as it is written.
    pub(crate) fn time(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let milliseconds = now.timestamp_millis() - self.behind;
        DateTime::from_timestamp_millis(milliseconds).unwrap_or(now - TimeDelta::milliseconds(self.behind))
    }

    /// The till's JSON.
    pub(crate) fn body(&self, id: Uuid, time: DateTime<Utc>) -> String {
        let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let total = Cents(self.cents() + self.error_cents);
        let status = if self.is_paid { "success" } else { "failed" };
        let (store, cashier, method, number) = (self.store, self.cashier, self.method, self.number);
        let items = self.items();
        format!(
            r#"{{"transaction_id":"{id}","timestamp":"{time}","store_id":"STORE_{store}","cashier_id":"CASHIER_{cashier}","items":[{items}],"total_amount":{total},"payment_method":"{method}","payment_status":"{status}","customer_id":"CUSTOMER_{cashier}","loyalty_points_earned":1,"receipt":{{"receipt_id":"C-{number}","date":"{time}","total_amount":{total},"payment_method":"{method}","transaction_id":"{id}"}}}}"#
        )
    }

    fn items(&self) -> String {
        let mut text = String::new();
        for (place, (goods, quantity)) in self.lines.iter().enumerate() {
            let (name, price) = GOODS[*goods];
            let comma = if place == 0 { "" } else { "," };
            let (each, all) = (Cents(price), Cents(price * quantity));
            let line = format!(
                r#"{comma}{{"item_id":"A-{goods}","name":"{name}","quantity":{quantity},"price_per_unit":{each},"total_price":{all}}}"#
            );
            text.write_str(&line).expect("a text takes text");
        }
        text
    }
}

/// The id of a run's sale. The run is drawn anew each time, so that the same seed can be drilled twice on one service.
pub(crate) fn id_of(run: u64, number: u64) -> Uuid {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&run.to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn sales_for_test(seed: u64, count: usize) -> Vec<Sale> {
        let mut sales = Sales::new(seed, Stores::default());
        (0..count).map(|_| sales.draw()).collect()
    }

    proptest! {
        #[test]
        fn the_same_seed_rings_up_the_same_sales(seed: u64) {
            prop_assert_eq!(sales_for_test(seed, 50), sales_for_test(seed, 50));
            prop_assert_ne!(sales_for_test(seed, 50), sales_for_test(seed.wrapping_add(1), 50));
        }

        #[test]
        fn the_lines_of_every_body_add_up_to_the_accounts_amount(seed: u64) {
            for sale in sales_for_test(seed, 20) {
                let body: Value = serde_json::from_str(&sale.body(id_of(1, sale.number), Utc::now())).unwrap();
                let cents = |value: &Value| (value.as_f64().unwrap() * 100.0).round() as i64;
                let sum: i64 = body["items"].as_array().unwrap().iter().map(|line| cents(&line["total_price"])).sum();
                prop_assert_eq!(sum, sale.cents());
                prop_assert_eq!(cents(&body["total_amount"]), sale.cents() + sale.error_cents);
                prop_assert_eq!(&body["transaction_id"], &body["receipt"]["transaction_id"]);
            }
        }
    }

    #[test]
    fn everything_out_of_the_ordinary_occurs_and_stays_rare() {
        let sales = sales_for_test(9, 20_000);
        let count = |what: &dyn Fn(&Sale) -> bool| sales.iter().filter(|sale| what(sale)).count();
        assert!((300..=500).contains(&count(&|sale| !sale.is_paid)));
        assert!((300..=500).contains(&count(&|sale| sale.error_cents > 0)));
        assert!((450..=750).contains(&count(&|sale| sale.sending == Sending::Again)));
        assert!((300..=500).contains(&count(&|sale| sale.sending == Sending::Twice)));
        assert!((120..=280).contains(&count(&|sale| sale.behind >= LATE_FROM)));
        assert!((5_000..=7_000).contains(&count(&|sale| (1..=DISORDER).contains(&sale.behind))));
        assert_eq!(sales.iter().map(|sale| sale.store).collect::<BTreeSet<_>>(), (1..=10).collect());
    }

    #[test]
    fn without_repetitions_the_sales_are_the_same() {
        let mut sales = Sales::new(9, Stores::default()).sent_once();
        for sale in sales_for_test(9, 500) {
            assert_eq!(sales.draw(), Sale { sending: Sending::Once, ..sale });
        }
    }

    #[test]
    fn ids_differ_between_sales_and_between_runs_and_are_valid() {
        let ids: BTreeSet<_> = (0..50).flat_map(|run| (0..50).map(move |number| id_of(run << 32, number))).collect();
        assert_eq!(ids.len(), 2_500);
        assert!(ids.iter().all(|id| id.get_version_num() == 4));
    }

    #[test]
    fn a_sales_time_is_the_time_in_its_body() {
        let sale = Sale { behind: 700, ..sales_for_test(1, 1).remove(0) };
        let now = DateTime::from_timestamp_micros(1_731_672_000_123_456).unwrap();
        let body: Value = serde_json::from_str(&sale.body(id_of(1, 1), sale.time(now))).unwrap();
        assert_eq!(body["timestamp"], "2024-11-15T11:59:59.423Z");
        assert_eq!(sale.time(now).timestamp_millis(), 1_731_671_999_423);
    }
}
