//! The hand-over of windows against a validation service that behaves as a script says.
//! The original posted once, waited for ever and forgot the window whatever came of it (D7); and a 200 meant nothing (D4).
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod server;
mod traces;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tillstream_domain::fixtures::sample_aggregate;
use tillstream_domain::{AggregatedEvent, Money};
use tillstream_handover::{Credentials, Handover, HandoverRules, ValidationClient};
use tillstream_messages::{
    AggregateRefused, HealthBoard, Leg, LegState, PublishAggregate, PublishError, SecretEntry, SecretTree,
    SecretsChanged,
};
use tillstream_posting::Trust;
use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use tokio::time::timeout;

use server::{Reaction, Service};

/// Nothing here takes a second; beyond this somebody is stuck.
const WITHIN: Duration = Duration::from_secs(60);
const TAKEN: Reaction = Reaction::Answer(200, r#"{"status":"success"}"#);

type Answer = Result<(), AggregateRefused>;

struct Bench {
    root: Supervisor,
    handover: Handle<Handover>,
    health: HealthBoard,
}

/// An actor that knows this service, quick to lose patience.
fn bench(service: &Service) -> Bench {
    bench_at(&service.url, rules())
}

fn bench_at(url: &str, rules: HandoverRules) -> Bench {
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let health = HealthBoard::default();
    let client = ValidationClient::new(url, &Trust::default(), &credentials(), rules).unwrap();
    let board = health.clone();
    let spec = ActorSpec::new("handover", "handover");
    let handover = root.spawn(spec, &place, move || Handover::new(client.clone(), board.clone())).unwrap();
    Bench { root, handover, health }
}

fn credentials() -> Credentials {
    Credentials { user: "aggregation".to_owned(), password: "old".into() }
}

fn rules() -> HandoverRules {
    HandoverRules {
        request_timeout: Duration::from_millis(300),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        passing: Duration::ZERO,
        patience: Duration::from_secs(20),
    }
}

impl Bench {
    async fn hand_over(&self) -> Answer {
        self.hand_over_event(sample_aggregate()).await
    }

    /// Waits for the leg to be reported down.
    async fn goes_down(&self) -> String {
        loop {
            let state = self.health.get(Leg::HandOver);
            // Before the actor has started, nobody has reported anything.
            if let LegState::Down(reason) = state
                && !reason.contains("not started yet")
            {
                return reason;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn hand_over_event(&self, event: AggregatedEvent) -> Answer {
        let asked = self.handover.ask(PublishAggregate { event, trace: None }, WITHIN).await;
        asked.expect("stuck: the hand-over neither has an answer nor gives up")
    }
}

async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

fn body() -> String {
    String::from_utf8(sample_aggregate().to_json()).unwrap()
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("aggregation:{password}")))
}

// D7
#[tokio::test]
async fn a_window_is_posted_again_unchanged_until_validation_has_it_on_disk() {
    locally(async {
        let script = [503, 500, 502, 429, 408, 401, 200];
        let service = Service::start(move |number, _| Reaction::Answer(script[number], "{}")).await;
        let bench = bench(&service);

        assert_eq!(bench.hand_over().await, Ok(()));

        let requests = service.requests();
        assert_eq!(requests.len(), script.len());
        assert!(requests.iter().all(|request| request.body == body()), "the same bytes every time");
        assert!(requests.iter().all(|request| request.line == "POST /api/v1/pos/amount-per-store HTTP/1.1"));
        assert_eq!(bench.health.get(Leg::HandOver), LegState::Up);
    })
    .await;
}

// D7
#[tokio::test]
async fn a_validation_that_hangs_or_cuts_holds_up_neither_the_window_nor_the_next_one() {
    locally(async {
        let is_well = Arc::new(AtomicBool::new(false));
        let (asked, hung) = (is_well.clone(), body());
        let script = move |number: usize, request: &server::Request| match number % 2 {
            _ if request.body != hung || asked.load(Ordering::SeqCst) => TAKEN,
            0 => Reaction::Silence,
            _ => Reaction::Cut,
        };
        let service = Service::start(script).await;
        let bench = bench(&service);
        let other = AggregatedEvent { total_amount: Money::from_cents(1), ..sample_aggregate() };

        let mut hanging = std::pin::pin!(bench.hand_over());
        let meanwhile = tokio::select! {
            biased;
            answer = &mut hanging => panic!("answered by nobody: {answer:?}"),
            answer = bench.hand_over_event(other) => answer,
        };
        is_well.store(true, Ordering::SeqCst);

        assert_eq!(meanwhile, Ok(()));
        assert_eq!(hanging.await, Ok(()));
    })
    .await;
}

// D4
#[tokio::test]
async fn what_validation_cannot_publish_is_no_success_and_the_leg_says_why_meanwhile() {
    locally(async {
        let has_room = Arc::new(AtomicBool::new(false));
        let asked = has_room.clone();
        let service = Service::start(move |_, _| match asked.load(Ordering::SeqCst) {
            true => TAKEN,
            false => Reaction::Answer(503, r#"{"detail":"queue is full"}"#),
        })
        .await;
        let bench = bench(&service);

        let mut handing = std::pin::pin!(bench.hand_over());
        let reason = tokio::select! {
            biased;
            answer = &mut handing => panic!("answered though nothing was published: {answer:?}"),
            reason = bench.goes_down() => reason,
        };
        has_room.store(true, Ordering::SeqCst);

        assert!(reason.contains("validation answered 503"), "{reason}");
        assert_eq!(handing.await, Ok(()));
        assert_eq!(bench.health.get(Leg::HandOver), LegState::Up);
    })
    .await;
}

// D7
#[tokio::test]
async fn who_waits_hears_of_a_validation_that_is_not_there_and_keeps_the_window() {
    locally(async {
        let patience = Duration::from_millis(50);
        let bench = bench_at(&nobody(), HandoverRules { patience, ..rules() });

        let refused = bench.hand_over().await.unwrap_err();

        assert!(matches!(refused, AggregateRefused::Unavailable(PublishError::Down(_))), "{refused}");
        assert!(matches!(bench.health.get(Leg::HandOver), LegState::Down(_)));
    })
    .await;
}

/// An address where nobody listens any more.
fn nobody() -> String {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", socket.local_addr().unwrap())
}

// D7
#[tokio::test]
async fn an_event_that_breaks_rules_is_refused_in_the_words_of_the_validator_and_not_retried() {
    locally(async {
        let problem = r#"{"type":"about:blank","status":422,"errors":[
            {"pointer":"/event_id","code":"event_id_mismatch","detail":"wrong id"}]}"#;
        let service = Service::start(move |_, _| Reaction::Answer(422, problem)).await;
        let bench = bench(&service);

        let Err(AggregateRefused::Invalid(errors)) = bench.hand_over().await else { panic!("not refused") };

        assert_eq!((errors[0].code, errors[0].path.as_str()), ("event_id_mismatch", "event_id"));
        assert_eq!(errors[0].pointer, "/event_id");
        assert_eq!(service.requests().len(), 1);
        assert_eq!(bench.health.get(Leg::HandOver), LegState::Up, "validation itself is well");
    })
    .await;
}

// D7
#[tokio::test]
async fn no_other_refusal_counts_as_taken() {
    locally(async {
        for status in [400, 403, 404, 405, 413, 415, 302, 204] {
            let service = Service::start(move |_, _| Reaction::Answer(status, "")).await;
            let refused = bench(&service).hand_over().await.unwrap_err();
            assert_eq!(service.requests().len(), 1, "{status}");
            assert!(refused.to_string().contains(&status.to_string()) || is_about_the_event(&refused), "{refused}");
        }
    })
    .await;
}

fn is_about_the_event(refused: &AggregateRefused) -> bool {
    matches!(refused, AggregateRefused::Invalid(errors) if errors.len() == 1)
}

#[tokio::test]
async fn a_changed_password_is_in_use_for_the_window_that_is_being_retried() {
    locally(async {
        let fresh = basic("new");
        let script = move |_: usize, request: &server::Request| match request.authorization == fresh {
            true => TAKEN,
            false => Reaction::Answer(401, "{}"),
        };
        let service = Service::start(script).await;
        let bench = bench(&service);

        let handing = bench.hand_over();
        let changing = async {
            while service.requests().is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            bench.handover.ask(changed("new"), WITHIN).await.unwrap();
        };
        let (answer, ()) = tokio::join!(handing, changing);

        assert_eq!(answer, Ok(()));
        assert_eq!(service.requests().first().map(|request| request.authorization.clone()), Some(basic("old")));
    })
    .await;
}

#[tokio::test]
async fn an_actor_that_starts_over_uses_the_newest_user() {
    locally(async {
        let service = Service::start(|_, _| TAKEN).await;
        let bench = bench(&service);
        bench.handover.ask(changed("new"), WITHIN).await.unwrap();

        let injection = bench.root.inject("root.handover", Fault::Stop).unwrap();
        timeout(WITHIN, injection.outcome(WITHIN, WITHIN)).await.expect("stuck: the actor does not come back");

        assert_eq!(bench.hand_over().await, Ok(()));
        assert_eq!(service.requests()[0].authorization, basic("new"));
    })
    .await;
}

#[test]
fn an_address_that_cannot_be_called_is_refused_with_its_setting() {
    for bad in ["validation", "ftp://validation", "mailto:x@y"] {
        let error = ValidationClient::new(bad, &Trust::default(), &credentials(), rules()).unwrap_err();
        assert!(error.to_string().contains("window.validation_url"), "{error}");
    }
}

fn changed(password: &str) -> SecretsChanged {
    let path = "validation-service/creds/aggregation-service".to_owned();
    let keys = [("username", "aggregation"), ("password", password), ("role", "aggregation")];
    let keys: BTreeMap<_, _> = keys.map(|(key, value)| (key.to_owned(), value.into())).into();
    let entries = BTreeMap::from([(path.clone(), SecretEntry::new(2, sample_aggregate().window_start, keys))]);
    SecretsChanged { tree: Arc::new(SecretTree { entries }), changed: vec![path] }
}
