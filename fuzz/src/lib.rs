//! What must hold for every input, however mad: used by the libFuzzer targets here and by `tests/fuzz_inputs.rs` on stable.
//! Generates no input.

use chrono::{DateTime, TimeDelta, Utc};
use tillstream_domain::{
    Fold, LateSale, MAX_TOPIC_BYTES, QueueProgress, RejectedMessage, Rules, Sale, SaleTag, SentTotals, StoreWindows,
    TopicPrefix, Topics, WindowRules,
};

/// A request body is refused with at least one named fault, or becomes a payload that aggregation reads back unchanged.
///
/// # Panics
/// It does neither.
pub fn transaction_body(body: &[u8]) {
    let now = noon();
    let checked = match Rules::default().check(body, now) {
        Ok(checked) => checked,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a fault");
            assert!(faults.iter().all(|fault| !fault.code.is_empty() && !fault.message.is_empty()), "{faults:?}");
            return;
        }
    };
    let transaction = &checked.transaction;
    let topic = Topics::new(TopicPrefix::default(), true).transaction(transaction);
    assert!(topic.len() <= MAX_TOPIC_BYTES && topic.is_ascii(), "{topic}");
    let payload = checked.to_payload(now);
    let sale = Some(transaction.sale(now));
    let (paid, failed) = (Sale::from_payload(&payload).ok(), Sale::from_failed_payment(&payload).ok());
    assert_eq!((paid, failed), if transaction.is_paid() { (sale, None) } else { (None, sale) });
    let sent = SentTotals::from_payload(&payload);
    assert_eq!(
        usize::from(sent.total.is_some()) + usize::from(sent.receipt_total.is_some()),
        checked.corrections.len()
    );
}

/// A queue's message is poison with a reason, or a sale that its store counts once or knows as late.
///
/// # Panics
/// It is neither, or counting it does not give its own amount.
pub fn window_input(payload: &[u8]) {
    // Whatever comes of the other two readers of queues, they must not panic.
    let _ = (LateSale::from_json(payload), RejectedMessage::from_json(payload), Sale::from_failed_payment(payload));
    let _ = SentTotals::from_payload(payload);
    let Ok(sale) = Sale::from_payload(payload) else { return };
    for final_until in [None, Some(noon())] {
        let mut windows = StoreWindows::new(sale.store, window_rules(), final_until, 1);
        let tag = SaleTag { epoch: 1, number: 1 };
        let fold = windows.fold(&sale, tag, Some(QueueProgress { span: 1, at_ms: 0 }));
        assert_eq!(windows.open_windows(), usize::from(fold == Fold::Counted));
        // Long enough for its window even if its time lies far ahead of its arrival.
        let at_ms = (sale.timestamp - sale.accepted_at).num_milliseconds().max(0) + 10_000_000;
        windows.advance(Some(QueueProgress { span: 1, at_ms }), at_ms);
        let (decided, late) = windows.undecided();
        let counted: i64 = decided.iter().map(|window| window.event.total_amount.cents()).sum();
        let set_aside: i64 = late.iter().map(|held| held.late.sale.amount.cents()).sum();
        assert_eq!(counted + set_aside, sale.amount.cents());
    }
}

fn window_rules() -> WindowRules {
    let (size_ms, disorder_ms, idle_ms, allowed_lateness_ms) = (10_000, 1_000, 5_000, 30_000);
    WindowRules {
        size_ms,
        disorder_ms,
        idle_ms,
        allowed_lateness_ms,
        update_interval_ms: 1_000,
        currency: "EUR".into(),
    }
}

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(1_731_672_000)
}
