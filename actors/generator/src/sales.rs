//! A seeded, endless stream of sales as tills would ring them up: the same seed, the same sales.
//! Does not send anything and has no clock: the caller says when a sale takes place.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use tillstream_domain::{Money, StoreId, rfc3339};
use uuid::Uuid;

use crate::catalog::ARTICLES;
use crate::settings::{PosSettings, Shares};

const METHODS: [&str; 4] = ["credit_card", "cash", "debit_card", "voucher"];
const CUSTOMERS: u32 = 500;
const MAX_LINES: usize = 5;
const MAX_QUANTITY: u32 = 5;
const MAX_POINTS: u32 = 5;
/// A wrong total is off by up to this many cents; always upwards, so that it stays positive.
const MAX_ERROR_CENTS: i64 = 500;

/// What kinds of sales a stream has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// From `STORE_1` to this one.
    pub stores: u32,
    /// From `CASHIER_1` to this one.
    pub cashiers: u32,
    /// What is out of the ordinary.
    pub shares: Shares,
    /// Late sales are shifted back by up to this much.
    pub late_by: Duration,
    /// Every sale is shifted back by up to this much.
    pub disorder: Duration,
}

/// One sale, ready to be posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TillSale {
    /// Its id.
    pub id: Uuid,
    /// Where.
    pub store: StoreId,
    /// The sum of its lines: what the service has to record, whatever the till's total says.
    pub amount: Money,
    /// Whether it is turnover.
    pub is_paid: bool,
    /// Whether the till will send it once more.
    pub is_repeated: bool,
    /// The request body.
    pub body: Bytes,
}

/// An endless stream of sales.
#[derive(Debug)]
pub struct SaleStream {
    rng: Rng,
    mix: Mix,
}

impl Mix {
    /// Only sales that are right and in order.
    pub fn plain(stores: u32) -> Self {
        let shares = Shares { wrong_total: 0, failed_payment: 0, duplicate: 0, late: 0 };
        Self { stores, cashiers: 8, shares, late_by: Duration::ZERO, disorder: Duration::ZERO }
    }
}

impl From<&PosSettings> for Mix {
    fn from(settings: &PosSettings) -> Self {
        Self {
            stores: settings.stores,
            cashiers: settings.cashiers,
            shares: settings.shares,
            late_by: settings.late_by,
            disorder: settings.disorder,
        }
    }
}

impl SaleStream {
    /// The stream of this seed.
    pub fn new(seed: u64, mix: Mix) -> Self {
        Self { rng: Rng::with_seed(seed), mix }
    }

    /// The next sale, rung up at `now`.
    pub fn next(&mut self, now: DateTime<Utc>) -> TillSale {
        let shares = self.mix.shares;
        let draft = Draft {
            id: uuid::Builder::from_random_bytes(self.rng.u128(..).to_be_bytes()).into_uuid(),
            store: self.store(),
            cashier: self.rng.u32(1..=self.mix.cashiers.max(1)),
            lines: self.lines(),
            error_cents: if self.happens(shares.wrong_total) { self.rng.i64(1..=MAX_ERROR_CENTS) } else { 0 },
            is_paid: !self.happens(shares.failed_payment),
            method: METHODS[self.rng.usize(..METHODS.len())],
            customer: self.rng.u32(1..=CUSTOMERS),
            points: self.rng.u32(0..=MAX_POINTS),
            receipt: self.rng.u32(..),
            time: now - self.shift(),
        };
        let is_repeated = self.happens(shares.duplicate);
        draft.finish(is_repeated)
    }

    fn store(&mut self) -> StoreId {
        let number = self.rng.u32(1..=self.mix.stores.max(1));
        StoreId::from_number(number).unwrap_or(FIRST_STORE)
    }

    fn lines(&mut self) -> Vec<(usize, u32)> {
        let count = self.rng.usize(1..=MAX_LINES);
        (0..count).map(|_| (self.rng.usize(..ARTICLES.len()), self.rng.u32(1..=MAX_QUANTITY))).collect()
    }

    /// Draws the same numbers whether or not the sale is late, so that one share does not change what else is drawn.
    fn shift(&mut self) -> TimeDelta {
        let disorder = part_of(self.mix.disorder, self.rng.u32(0..=MILLE));
        let late = part_of(self.mix.late_by, self.rng.u32(0..=MILLE));
        if self.happens(self.mix.shares.late) { disorder + late } else { disorder }
    }

    fn happens(&mut self, share: u32) -> bool {
        self.rng.u32(0..MILLE) < share
    }
}

const MILLE: u32 = 1_000;

const FIRST_STORE: StoreId = match StoreId::from_number(1) {
    Some(store) => store,
    None => panic!("stores start at 1"),
};

fn part_of(whole: Duration, mille: u32) -> TimeDelta {
    TimeDelta::from_std(whole * mille / MILLE).unwrap_or(TimeDelta::zero())
}

