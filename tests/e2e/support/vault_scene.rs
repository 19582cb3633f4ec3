//! A service whose secrets come from a real server, under load, and what everybody who breaks something there then asks.
//! Judges at the end: no till was told anything but 200, and every sale is counted once.

use std::time::{Duration, Instant};

use reqwest::Method;

use super::vault::TOLD_WITHIN;
use super::{Answer, Badge, Load, Setup, TestApp, TestVault, eventually, pause};

/// Tills, each in a store of its own; together some hundred sales per second.
const TILLS: usize = 10;

/// Sales before and after the trouble.
const NORMAL: Duration = Duration::from_millis(1_000);

/// Where the tills' own user stands.
pub const TILL: &str = "validation-service/creds/pos-service";

/// Server, service and tills.
pub struct VaultScene {
    pub vault: TestVault,
    pub app: TestApp,
    /// What the tills show.
    pub badge: Badge,
    load: Load,
    began: Instant,
}

impl VaultScene {
    /// Everything runs, with tokens that live so long.
    pub async fn begin(lives: (&str, &str)) -> Self {
        Self::begin_with(TestVault::start(lives).await, Setup::new()).await
    }

    /// The same with another setup.
    pub async fn begin_with(vault: TestVault, setup: Setup) -> Self {
        let app = setup.on_vault(&vault).start().await;
        let badge = Badge::of("pos-service", app.users());
        let (load, began) = (Load::start_with(&app, TILLS, &badge), Instant::now());
        pause(NORMAL).await;
        Self { vault, app, badge, load, began }
    }

    /// Gives the tills another password and waits until the service has it, without being asked to: it reads the server again.
    /// The tills show it from then on.
    pub async fn a_change_arrives(&mut self) {
        let before = self.version_of(TILL).await;
        let password = self.vault.rotate(TILL).await;
        eventually("the service to have a changed password", TOLD_WITHIN, async || {
            if self.version_of(TILL).await > before {
                return Ok(());
            }
            Err(self.app.get("/api/v1/secrets", "admin").await.text)
        })
        .await;
        let fresh = self.badge.with(&password);
        eventually("the service to let a changed password in", TOLD_WITHIN, async || {
            if self.app.is_known(&fresh).await { Ok(()) } else { Err("a 401".to_owned()) }
        })
        .await;
        self.badge.take(&fresh);
    }

    /// Which version of a secret the service uses.
    pub async fn version_of(&self, path: &str) -> u64 {
        let answer = self.app.get("/api/v1/secrets", "admin").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let overview = answer.json();
        let secrets = overview["secrets"].as_array().unwrap();
        let secret = secrets.iter().find(|secret| secret["path"] == path);
        secret.unwrap_or_else(|| panic!("no {path} in {overview}"))["version"].as_u64().unwrap()
    }

    /// Has the secrets read at once.
    pub async fn refresh(&self) {
        self.refresh_as(&Badge::of("admin", self.app.users())).await
    }

    /// The same as who shows this.
    pub async fn refresh_as(&self, badge: &Badge) {
        let answer = self.app.send(self.app.as_shown(badge, Method::POST, "/api/v1/secrets/refresh")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// What an operator sees of the secrets, once its trouble is as wanted.
    pub async fn until_trouble(&self, wanted: impl Fn(Option<&str>) -> bool) -> Answer {
        eventually("the overview of secrets to say so", TOLD_WITHIN, async || {
            let answer = self.app.get("/api/v1/secrets", "admin").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            if wanted(answer.json()["trouble"].as_str()) { Ok(answer) } else { Err(answer.text) }
        })
        .await
    }

    /// No till was ever told anything but 200, and every sale is counted once.
    pub async fn end(self) {
        self.calm().await;
    }

    /// The same, and then there is a service without load.
    #[allow(clippy::print_stdout, reason = "a figure for whoever runs it for long")]
    pub async fn calm(self) -> (TestVault, TestApp) {
        let Self { vault, mut app, load, began, .. } = self;
        pause(NORMAL).await;
        let account = load.stop().await;
        println!("{} sales in {:?}, each answered with 200 at once", account.sales.len(), began.elapsed());
        assert!(app.is_alive(), "the service died");
        assert_eq!(account.refusals, Vec::<String>::new(), "a till was refused");
        assert!(account.sales.len() > 20 * TILLS, "{} sales prove little", account.sales.len());
        app.counts(&account).await;
        (vault, app)
    }
}
