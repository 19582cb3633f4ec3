//! The secrets actor under its supervisor: what an operator does to the file and what everybody else then knows.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tillstream_messages::{HealthBoard, Leg, LegState, ListSecrets, SecretsChanged};
use tillstream_secrets::{LastGood, LocalSecrets, SecretsHolder, SecretsSettings, load_or_create};
use tillstream_supervision::{ActorSpec, Fault, Handle, Place, Port, Strategy, Supervisor, SupervisorSpec};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

const POS: &str = "validation-service/creds/pos-service";

type Told = Arc<Mutex<Vec<SecretsChanged>>>;

struct Bench {
    root: Supervisor,
    secrets: Handle<LocalSecrets>,
    last_good: LastGood,
    told: Told,
    health: HealthBoard,
    path: PathBuf,
    _directory: TempDir,
}

fn bench(settings: SecretsSettings) -> Bench {
    let told = Told::default();
    let heard = Arc::clone(&told);
    let listener = Port::from_fn(move |fact| heard.lock().unwrap().push(fact));
    bench_for(settings, listener, told)
}

fn bench_for(settings: SecretsSettings, listener: Port<SecretsChanged>, told: Told) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secrets.toml");
    let last_good = LastGood::new(load_or_create(&path).unwrap());
    let place = Place::here();
    let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
    let health = HealthBoard::default();
    let parts = (settings, path.clone(), last_good.clone(), health.clone());
    let factory = move || {
        let (settings, path, last_good, health) = parts.clone();
        LocalSecrets::new(
            settings,
            path,
            last_good,
            vec![SecretsHolder::new("listener", &["validation-service/creds/*"], listener.clone())],
            health,
        )
    };
    let secrets = root.spawn(ActorSpec::new("secrets", "secrets"), &place, factory).unwrap();
    Bench { root, secrets, last_good, told, health, path, _directory: directory }
}

impl Bench {
    fn password(&self) -> String {
        self.last_good.tree().expose(POS, "password").unwrap().to_owned()
    }

    /// As an editor does it: a new file renamed over the old one.
    fn rotate(&self, password: &str) {
        let text = fs::read_to_string(&self.path).unwrap().replace(&self.password(), password);
        replace(&self.path, &text);
    }

    /// Until the newest fact shows this password.
    async fn hears(&self, password: &str) {
        let heard =
            || self.told.lock().unwrap().last().and_then(|fact| fact.tree.expose(POS, "password").map(str::to_owned));
        let waiting = async {
            while heard().as_deref() != Some(password) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(Duration::from_secs(60), waiting).await.is_ok(), "nobody was told in time");
    }
}

fn replace(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).unwrap();
    fs::rename(&draft, path).unwrap();
}

/// A week of whatever clock the test has: what never comes is noticed, and the test's name says who waits.
async fn locally(test: impl Future<Output = ()>) {
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
    let ended = timeout(WEEK, LocalSet::new().run_until(test)).await;
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(ended.is_ok(), "{name} waits for something that never comes");
}

#[tokio::test(start_paused = true)]
async fn everybody_is_told_the_first_tree() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        bench.hears(&bench.password()).await;
        assert_eq!(bench.health.get(Leg::Secrets), LegState::Up);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rotated_password_is_in_use_without_a_restart() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        bench.hears(&bench.password()).await;

        bench.rotate("a-new-password");
        bench.hears("a-new-password").await;

        let told = bench.told.lock().unwrap().clone();
        let fact = told.iter().find(|fact| fact.tree.entries[POS].version == 2).unwrap();
        assert_eq!(fact.changed, [POS]);
        assert_eq!(fact.tree.entries[POS].version, 2);
        assert_eq!(fact.tree.entries["validation-service/creds/admin"].version, 1);
    })
    .await;
}

