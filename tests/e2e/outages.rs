//! What happens between a service and its broker while tills sell: connections cut, silence, slowness, deaths.
//! Afterwards every sale that was answered with 200 is counted once, by the tills' own list and by the books.
//! All on the Solace backend, through a proxy that the test owns. `TILLSTREAM_TEST_OUTAGE_SECONDS` makes the outage
//! longer and `TILLSTREAM_TEST_CUTS` sets the random cuts. What the broker refuses is in `refusals`.

use std::time::{Duration, Instant};

use crate::drill::{assert_nothing_lost, count};
use crate::support::{Drill, Load, Proxy, Setup, TestApp, Way, Weather, count_from, eventually, pause, seed};

/// Tills, each in a store of its own.
const TILLS: usize = 8;

/// Sales before and after the trouble.
const NORMAL: Duration = Duration::from_millis(1_500);

const SOON: Duration = Duration::from_secs(60);

/// A service under load behind a network that can be spoilt.
struct Scene {
    app: TestApp,
    load: Load,
}

impl Scene {
    async fn begin() -> Self {
        // Tills are told soon, and logins do not wait long: both only save time.
        let setup = Setup::new().behind_a_proxy().setting("validation.publish_timeout", "1s");
        let app = setup.setting("solace.backoff_max", "1s").start().await;
        let load = Load::start(&app, TILLS);
        pause(NORMAL).await;
        Self { app, load }
    }

    fn proxy(&self) -> &Proxy {
        self.app.proxy()
    }

    /// Waits until a session of the service has come back, by a connection beyond so many.
    async fn reconnects(&self, connections: u64) {
        eventually("the service to connect again", SOON, async || match self.proxy().accepted() {
            more if more > connections => Ok(()),
            _ => Err(format!("{connections} connections so far")),
        })
        .await;
    }

