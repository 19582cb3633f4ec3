//! The keeper under its supervisor, with an issuer that does as the test says and a clock that stands still.
//! Reads from no network.

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tillstream_domain::UserRole;
use tillstream_messages::{HealthBoard, Leg, LegState, WallClock};
use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::issuer::{TestKey, claims, jwks, now, settings};
use crate::book::TokenBook;
use crate::error::{FetchError, Refusal, TokenAnswer, TokenError};
use crate::fetch::KeySource;
use crate::keeper::KeyKeeper;
use crate::key_set::KeySet;
use crate::settings::TokenSettings;

/// What the issuer does when it is asked.
#[derive(Clone)]
enum Issuer {
    Publishes(Vec<u8>),
    IsDown,
    NeverAnswers,
    /// Publishes this after that long, as it stood when it was asked.
    AnswersLate(Vec<u8>, Duration),
}

struct Bench {
    book: TokenBook,
    health: HealthBoard,
    issuer: Arc<Mutex<Issuer>>,
    fetches: Arc<AtomicU32>,
    root: Supervisor,
    _keeper: Handle<KeyKeeper>,
}

fn publishes(keys: &[&TestKey]) -> Issuer {
    let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
    Issuer::Publishes(jwks(&keys))
}

fn bench(settings: &TokenSettings, issuer: Issuer) -> Bench {
    let (issuer, fetches) = (Arc::new(Mutex::new(issuer)), Arc::new(AtomicU32::new(0)));
    let source = source_of(&issuer, &fetches);
    let (port, slot) = Port::deferred();
    let book = TokenBook::new(settings, WallClock::stopped_at(now()), port);
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let health = HealthBoard::default();
    let parts = (settings.clone(), source, book.clone(), health.clone());
    let factory = move || {
        let (settings, source, book, health) = parts.clone();
        KeyKeeper::new(settings, source, book, health)
    };
    let keeper = root.spawn(ActorSpec::new("tokens", "tokens"), &place, factory).unwrap();
    slot.bind(keeper.port());
    Bench { book, health, issuer, fetches, root, _keeper: keeper }
}

fn source_of(issuer: &Arc<Mutex<Issuer>>, fetches: &Arc<AtomicU32>) -> KeySource {
    let (issuer, fetches) = (Arc::clone(issuer), Arc::clone(fetches));
    KeySource::from_fn(move || {
        fetches.fetch_add(1, Ordering::Relaxed);
        let issuer = issuer.lock().unwrap().clone();
        let parse = |document: &[u8]| KeySet::parse(document, &settings().algorithms, "a test");
        Box::pin(async move {
            match issuer {
                Issuer::Publishes(document) => parse(&document),
                Issuer::IsDown => Err(FetchError::Status { url: "https://issuer.example".to_owned(), status: 502 }),
                Issuer::NeverAnswers => pending().await,
                Issuer::AnswersLate(document, after) => {
                    sleep(after).await;
                    parse(&document)
                }
            }
        })
    })
}

impl Bench {
    fn verify(&self, key: &TestKey) -> Result<UserRole, TokenError> {
        self.book.verify(&key.token(&claims())).map(|user| user.role)
    }

    fn now(&self, issuer: Issuer) {
        *self.issuer.lock().unwrap() = issuer;
    }

