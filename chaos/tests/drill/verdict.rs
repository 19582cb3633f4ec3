//! What the drill says of services that keep their promise and of those that do not.

use tillstream_chaos::Report;

use crate::service::{Fake, Misdeed, OnFault};

/// A sale in the middle of a drill.
const SOME: usize = 100;

async fn report_of(misdeed: Misdeed) -> (Report, String) {
    let fake = Fake::start(misdeed, OnFault::Recover);
    let (report, said) = fake.drill(&fake.options()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}\n{said}"));
    let text = report.text();
    (report, text)
}

#[actix_web::test]
async fn a_service_that_counts_every_sale_once_passes() {
    let (report, text) = report_of(Misdeed::None).await;
    assert!(report.passed, "{text}");
    assert!(report.load.answered > 150 && report.load.repetitions > 0 && report.load.failed_payments > 0, "{text}");
    assert!(text.contains("PASSED"), "{text}");
}

#[actix_web::test]
async fn a_service_that_takes_a_sale_and_then_answers_503_passes_with_retries() {
    let (report, text) = report_of(Misdeed::Overloaded).await;
    assert!(report.passed && report.load.retries > 20, "{text}");
}

#[actix_web::test]
async fn a_503_that_does_not_say_when_to_come_back_fails_the_drill() {
    let (report, text) = report_of(Misdeed::Answer(SOME, 503)).await;
    assert!(!report.passed && report.load.violations == 1, "{text}");
    assert!(text.contains("was answered with 503"), "{text}");
}

#[actix_web::test]
async fn others_may_sell_in_stores_that_are_not_the_drills() {
    let (report, text) = report_of(Misdeed::Neighbour).await;
    assert!(report.passed && report.account.foreign == 0, "{text}");
}

#[actix_web::test]
async fn a_lost_sale_fails_the_drill_with_store_and_amount() {
    let (report, text) = report_of(Misdeed::Lose(SOME)).await;
    assert!(!report.passed);
    assert_eq!(report.account.comparison.lost.count, 1, "{text}");
    let difference = &report.account.comparison.differences[0];
    assert!(difference.store_id.starts_with("STORE_") && difference.missing().cents.0 > 0, "{text}");
    assert!(!difference.suspects.is_empty(), "{text}");
    assert!(text.contains("1 sales lost"), "{text}");
}

#[actix_web::test]
async fn a_double_sale_fails_the_drill() {
    let (report, text) = report_of(Misdeed::Double(SOME)).await;
    assert!(!report.passed);
    assert_eq!((report.account.comparison.double.count, report.account.comparison.lost.count), (1, 0), "{text}");
    assert!(report.account.comparison.double.cents.0 > 0);
}

#[actix_web::test]
async fn a_cent_too_much_fails_the_drill() {
    let (report, text) = report_of(Misdeed::Misprice(SOME)).await;
    assert!(!report.passed);
    assert_eq!(report.account.comparison.mispriced, 1, "{text}");
}

#[actix_web::test]
async fn a_sale_that_the_ledger_does_not_know_fails_the_drill() {
    let (report, text) = report_of(Misdeed::HideFromLedger(SOME)).await;
    assert!(!report.passed);
    assert_eq!(report.account.unrecorded.values().sum::<u64>(), 1, "{text}");
}

#[actix_web::test]
async fn a_ledger_out_of_balance_fails_the_drill() {
    let (report, text) = report_of(Misdeed::Imbalanced).await;
    assert!(!report.passed && text.contains("out of balance in STORE_1"), "{text}");
}

#[actix_web::test]
async fn an_answer_that_no_valid_sale_should_get_is_a_violation_although_the_sale_is_taken_later() {
    let (report, text) = report_of(Misdeed::Answer(SOME, 500)).await;
    assert!(!report.passed);
    assert_eq!((report.load.violations, report.unanswered, report.load.refused), (1, 0, 0), "{text}");
    assert!(report.violations[0].contains("500"), "{text}");
    assert!(report.account.is_clean(), "{text}");
}

#[actix_web::test]
async fn a_refusal_of_a_valid_sale_is_a_violation_and_no_loss() {
    let (report, text) = report_of(Misdeed::Answer(SOME, 422)).await;
    assert!(!report.passed);
    assert_eq!((report.load.violations, report.load.refused), (1, 1), "{text}");
    assert!(report.account.comparison.is_clean(), "{text}");
}

#[actix_web::test]
async fn a_strangers_sale_is_named_as_the_reason() {
    let (report, text) = report_of(Misdeed::Stranger(SOME)).await;
    assert!(!report.passed);
    assert_eq!(report.account.foreign, 1);
    assert!(report.reasons[0].starts_with("1 sales were not ours"), "{text}");
}