    /// The service has healed by itself: tills sell, and every sale is counted once. Gives back what went wrong meanwhile
    /// in the eyes of the tills.
    async fn end(mut self) -> Vec<String> {
        let fair = Instant::now();
        self.app.becomes_ready().await;
        let ready = fair.elapsed();
        pause(NORMAL).await;
        let account = self.load.stop().await;
        let (sales, refusals) = (account.sales.len(), account.refusals.len());
        eprintln!("{sales} sales, {refusals} answers were not 200, ready {ready:.1?} after the last trouble");
        assert!(self.app.is_alive(), "the service died");
        assert!(account.sales.len() > 10 * TILLS, "{} sales prove little", account.sales.len());
        self.app.counts(&account).await;
        account.refusals
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_publish_window_costs_no_sale() {
    let scene = Scene::begin().await;

    for more in [0, 700, 1_777] {
        let (refusals, connections) = (scene.load.refusals(), scene.proxy().accepted());
        scene.proxy().cut_after(Way::Up, 20_000 + more);
        scene.load.feels_it(refusals).await;
        scene.reconnects(connections).await;
    }

    assert!(!scene.end().await.is_empty());
}

#[tokio::test]
async fn a_connection_that_is_cut_in_the_middle_of_a_delivery_costs_no_sale() {
    let scene = Scene::begin().await;

    for more in [0, 500, 1_333] {
        let connections = scene.proxy().accepted();
        scene.proxy().cut_after(Way::Down, 60_000 + more);
        scene.reconnects(connections).await;
    }

    scene.end().await;
}

#[tokio::test]
async fn an_outage_of_seconds_gives_503_and_heals_without_a_restart() {
    let mut scene = Scene::begin().await;
    let seconds = count_from("TILLSTREAM_TEST_OUTAGE_SECONDS", 4);

    scene.proxy().set(Weather::Refusing);
    scene.app.until_not_ready(SOON).await;
    pause(Duration::from_secs(seconds)).await;
    assert!(scene.app.is_alive());
    scene.proxy().set(Weather::Fair);

    let refusals = scene.end().await;
    assert!(refusals.len() >= TILLS, "an outage that {} answers show", refusals.len());
}

#[tokio::test]
async fn a_network_that_falls_still_is_noticed_without_any_error_and_costs_no_sale() {
    let scene = Scene::begin().await;
    let refusals = scene.load.refusals();

    scene.proxy().set(Weather::Still);
    scene.load.feels_it(refusals).await;
    scene.app.until_not_ready(SOON).await;
    scene.proxy().set(Weather::Fair);

    scene.end().await;
}

#[tokio::test]
async fn acknowledgements_that_are_lost_on_their_way_give_503_and_the_sale_sent_again_counts_once() {
    let scene = Scene::begin().await;

    for _ in 0..2 {
        let refusals = scene.load.refusals();
        scene.proxy().set(Weather::Swallowing(Way::Down));
        scene.load.feels_it(refusals + TILLS - 1).await;
        scene.proxy().set(Weather::Fair);
        pause(NORMAL).await;
    }

    scene.end().await;
}

#[tokio::test]
async fn publishes_that_are_lost_on_their_way_are_made_up_for() {
    let scene = Scene::begin().await;
    let refusals = scene.load.refusals();

    scene.proxy().set(Weather::Swallowing(Way::Up));
    scene.load.feels_it(refusals + TILLS - 1).await;
    scene.proxy().set(Weather::Fair);

    scene.end().await;
}

#[tokio::test]
async fn a_slow_broker_is_slow_and_nothing_else() {
    let scene = Scene::begin().await;

    scene.proxy().set(Weather::Slow(Duration::from_millis(100)));
    pause(Duration::from_secs(4)).await;
    let refusals = scene.load.refusals();
    scene.proxy().set(Weather::Fair);

    assert_eq!(refusals, 0, "200 ms there and back is within every timeout");
    scene.end().await;
}

#[tokio::test]
async fn a_broker_that_is_killed_under_load_again_and_again_loses_nothing_that_it_acknowledged() {
    let mut scene = Scene::begin().await;

    for kill in 0..3 {
        let refusals = scene.load.refusals();
        scene.app.broker().sigkill();
        scene.load.feels_it(refusals).await;
        scene.app.broker().start_again().await;
        pause(Duration::from_millis(1_100 + kill * 373)).await;
    }

    assert!(!scene.end().await.is_empty());
}

#[tokio::test]
async fn a_service_that_is_killed_under_load_takes_up_what_the_broker_kept() {
    let mut scene = Scene::begin().await;

    for kill in 0..3 {
        scene.app.sigkill_service();
        scene.app.start_again().await;
        pause(Duration::from_millis(700 + kill * 373)).await;
    }

    assert!(!scene.end().await.is_empty());
}

/// Cuts of whole connections, and cuts behind a random byte of either direction, at random moments.
#[tokio::test]
async fn a_hundred_random_cuts_lose_nothing_and_double_nothing() {
    let (seed, cuts) = (seed(), count_from("TILLSTREAM_TEST_CUTS", 100));
    let mut random = fastrand::Rng::with_seed(seed);
    let app = Setup::new().behind_a_proxy().setting("solace.backoff_max", "500ms").start().await;
    let mut drill =
        Drill::start(&app, &["--faults", "0", "--duration", &format!("{}s", cuts / 4 + 5), "--load", "300"]);
    drill.says("load", SOON).await;

    for _ in 0..cuts {
        match random.u8(..3) {
            0 => app.proxy().cut(),
            1 => app.proxy().cut_after(Way::Up, random.u64(..20_000)),
            _ => app.proxy().cut_after(Way::Down, random.u64(..40_000)),
        }
        pause(Duration::from_millis(random.u64(20..450))).await;
    }
    let (code, report) = drill.ends(4 * SOON).await;

    assert_nothing_lost(code, &report);
    assert!(count(&report, "/load/retries") > 0, "no cut was felt: {report:#}");
}
