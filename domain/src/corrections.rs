//! What a published sale says of its corrections: the totals that the till had sent instead of the recorded ones.
//! Does not correct anything; `rules` does, and windows and ledger count what is recorded.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Writer;
use crate::{Correction, Money};

/// Validation writes corrections last, and only where there are some.
const ENDING: &[u8] = b"]}";

/// What a till had sent, where it was corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SentTotals {
    /// Instead of `total_amount`.
    pub total: Option<Money>,
    /// Instead of `receipt.total_amount`.
    pub receipt_total: Option<Money>,
}

#[derive(Deserialize)]
struct Published<'a> {
    #[serde(borrow, default)]
    corrections: Vec<PublishedCorrection<'a>>,
}

/// One of them.
#[derive(Deserialize)]
struct PublishedCorrection<'a> {
    field: &'a str,
    #[serde(borrow)]
    sent: &'a RawValue,
}

impl SentTotals {
    /// Reads a published transaction. Costs a look at two bytes where nothing was corrected, and says nothing where the document
    /// cannot be read: whether it is a sale is another question.
    pub fn from_payload(payload: &[u8]) -> Self {
        if !payload.ends_with(ENDING) {
            return Self::default();
        }
        let published = serde_json::from_slice(payload).unwrap_or(Published { corrections: Vec::new() });
        let sent = |field| {
            let correction = published.corrections.iter().find(|correction| correction.field == field)?;
            Money::parse(correction.sent.get()).ok()
        };
        Self { total: sent(Correction::TOTAL), receipt_total: sent(Correction::RECEIPT_TOTAL) }
    }
}

impl Correction {
    /// [`Self::field`] of the transaction's total.
    pub const TOTAL: &str = "total_amount";
    /// [`Self::field`] of the receipt's total.
    pub const RECEIPT_TOTAL: &str = "receipt.total_amount";

    /// As it is published.
    pub(crate) fn write(out: &mut Writer, correction: &Self) {
        out.plain("field", correction.field);
        out.bare("sent", correction.sent);
        out.bare("recorded", correction.recorded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::SampleBody;

    fn sent(body: &SampleBody) -> SentTotals {
        SentTotals::from_payload(&body.payload())
    }

    #[test]
    fn a_corrected_sale_carries_what_the_till_had_sent() {
        let wrong = Money::from_cents(700);
        let body = SampleBody { total: Some(wrong), ..SampleBody::default() };
        assert_eq!(sent(&body), SentTotals { total: Some(wrong), receipt_total: Some(wrong) });
        let text = String::from_utf8(body.payload()).unwrap();
        assert!(text.ends_with(concat!(
            r#""corrections":[{"field":"total_amount","sent":7.00,"recorded":7.57},"#,
            r#"{"field":"receipt.total_amount","sent":7.00,"recorded":7.57}]}"#
        )));
    }

    #[test]
    fn a_till_that_was_right_leaves_no_word_of_corrections() {
        let body = SampleBody::default();
        assert_eq!(sent(&body), SentTotals::default());
        assert_eq!(
            body.payload(),
            body.checked().transaction.to_payload(body.timestamp + chrono::TimeDelta::seconds(1))
        );
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for text in ["]}", "[]}", r#"{"corrections":[1]}"#, r#"{"corrections":[{"field":"total_amount","sent":"x"}]}"#]
        {
            assert_eq!(SentTotals::from_payload(text.as_bytes()), SentTotals::default(), "{text}");
        }
    }
}