/// A sale before it is written down.
struct Draft {
    id: Uuid,
    store: StoreId,
    cashier: u32,
    /// Article and quantity.
    lines: Vec<(usize, u32)>,
    error_cents: i64,
    is_paid: bool,
    method: &'static str,
    customer: u32,
    points: u32,
    receipt: u32,
    time: DateTime<Utc>,
}

impl Draft {
    fn finish(self, is_repeated: bool) -> TillSale {
        let sum: i64 = self.lines.iter().map(|(article, quantity)| line_cents(*article, *quantity)).sum();
        TillSale {
            id: self.id,
            store: self.store,
            amount: Money::from_cents(sum),
            is_paid: self.is_paid,
            is_repeated,
            body: Bytes::from(self.to_json(sum)),
        }
    }

    /// Every text is ours and plain, so that nothing needs an escape.
    fn to_json(&self, sum: i64) -> String {
        let (id, time) = (self.id.as_hyphenated(), rfc3339(self.time));
        let total = Money::from_cents(sum + self.error_cents);
        let status = if self.is_paid { "success" } else { "failed" };
        let (store, cashier, method) = (self.store, self.cashier, self.method);
        let (customer, points, receipt) = (self.customer, self.points, self.receipt);
        let items = self.items();
        format!(
            r#"{{"transaction_id":"{id}","timestamp":"{time}","store_id":"{store}","cashier_id":"CASHIER_{cashier}","items":[{items}],"total_amount":{total},"payment_method":"{method}","payment_status":"{status}","customer_id":"CUSTOMER_{customer}","loyalty_points_earned":{points},"receipt":{{"receipt_id":"R-{receipt:08x}","date":"{time}","total_amount":{total},"payment_method":"{method}","transaction_id":"{id}"}}}}"#
        )
    }

    fn items(&self) -> String {
        let mut items = String::with_capacity(128 * self.lines.len());
        for (place, (number, quantity)) in self.lines.iter().enumerate() {
            let article = ARTICLES[*number];
            let comma = if place == 0 { "" } else { "," };
            let price = Money::from_cents(article.cents.into());
            let total = Money::from_cents(line_cents(*number, *quantity));
            write!(
                items,
                r#"{comma}{{"item_id":"ART-{number:03}","name":"{}","quantity":{quantity},"price_per_unit":{price},"total_price":{total}}}"#,
                article.name
            )
            .expect("a string takes every write");
        }
        items
    }
}

fn line_cents(article: usize, quantity: u32) -> i64 {
    i64::from(ARTICLES[article].cents) * i64::from(quantity)
}

#[cfg(test)]
mod tests {
    use tillstream_domain::Rules;

    use super::*;

    fn noon_for_test() -> DateTime<Utc> {
        DateTime::from_timestamp(1_731_672_000, 0).expect("in range")
    }

    fn sales_for_test(seed: u64, mix: Mix, count: usize) -> Vec<TillSale> {
        let mut stream = SaleStream::new(seed, mix);
        (0..count).map(|_| stream.next(noon_for_test())).collect()
    }

    #[test]
    fn the_same_seed_rings_up_the_same_sales_and_another_one_shares_no_id() {
        let mix = Mix::from(&PosSettings::default());

        assert_eq!(sales_for_test(7, mix, 200), sales_for_test(7, mix, 200));

        let other: std::collections::BTreeSet<_> = sales_for_test(8, mix, 200).iter().map(|sale| sale.id).collect();
        assert!(sales_for_test(7, mix, 200).iter().all(|sale| !other.contains(&sale.id)));
    }

    #[test]
    fn every_sale_passes_the_rules_and_is_recorded_with_the_amount_of_the_account() {
        let shares = Shares { wrong_total: 300, failed_payment: 200, duplicate: 100, late: 100 };
        let mix = Mix { shares, ..Mix::from(&PosSettings::default()) };

        for sale in sales_for_test(11, mix, 2_000) {
            let checked = Rules::default().check(&sale.body, noon_for_test()).expect("a valid body");
            assert_eq!(checked.transaction.transaction_id.uuid(), sale.id);
            assert_eq!(checked.transaction.store_id, sale.store);
            assert_eq!(checked.transaction.total_amount, sale.amount);
            assert_eq!(checked.transaction.is_paid(), sale.is_paid);
        }
    }

    #[test]
    fn a_plain_mix_has_nothing_out_of_the_ordinary() {
        for sale in sales_for_test(3, Mix::plain(4), 2_000) {
            let checked = Rules::default().check(&sale.body, noon_for_test()).expect("a valid body");
            assert!(checked.corrections.is_empty() && sale.is_paid && !sale.is_repeated);
            assert_eq!(checked.transaction.timestamp, noon_for_test());
            assert!(sale.store.number() <= 4);
        }
    }
}