#[tokio::test]
async fn a_change_is_seen_by_watching_long_before_the_next_poll() {
    locally(async {
        let bench = bench(SecretsSettings { refresh: Duration::from_secs(3600), ..SecretsSettings::default() });
        bench.hears(&bench.password()).await;

        bench.rotate("seen-by-watching");

        bench.hears("seen-by-watching").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_watcher_can_see_is_found_by_polling() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("mounted.toml");
        fs::copy(&bench.path, &target).unwrap();
        fs::remove_file(&bench.path).unwrap();
        std::os::unix::fs::symlink(&target, &bench.path).unwrap();
        sleep(Duration::from_secs(100)).await;

        replace(&target, &fs::read_to_string(&target).unwrap().replace(&bench.password(), "behind-a-link"));

        bench.hears("behind-a-link").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_day_of_hourly_rotations_that_no_watcher_sees_is_in_use_within_the_refresh_each_time() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("mounted.toml");
        fs::copy(&bench.path, &target).unwrap();
        fs::remove_file(&bench.path).unwrap();
        std::os::unix::fs::symlink(&target, &bench.path).unwrap();
        for hour in 0..24 {
            sleep(Duration::from_secs(3_600)).await;
            let password = format!("of-hour-{hour}");
            replace(&target, &fs::read_to_string(&target).unwrap().replace(&bench.password(), &password));
            sleep(Duration::from_secs(31)).await;
            assert_eq!(bench.password(), password);
            assert_eq!(bench.health.get(Leg::Secrets), LegState::Up);
        }
        let told = bench.told.lock().unwrap();
        assert_eq!(told.last().unwrap().tree.entries[POS].version, 25);
        assert_eq!(told.iter().filter(|fact| fact.changed == [POS]).count(), 24, "each change is told once");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn six_hours_without_a_readable_file_cost_nobody_a_password_and_a_kill_in_between_changes_nothing() {
    locally(async {
        let max_age = Duration::from_secs(300);
        let bench = bench(SecretsSettings { max_age, ..SecretsSettings::default() });
        let password = bench.password();
        let text = fs::read_to_string(&bench.path).unwrap();
        bench.hears(&password).await;
        replace(&bench.path, "not a document");
        for hour in 0..6 {
            sleep(Duration::from_secs(3_600)).await;
            assert_eq!(bench.password(), password);
            assert!(matches!(bench.health.get(Leg::Secrets), LegState::Down(_)), "hour {hour}");
            bench.root.inject("root.secrets", Fault::Panic).unwrap();
        }
        replace(&bench.path, &text);
        sleep(Duration::from_secs(31)).await;
        assert_eq!((bench.password(), bench.health.get(Leg::Secrets)), (password, LegState::Up));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slip_in_one_user_keeps_the_last_good_secrets_and_locks_nobody_out() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        let (password, text) = (bench.password(), fs::read_to_string(&bench.path).unwrap());
        bench.hears(&password).await;

        for slip in [text.replace("\"pos\"", "\"Pos\""), text.replace(&password, &"x".repeat(400))] {
            assert_ne!(slip, text);
            replace(&bench.path, &slip);
            sleep(Duration::from_secs(31)).await;
            assert_eq!(bench.password(), password);
            let remark = bench.health.remark_on(Leg::Secrets).expect("the slip is said");
            assert!(remark.contains("validation-service/creds/*") && !remark.contains(POS), "{remark}");
            let overview = bench.secrets.ask(ListSecrets, Duration::from_secs(1)).await.unwrap();
            let trouble = overview.trouble.expect("who may see paths is told which");
            assert!(trouble.contains(POS), "{trouble}");
        }

        replace(&bench.path, &text);
        sleep(Duration::from_secs(31)).await;
        assert_eq!(bench.health.remark_on(Leg::Secrets), None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_keeps_the_last_good_secrets_and_reports_itself_when_that_lasts() {
    locally(async {
        let max_age = Duration::from_secs(300);
        let bench = bench(SecretsSettings { max_age, ..SecretsSettings::default() });
        let password = bench.password();
        let text = fs::read_to_string(&bench.path).unwrap();
        bench.hears(&password).await;

        replace(&bench.path, &text.replace(&format!("\"{password}\""), &password));
        sleep(Duration::from_secs(120)).await;
        assert_eq!(bench.health.get(Leg::Secrets), LegState::Up);
        let remark = bench.health.remark_on(Leg::Secrets).expect("trouble is said at once");
        assert!(remark.contains("line") && !remark.contains(&password), "{remark}");
        sleep(Duration::from_secs(200)).await;
        let LegState::Down(reason) = bench.health.get(Leg::Secrets) else { panic!("still up") };
        assert!(reason.contains("line") && !reason.contains(&password), "{reason}");
        assert_eq!(bench.password(), password);

        replace(&bench.path, &text);
        sleep(Duration::from_secs(31)).await;
        assert_eq!((bench.health.get(Leg::Secrets), bench.health.remark_on(Leg::Secrets)), (LegState::Up, None));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_emptied_file_takes_nobodys_password_away() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        let password = bench.password();
        replace(&bench.path, "");
        sleep(Duration::from_secs(65)).await;
        assert_eq!(bench.password(), password);
        assert!(bench.told.lock().unwrap().iter().all(|fact| fact.tree.expose(POS, "password") == Some(&password)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_killed_actor_comes_back_with_the_newest_tree_and_goes_on_watching() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        bench.rotate("before-the-kill");
        bench.hears("before-the-kill").await;

        bench.root.inject("root.secrets", Fault::Panic).unwrap();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(bench.told.lock().unwrap().last().unwrap().tree.entries[POS].version, 2);

        bench.rotate("after-the-kill");
        bench.hears("after-the-kill").await;
        assert_eq!(bench.told.lock().unwrap().last().unwrap().tree.entries[POS].version, 3);
        assert_eq!(bench.root.tree().children[0].restarts, 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_not_there_yet_is_told_when_it_is() {
    locally(async {
        let told = Told::default();
        let (listener, slot) = Port::deferred();
        let bench = bench_for(SecretsSettings::default(), listener, Arc::clone(&told));
        bench.rotate("while-nobody-listens");
        sleep(Duration::from_secs(60)).await;
        replace(&bench.path, "broken since then");
        sleep(Duration::from_secs(60)).await;

        slot.bind(Port::from_fn(move |fact| told.lock().unwrap().push(fact)));

        bench.hears("while-nobody-listens").await;
        assert_eq!(bench.told.lock().unwrap()[0].changed, [POS]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_has_lost_what_it_was_told_hears_it_again_with_the_next_reading() {
    locally(async {
        let bench = bench(SecretsSettings::default());
        bench.rotate("changed");
        bench.hears("changed").await;

        bench.told.lock().unwrap().clear();

        bench.hears("changed").await;
    })
    .await;
}
