//! The course around faults: the service's own tills are silenced, its death is sat out, Ctrl-C still settles the account.

use std::time::Duration;

use tillstream_chaos::{DrillError, Options, Stop};
use tokio::sync::watch;

use crate::service::{Fake, Misdeed, OnFault, drill_with};

#[actix_web::test]
async fn the_simulated_tills_are_silent_during_the_drill_and_set_back_afterwards() {
    let fake = Fake::start(Misdeed::None, OnFault::Recover);
    fake.drill(&fake.options()).await.0.unwrap();
    assert_eq!(fake.rates(), [0, 50]);
}

#[actix_web::test]
async fn they_are_set_back_after_an_error_too() {
    let fake = Fake::start(Misdeed::Imbalanced, OnFault::Recover);
    let options = Options { settle_within: Duration::ZERO, ..fake.options() };
    let (report, _) = fake.drill(&options).await;
    assert!(matches!(report.unwrap_err(), DrillError::NotCalm { .. }));
    assert_eq!(fake.rates(), [0, 50]);
}

#[actix_web::test]
async fn a_service_that_dies_and_comes_back_on_its_port_loses_nothing() {
    let mut fake = Fake::start(Misdeed::None, OnFault::Recover);
    let options = Options { duration: Some(Duration::from_secs(4)), ..fake.options() };
    let (_go_on, stop) = watch::channel(Stop::No);
    let dying = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        fake.dies_for(Duration::from_secs(1)).await;
    };
    let ((report, said), ()) = tokio::join!(drill_with(&options, stop), dying);
    let report = report.unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert!(report.passed && report.load.cuts > 0, "{said}\n{}", report.text());
}

#[actix_web::test]
async fn told_to_stop_it_injects_no_more_and_settles_the_account() {
    let fake = Fake::start(Misdeed::None, OnFault::Recover);
    let options = Options { faults: 10_000, ..fake.options() };
    let (tell, stop) = watch::channel(Stop::No);
    let telling = async {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        tell.send_replace(Stop::Faults);
    };
    let ((report, said), ()) = tokio::join!(drill_with(&options, stop), telling);
    let report = report.unwrap();
    assert!(report.passed && report.interrupted && !report.faults.is_empty(), "{said}\n{}", report.text());
    assert!(report.text().contains("PASSED (stopped early)"));
}

#[actix_web::test]
async fn told_twice_it_ends_at_once_and_still_sets_the_tills_back() {
    let fake = Fake::start(Misdeed::None, OnFault::Recover);
    let options = Options { duration: Some(Duration::from_secs(3_600)), ..fake.options() };
    let (tell, stop) = watch::channel(Stop::No);
    let telling = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tell.send_replace(Stop::Now);
    };
    let ((report, _), ()) = tokio::join!(drill_with(&options, stop), telling);
    assert!(matches!(report.unwrap_err(), DrillError::Aborted));
    assert_eq!(fake.rates(), [0, 50]);
}

#[actix_web::test]
async fn a_load_without_faults_and_without_an_end_is_refused() {
    let fake = Fake::start(Misdeed::None, OnFault::Recover);
    let (report, _) = fake.drill(&Options { duration: None, ..fake.options() }).await;
    assert!(report.unwrap_err().to_string().contains("--duration"));
}
