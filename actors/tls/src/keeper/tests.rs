use std::sync::{Arc, Mutex};

use chrono::Utc;
use tempfile::TempDir;
use tillstream_messages::{IssueCertificate, IssuedCertificate};
use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::*;
use crate::settings::{CertificateSource, Mode, PkiSettings, TlsSettings};
use crate::testing::{Authority, Pair};

const WITHIN: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(600);
/// How long a certificate of that life is new.
const NEW: Duration = Duration::from_secs(60);

struct Bench {
    root: Supervisor,
    keeper: Handle<TlsKeeper>,
    keyring: Keyring,
    clock: WallClock,
    health: HealthBoard,
    authority: Authority,
    folder: TempDir,
}

/// An authority behind a port: what it gives next, and what it was asked.
#[derive(Clone, Default)]
struct Remote {
    next: Arc<Mutex<Option<IssuedCertificate>>>,
    asked: Arc<Mutex<Vec<IssueCertificate>>>,
}

impl Remote {
    fn port(&self) -> Port<IssueCertificate> {
        let remote = self.clone();
        Port::from_fn(move |question| {
            remote.asked.lock().unwrap().push(question);
            let issued = remote.next.lock().unwrap().clone();
            issued.ok_or_else(|| CertificateError("sealed".to_owned()))
        })
    }