    fn fetches(&self) -> u32 {
        self.fetches.load(Ordering::Relaxed)
    }
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

/// A year of the test's clock: what never comes is noticed, and the test's name says who waits.
async fn locally(test: impl Future<Output = ()>) {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
    let ended = timeout(YEAR, LocalSet::new().run_until(test)).await;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(ended.is_ok(), "{name} waits for something that never comes");
}

const REFUSED: Result<UserRole, TokenError> = Err(TokenError::Refused(Refusal::UnknownKey));

#[tokio::test(start_paused = true)]
async fn before_the_keys_are_read_every_token_gets_503_and_afterwards_its_role() {
    locally(async {
        let key = TestKey::es256("a");
        let bench = bench(&settings(), publishes(&[&key]));
        let error = bench.verify(&key).unwrap_err();
        assert_eq!((error.answer(), error), (TokenAnswer::Unavailable, TokenError::NoKeys));
        assert!(matches!(bench.health.get(Leg::Tokens), LegState::Down(_)));
        seconds(1).await;
        assert_eq!(bench.verify(&key), Ok(UserRole::Pos));
        assert_eq!(bench.health.get(Leg::Tokens), LegState::Up);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_read_on_a_schedule_that_is_never_quite_the_same() {
    locally(async {
        let key = TestKey::es256("a");
        let bench = bench(&settings(), publishes(&[&key]));
        seconds(3_600).await;
        assert!((11..=14).contains(&bench.fetches()), "{} readings in an hour of five minutes each", bench.fetches());
        assert_eq!(bench.verify(&key), Ok(UserRole::Pos));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_as_soon_as_a_token_names_it_and_until_then_the_token_gets_503() {
    locally(async {
        let (old, new) = (TestKey::es256("old"), TestKey::es256("new"));
        let bench = bench(&settings(), publishes(&[&old]));
        seconds(20).await;
        bench.now(publishes(&[&old, &new]));
        let error = bench.verify(&new).unwrap_err();
        assert_eq!((error.answer(), error), (TokenAnswer::Unavailable, TokenError::KeyNotKnownYet));
        seconds(1).await;
        assert_eq!((bench.verify(&new), bench.verify(&old)), (Ok(UserRole::Pos), Ok(UserRole::Pos)));
        assert_eq!(bench.fetches(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_old_key_is_good_while_it_is_listed_and_refused_afterwards() {
    locally(async {
        let (old, new) = (TestKey::ed25519("old"), TestKey::es256("new"));
        let bench = bench(&settings(), publishes(&[&old]));
        seconds(1).await;
        bench.now(publishes(&[&new, &old]));
        seconds(600).await;
        assert_eq!(bench.verify(&old), Ok(UserRole::Pos));
        bench.now(publishes(&[&new]));
        seconds(600).await;
        assert_eq!(bench.verify(&old), Err(TokenError::KeyNotKnownYet), "it might be on its way");
        seconds(20).await;
        assert_eq!((bench.verify(&old), bench.verify(&new)), (REFUSED, Ok(UserRole::Pos)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whatever_keys_strangers_name_the_issuer_is_asked_once_per_refetch() {
    locally(async {
        let (key, stranger) = (TestKey::es256("a"), TestKey::es256("stranger"));
        let bench = bench(&settings(), publishes(&[&key]));
        seconds(1).await;
        for number in 0..20_000_u32 {
            let header = serde_json::json!({"alg": "ES256", "kid": format!("made-up-{number}")}).to_string();
            if number % 100 == 0 {
                let answer = bench.book.verify(&stranger.sign(&header, &claims().to_string())).unwrap_err().answer();
                assert_ne!(answer, TokenAnswer::Forbidden);
            }
            let junk = format!("{}.{}.x", super::issuer::encode(&header), super::issuer::encode(claims().to_string()));
            assert!(bench.book.verify(&junk).is_err());
            sleep(Duration::from_millis(10)).await;
        }
        assert!(bench.fetches() <= 22, "{} readings in 200 s with a refetch of 10 s", bench.fetches());
        assert_eq!(bench.verify(&key), Ok(UserRole::Pos));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_would_be_refused_anyway_makes_nobody_ask_the_issuer() {
    locally(async {
        let (key, stranger) = (TestKey::es256("a"), TestKey::es256("stranger"));
        let bench = bench(&settings(), publishes(&[&key]));
        seconds(20).await;
        for changes in
            [serde_json::json!({"iss": "other"}), serde_json::json!({"aud": "other"}), serde_json::json!({"exp": 0})]
        {
            let token = stranger.token(&super::issuer::claims_with(changes));
            assert_eq!(bench.book.verify(&token).unwrap_err().answer(), TokenAnswer::Unauthorized);
        }
        seconds(60).await;
        assert_eq!(bench.fetches(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_named_while_an_older_answer_is_on_its_way_is_not_given_up() {
    locally(async {
        let (old, new) = (TestKey::es256("old"), TestKey::es256("new"));
        let bench = bench(&settings(), publishes(&[&old]));
        seconds(20).await;
        let before = jwks(&[&old.jwk]);
        bench.now(Issuer::AnswersLate(before, Duration::from_secs(4)));
        let _ = bench.verify(&TestKey::es256("other"));
        seconds(1).await;
        bench.now(publishes(&[&old, &new]));
        assert_eq!(bench.verify(&new), Err(TokenError::KeyNotKnownYet));
        seconds(5).await;
        assert_eq!(
            bench.verify(&new),
            Err(TokenError::KeyNotKnownYet),
            "the answer that came was older than the question"
        );
        seconds(15).await;
        assert_eq!(bench.verify(&new), Ok(UserRole::Pos));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_the_issuer_is_down_the_last_good_keys_stay_until_they_are_too_old() {
    locally(async {
        let key = TestKey::es256("a");
        let bench = bench(&settings(), publishes(&[&key]));
        seconds(10).await;
        bench.now(Issuer::IsDown);
        seconds(3_000).await;
        assert_eq!(bench.verify(&key), Ok(UserRole::Pos));
        assert_eq!(bench.health.get(Leg::Tokens), LegState::Up);
        assert!(bench.health.remark_on(Leg::Tokens).unwrap().contains("502"));
        seconds(700).await;
        let error = bench.verify(&key).unwrap_err();
        assert_eq!((error.answer(), error), (TokenAnswer::Unavailable, TokenError::NoKeys));
        assert!(matches!(bench.health.get(Leg::Tokens), LegState::Down(reason) if reason.contains("502")));
        bench.now(publishes(&[&key]));
        seconds(20).await;
        assert_eq!((bench.verify(&key), bench.health.get(Leg::Tokens)), (Ok(UserRole::Pos), LegState::Up));
        assert_eq!(bench.health.remark_on(Leg::Tokens), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_is_asked_again_soon_but_not_more_often_than_allowed() {
    locally(async {
        let bench = bench(&settings(), Issuer::IsDown);
        seconds(1_000).await;
        assert!((80..=112).contains(&bench.fetches()), "{} attempts in 1000 s with a refetch of 10 s", bench.fetches());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_looked_for_is_not_declared_absent_by_an_issuer_that_is_down() {
    locally(async {
        let (old, new) = (TestKey::es256("old"), TestKey::es256("new"));
        let bench = bench(&settings(), publishes(&[&old]));
        seconds(20).await;
        bench.now(Issuer::IsDown);
        for _ in 0..10 {
            assert_eq!(bench.verify(&new), Err(TokenError::KeyNotKnownYet));
            seconds(7).await;
        }
        bench.now(publishes(&[&old, &new]));
        seconds(20).await;
        assert_eq!(bench.verify(&new), Ok(UserRole::Pos));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_withdraws_all_keys_is_believed() {
    locally(async {
        let key = TestKey::es256("a");
        let bench = bench(&settings(), publishes(&[&key]));
        seconds(1).await;
        bench.now(publishes(&[]));
        seconds(400).await;
        assert_eq!(bench.verify(&key), Err(TokenError::NoKeys));
        assert!(matches!(bench.health.get(Leg::Tokens), LegState::Down(reason) if reason.contains("no key")));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_is_killed_at_any_point_leaves_the_keys_and_does_not_ask_more_often() {
    locally(async {
        let (key, new) = (TestKey::es256("a"), TestKey::es256("new"));
        let bench = bench(&settings(), publishes(&[&key]));
        seconds(1).await;
        for _ in 0..20 {
            bench.root.inject("root.tokens", Fault::Panic).unwrap();
            assert_eq!(bench.verify(&key), Ok(UserRole::Pos));
            seconds(5).await;
        }
        assert!(bench.fetches() <= 11, "{} readings in 100 s with a refetch of 10 s", bench.fetches());
        bench.now(Issuer::NeverAnswers);
        let _ = bench.verify(&new);
        seconds(15).await;
        bench.root.inject("root.tokens", Fault::Panic).unwrap();
        bench.now(publishes(&[&key, &new]));
        seconds(30).await;
        assert_eq!((bench.verify(&key), bench.verify(&new)), (Ok(UserRole::Pos), Ok(UserRole::Pos)));
    })
    .await;
}
