//! Faults: the plan is the seed's, none is ordered twice, and what does not recover fails the drill.

use tillstream_chaos::{DrillError, FaultKind, Options, Script, State};

use crate::service::{Fake, Misdeed, OnFault};

fn options_for_test(fake: &Fake, faults: usize) -> Options {
    Options { faults, duration: None, ..fake.options() }
}

#[actix_web::test]
async fn the_same_seed_hits_the_same_actors_in_the_same_order() {
    let mut plans = Vec::new();
    for seed in [3, 3, 4] {
        let fake = Fake::start(Misdeed::None, OnFault::Recover);
        let (report, said) = fake.drill(&Options { seed, ..options_for_test(&fake, 12) }).await;
        let report = report.unwrap();
        assert!(report.passed, "{said}\n{}", report.text());
        assert_eq!(report.faults.len(), 12);
        assert!(said.starts_with(&format!("seed {seed}: 12 faults")), "{said}");
        plans.push(fake.faults());
    }
    assert_eq!(plans[0], plans[1]);
    assert_ne!(plans[0], plans[2]);
}

#[actix_web::test]
async fn a_fault_whose_answer_is_503_is_looked_up_and_not_ordered_twice() {
    let fake = Fake::start(Misdeed::None, OnFault::Slowly);
    let (report, said) = fake.drill(&options_for_test(&fake, 4)).await;
    let report = report.unwrap();
    assert!(report.passed, "{said}\n{}", report.text());
    assert_eq!(fake.faults().len(), 4);
}

#[actix_web::test]
async fn a_fault_that_does_not_fire_is_repeated_as_a_panic() {
    let fake = Fake::start(Misdeed::None, OnFault::NotFired);
    let options = Options { kinds: vec![FaultKind::PanicAfter], ..options_for_test(&fake, 2) };
    let (report, said) = fake.drill(&options).await;
    let report = report.unwrap();
    let kinds: Vec<_> = fake.faults().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["panic_after", "panic", "panic_after", "panic"]);
    assert!(report.passed && said.contains("not fired") && report.faults.len() == 2, "{said}");
    assert_eq!(report.faults[0].instead_of, Some(FaultKind::PanicAfter));
    assert_eq!((report.by_kind["panic_after"].not_fired, report.by_kind["panic"].recovered), (2, 2));
}

#[actix_web::test]
async fn a_drill_whose_faults_find_nobody_fails_because_it_proves_little() {
    let fake = Fake::start(Misdeed::None, OnFault::Nobody);
    let (report, said) = fake.drill(&options_for_test(&fake, 3)).await;
    let report = report.unwrap();
    assert_eq!(report.reasons, ["only 0 of 3 faults took effect: little is proven"], "{said}");
}

#[actix_web::test]
async fn verdicts_are_read_again_when_all_windows_are_final_and_a_loss_that_shows_then_fails_the_drill() {
    for (lost, passed) in [(0, true), (2, false)] {
        let fake = Fake::start(Misdeed::None, OnFault::JudgeLater(lost));
        let (report, said) = fake.drill(&options_for_test(&fake, 2)).await;
        let report = report.unwrap();
        let text = report.text();
        assert_eq!(report.passed, passed, "{said}\n{text}");
        let row = &report.faults[1];
        assert_eq!((row.verdict.lost.unwrap().count, row.verdict.open.unwrap().count), (lost, 0), "{said}");
        assert_eq!(text.contains("its verdict says lost 2 (2.00)"), !passed, "{text}");
    }
}

#[actix_web::test]
async fn a_long_drill_reads_its_verdicts_before_the_service_has_forgotten_them() {
    const FAULTS: usize = 9;
    // At the first look it says for the last time how things stood, so what it says then counts at the second.
    let fake = Fake::start(Misdeed::None, OnFault::Forget(6));
    let (report, said) = fake.drill(&options_for_test(&fake, FAULTS)).await;
    let report = report.unwrap();
    let lost: Vec<_> = report.faults.iter().map(|row| row.verdict.lost.unwrap().count).collect();
    assert_eq!(lost, [1; FAULTS], "{said}");
    assert!(!report.passed && report.text().contains("fault 1 ("), "{}", report.text());
}

#[actix_web::test]
async fn what_the_service_does_not_have_is_ordered_once_and_is_neither_refused_nor_counted_as_a_fault() {
    let fake = Fake::start(Misdeed::None, OnFault::Elsewhere);
    let kinds = vec![FaultKind::Panic, FaultKind::BrokerStall, FaultKind::DropAcks, FaultKind::DiskFull];
    let (report, said) = fake.drill(&Options { kinds, ..options_for_test(&fake, 24) }).await;
    let report = report.unwrap();
    let (away, here): (Vec<_>, Vec<_>) = report.faults.iter().partition(|row| row.state == State::NotHere);
    assert!(report.passed && said.contains("not here"), "{said}\n{}", report.text());
    assert!(away.len() >= 2 && here.len() >= 2, "{said}");
    assert_eq!((fake.orders_elsewhere(), fake.faults().len()), (away.len(), here.len()), "{said}");
    assert!(away.iter().all(|row| row.target == "environment" && row.id.is_none()), "{said}");
    assert!(away[0].note.as_deref().is_some_and(|note| note.contains("404") && note.contains("elsewhere")), "{said}");
}

#[actix_web::test]
async fn an_actor_that_does_not_recover_fails_the_drill() {
    let fake = Fake::start(Misdeed::None, OnFault::Remain);
    let options = Options { targets: vec!["root.router".to_owned()], ..options_for_test(&fake, 1) };
    let (report, said) = fake.drill(&options).await;
    let report = report.unwrap();
    assert!(!report.passed && said.contains("NOT RECOVERED"), "{said}");
    assert!(report.reasons[0].starts_with("root.router did not recover from"), "{:?}", report.reasons);
}

#[actix_web::test]
async fn a_service_that_allows_no_faults_is_an_error_that_names_the_setting() {
    let fake = Fake::start(Misdeed::None, OnFault::Forbid);
    let (report, _) = fake.drill(&options_for_test(&fake, 1)).await;
    let error = report.unwrap_err();
    assert!(matches!(error, DrillError::FaultsDisabled) && error.to_string().contains("faults.enabled"));
    assert_eq!(fake.sales(), 0);
}

#[actix_web::test]
async fn a_plan_file_is_carried_out_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    let plan = "[[step]]\nat = \"300ms\"\nkind = \"broker_stall\"\nseconds = 0.5\n\
                [[step]]\nat = \"100ms\"\nkind = \"hang\"\ntarget = \"root.windows.STORE_3\"\n\
                [[step]]\nat = \"400ms\"\nkind = \"panic\"\ntarget = \"root.nobody\"\n";
    std::fs::write(&file, plan).unwrap();
    let fake = Fake::start(Misdeed::None, OnFault::Recover);
    let options = Options { script: Some(Script::read(&file).unwrap()), ..options_for_test(&fake, 0) };

    let (report, said) = fake.drill(&options).await;

    let text = |kind: &str, target: &str| (kind.to_owned(), target.to_owned());
    assert_eq!(fake.faults(), [text("hang", "root.windows.STORE_3"), text("broker_stall", "environment")]);
    let report = report.unwrap();
    assert!(said.contains("no actor fits root.nobody"), "{said}");
    assert!(!report.passed && report.reasons[0].contains("refused"), "{:?}", report.reasons);
}