    fn gives(&self, pair: Option<&Pair>) {
        *self.next.lock().unwrap() = pair.map(Pair::issued);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

async fn bench(change: impl FnOnce(&mut TlsSettings), port: Option<Port<IssueCertificate>>) -> Bench {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let mut settings = TlsSettings {
        mode: Mode::On,
        certificate: Some(folder.path().join("tls.crt")),
        key: Some(folder.path().join("tls.key")),
        ..TlsSettings::default()
    };
    change(&mut settings);
    std::fs::write(folder.path().join("clients.crt"), &authority.pem).unwrap();
    write(&folder, &authority.issue("localhost"));
    let source = TlsSource::new(&settings, port).unwrap();
    let keyring = Keyring::open(&source, Utc::now()).await.unwrap();
    let (clock, health) = (WallClock::default(), HealthBoard::default());
    let ports = KeeperPorts {
        keyring: keyring.clone(),
        source,
        reload: settings.reload,
        clock: clock.clone(),
        health: health.clone(),
    };
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let keeper = root.spawn(ActorSpec::new("tls", "tls"), &place, move || TlsKeeper::new(ports.clone())).unwrap();
    Bench { root, keeper, keyring, clock, health, authority, folder }
}

async fn from_files() -> Bench {
    bench(|_| {}, None).await
}

async fn from_authority(remote: &Remote) -> Bench {
    from_authority_for(remote, TTL).await
}

async fn from_authority_for(remote: &Remote, ttl: Duration) -> Bench {
    remote.gives(Some(&Authority::new().issue("localhost")));
    let settings = |settings: &mut TlsSettings| {
        settings.source = CertificateSource::Pki;
        settings.pki = PkiSettings { common_name: "localhost".to_owned(), ttl, ..PkiSettings::default() };
    };
    bench(settings, Some(remote.port())).await
}

fn write(folder: &TempDir, pair: &Pair) {
    std::fs::write(folder.path().join("tls.crt"), &pair.chain).unwrap();
    std::fs::write(folder.path().join("tls.key"), &pair.key).unwrap();
}

impl Bench {
    fn serial(&self) -> String {
        self.keyring.pair().serial().to_owned()
    }

    fn remark(&self) -> String {
        self.health.remark_on(Leg::Certificate).unwrap_or_default()
    }

    async fn reload(&self) -> Result<CertificateReloaded, CertificateError> {
        self.keeper.ask(ReloadCertificate, WITHIN).await.expect("an answer of the keeper")
    }

    async fn becomes(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waiting = async {
            while !is_so(self) {
                sleep(Duration::from_millis(200)).await;
            }
        };
        assert!(timeout(TTL * 10, waiting).await.is_ok(), "stuck: {what}");
    }
}

/// What never comes is noticed, and the test's name says who waits.
async fn locally(test: impl Future<Output = ()>) {
    let ended = timeout(Duration::from_secs(7 * 24 * 3_600), LocalSet::new().run_until(test)).await;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(ended.is_ok(), "{name} waits for something that never comes");
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_in_use_at_the_next_look() {
    locally(async {
        let bench = from_files().await;
        let before = bench.serial();
        write(&bench.folder, &bench.authority.issue("localhost"));
        bench.becomes("the new pair is not used", |bench| bench.serial() != before).await;
        assert_eq!(bench.health.get(Leg::Certificate), LegState::Up);
        assert_eq!(bench.remark(), "");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_answers_whether_something_changed() {
    locally(async {
        let bench = from_files().await;
        assert!(!bench.reload().await.unwrap().changed);
        write(&bench.folder, &bench.authority.issue("localhost"));
        let reloaded = bench.reload().await.unwrap();
        assert!(reloaded.changed);
        assert_eq!(reloaded.serial, bench.serial());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_used_leave_the_last_good_pair_and_health_says_why() {
    locally(async {
        let bench = from_files().await;
        let (before, good) = (bench.serial(), bench.authority.issue("localhost"));
        let old = bench.authority.issue_until("localhost", Utc::now() - TimeDelta::seconds(5));
        let half = Pair { chain: good.chain[..100].to_owned(), key: good.key.clone(), serial: 0 };
        let mixed = Pair { chain: good.chain.clone(), key: old.key.clone(), serial: 0 };
        for (broken, why) in [(&old, "has expired"), (&half, "cannot be read"), (&mixed, "do not belong together")] {
            let counted = RELOADS.with_label_values(&["refused"]).get();
            write(&bench.folder, broken);
            let error = bench.reload().await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
            assert!(bench.remark().contains(why), "{}", bench.remark());
            assert_eq!(bench.health.get(Leg::Certificate), LegState::Up);
            assert_eq!(bench.serial(), before);
            assert!(RELOADS.with_label_values(&["refused"]).get() > counted);
        }
        std::fs::remove_file(bench.folder.path().join("tls.key")).unwrap();
        assert!(bench.reload().await.unwrap_err().to_string().contains("tls.key"));
        write(&bench.folder, &good);
        assert!(bench.reload().await.unwrap().changed);
        assert_eq!(bench.remark(), "");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_leg_goes_down_when_the_certificate_has_expired_and_is_troubled_before() {
    locally(async {
        let bench = from_files().await;
        bench.clock.set_offset(TimeDelta::minutes(55));
        bench.becomes("nobody says that it expires soon", |bench| bench.remark().contains("it expires soon")).await;
        assert_eq!(bench.health.get(Leg::Certificate), LegState::Up);
        bench.clock.set_offset(TimeDelta::minutes(65));
        let is_down = |bench: &Bench| matches!(bench.health.get(Leg::Certificate), LegState::Down(_));
        bench.becomes("nobody says that it has expired", is_down).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn other_authorities_of_clients_are_in_use_at_the_next_look_and_broken_ones_are_not() {
    locally(async {
        let mutual = |settings: &mut TlsSettings| {
            settings.mode = Mode::Mutual;
            settings.client_ca = settings.certificate.as_ref().map(|file| file.with_file_name("clients.crt"));
        };
        let bench = bench(mutual, None).await;
        let before = bench.keyring.clients().unwrap();
        std::fs::write(bench.folder.path().join("clients.crt"), "nothing").unwrap();
        assert!(bench.reload().await.unwrap_err().to_string().contains("clients.crt"));
        assert!(bench.keyring.clients().unwrap().is_same(&before));
        std::fs::write(bench.folder.path().join("clients.crt"), Authority::new().pem).unwrap();
        assert!(bench.reload().await.unwrap().changed);
        assert!(!bench.keyring.clients().unwrap().is_same(&before));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_authority_is_asked_for_the_next_certificate_after_two_thirds_of_its_life_and_not_before() {
    locally(async {
        let remote = Remote::default();
        let bench = from_authority(&remote).await;
        let before = bench.serial();
        remote.gives(Some(&bench.authority.issue("localhost")));
        sleep(TTL * 2 / 3 - Duration::from_secs(2)).await;
        assert_eq!((remote.asked(), bench.serial()), (1, before.clone()));
        sleep(Duration::from_secs(4)).await;
        assert_eq!(remote.asked(), 2);
        assert_ne!(bench.serial(), before);
        let question = remote.asked.lock().unwrap()[1].clone();
        assert_eq!((question.common_name.as_str(), question.ttl), ("localhost", TTL));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_the_authority_is_away_the_old_certificate_stays_and_it_is_asked_again_until_it_comes_back() {
    locally(async {
        let remote = Remote::default();
        let bench = from_authority(&remote).await;
        let before = bench.serial();
        remote.gives(None);
        bench.becomes("health does not say why", |bench| bench.remark().contains("sealed")).await;
        assert_eq!(bench.health.get(Leg::Certificate), LegState::Up);
        let is_down = |bench: &Bench| matches!(bench.health.get(Leg::Certificate), LegState::Down(_));
        bench.becomes("nobody says that it has expired", is_down).await;
        assert_eq!(bench.serial(), before);
        assert!((5..=20).contains(&remote.asked()), "asked {} times", remote.asked());

        remote.gives(Some(&bench.authority.issue("localhost")));
        bench.becomes("it is not asked again", |bench| bench.serial() != before).await;
        assert_eq!(bench.health.get(Leg::Certificate), LegState::Up);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reload_has_the_authority_issue_at_once_unless_it_has_just_done_so() {
    locally(async {
        let remote = Remote::default();
        let bench = from_authority(&remote).await;
        let before = bench.serial();
        remote.gives(Some(&bench.authority.issue("localhost")));
        for _ in 0..60 {
            let reloaded = bench.reload().await.unwrap();
            assert_eq!((reloaded.changed, reloaded.serial), (false, before.clone()));
        }
        assert_eq!(remote.asked(), 1);

        sleep(NEW).await;
        assert!(bench.reload().await.unwrap().changed);
        assert!(!bench.reload().await.unwrap().changed);
        assert_eq!(remote.asked(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_a_short_life_is_new_for_a_tenth_of_it() {
    locally(async {
        let remote = Remote::default();
        let bench = from_authority_for(&remote, Duration::from_secs(50)).await;
        remote.gives(Some(&bench.authority.issue("localhost")));
        sleep(Duration::from_millis(4_900)).await;
        assert!(!bench.reload().await.unwrap().changed);
        sleep(Duration::from_millis(200)).await;
        assert!(bench.reload().await.unwrap().changed);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_during_a_look_gets_one_of_its_own_that_asks_no_authority_twice() {
    locally(async {
        let remote = Remote::default();
        let bench = from_authority(&remote).await;
        sleep(NEW).await;
        remote.gives(Some(&bench.authority.issue("localhost")));
        let (one, other) = tokio::join!(bench.reload(), bench.reload());
        assert_eq!((one.unwrap().changed, other.unwrap().changed), (true, false));
        assert_eq!(remote.asked(), 2);

        let files = from_files().await;
        write(&files.folder, &files.authority.issue("localhost"));
        let (one, other) = tokio::join!(files.reload(), files.reload());
        assert!(one.is_ok() && other.is_ok());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_is_killed_goes_on_with_the_pair_in_use() {
    locally(async {
        let bench = from_files().await;
        let before = bench.serial();
        let injection = bench.root.inject("root.tls", Fault::Stop).unwrap();
        timeout(WITHIN, injection.outcome(WITHIN, WITHIN)).await.expect("stuck: the keeper does not come back");
        assert_eq!(bench.serial(), before);
        write(&bench.folder, &bench.authority.issue("localhost"));
        assert!(bench.reload().await.unwrap().changed);
    })
    .await;
}
