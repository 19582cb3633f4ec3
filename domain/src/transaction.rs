//! A transaction that has passed all rules, and the message that is published of it.
//! Cannot be built outside this crate: whoever holds one knows that `Rules::check` has let it through.

use chrono::{DateTime, Utc};

use crate::json::Writer;
use crate::words::words;
use crate::{CashierId, Correction, Identifier, Money, Sale, StoreId, TransactionId, rfc3339};

/// One transaction of a till, checked and corrected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidTransaction {
    /// The till's id for it; the same id twice is one sale.
    pub transaction_id: TransactionId,
    /// Event time: what the till says.
    pub timestamp: DateTime<Utc>,
    /// Where it was rung up.
    pub store_id: StoreId,
    /// Who rang it up.
    pub cashier_id: CashierId,
    /// What was bought: 1 to 500 lines.
    pub items: Vec<Item>,
    /// The sum of the lines.
    pub total_amount: Money,
    /// How it was paid.
    pub payment_method: PaymentMethod,
    /// Whether it was paid.
    pub payment_status: PaymentStatus,
    /// Who bought.
    pub customer_id: Identifier,
    /// Loyalty points of this sale.
    pub loyalty_points_earned: u32,
    /// What was printed.
    pub receipt: Receipt,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The article.
    pub item_id: String,
    /// Its name.
    pub name: String,
    /// How many; from 1.
    pub quantity: u32,
    /// Price of one.
    pub price_per_unit: Money,
    /// Quantity times price, up to half a cent per piece.
    pub total_price: Money,
}

/// The printed receipt; only its number goes into a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The receipt's number.
    pub receipt_id: Identifier,
    /// As the till prints it; tills print what they like.
    pub date: String,
    /// The transaction's total, corrected with it.
    pub total_amount: Money,
    /// As the till prints it.
    pub payment_method: String,
    /// As the till prints it; not always the transaction's id.
    pub transaction_id: String,
}

impl ValidTransaction {
    /// The compact JSON document that is published of a till that was right: its fields in their order, then `accepted_at`.
    pub fn to_payload(&self, accepted_at: DateTime<Utc>) -> Vec<u8> {
        self.write(accepted_at, &[])
    }

    /// The same, and behind it what was corrected, where something was.
    pub(crate) fn write(&self, accepted_at: DateTime<Utc>, corrections: &[Correction]) -> Vec<u8> {
        Writer::object(512 + 160 * self.items.len(), |out| {
            out.plain("transaction_id", self.transaction_id);
            out.plain("timestamp", rfc3339(self.timestamp));
            out.plain("store_id", self.store_id);
            out.plain("cashier_id", self.cashier_id);
            out.list("items", &self.items, Item::write);
            out.bare("total_amount", self.total_amount);
            out.plain("payment_method", self.payment_method);
            out.plain("payment_status", self.payment_status);
            out.plain("customer_id", &self.customer_id);
            out.bare("loyalty_points_earned", self.loyalty_points_earned);
            out.nested("receipt", |receipt| self.receipt.write(receipt));
            out.plain("accepted_at", rfc3339(accepted_at));
            if !corrections.is_empty() {
                out.list("corrections", corrections, Correction::write);
            }
        })
    }

    /// What aggregation will read out of the published message.
    pub fn sale(&self, accepted_at: DateTime<Utc>) -> Sale {
        Sale {
            id: self.transaction_id,
            store: self.store_id,
            timestamp: self.timestamp,
            accepted_at,
            amount: self.total_amount,
        }
    }

    /// Whether it is turnover; a failed payment is only recorded.
    pub fn is_paid(&self) -> bool {
        self.payment_status == PaymentStatus::Success
    }
}

impl Item {
    fn write(out: &mut Writer, item: &Self) {
        out.text("item_id", &item.item_id);
        out.text("name", &item.name);
        out.bare("quantity", item.quantity);
        out.bare("price_per_unit", item.price_per_unit);
        out.bare("total_price", item.total_price);
    }
}

impl Receipt {
    fn write(&self, out: &mut Writer) {
        out.plain("receipt_id", &self.receipt_id);
        out.text("date", &self.date);
        out.bare("total_amount", self.total_amount);
        out.text("payment_method", &self.payment_method);
        out.text("transaction_id", &self.transaction_id);
    }
}

words!(
    /// How a sale was paid.
    PaymentMethod {
        /// `credit_card`
        CreditCard = "credit_card",
        /// `cash`
        Cash = "cash",
        /// `debit_card`
        DebitCard = "debit_card",
        /// `voucher`
        Voucher = "voucher",
    }
);
words!(
    /// Whether a sale was paid.
    PaymentStatus {
        /// `success`: turnover.
        Success = "success",
        /// `failed`: recorded, no turnover.
        Failed = "failed",
    }
);
