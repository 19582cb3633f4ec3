//! One running service: start, kill, stop, start again on the same folder and port.
//! Speaks no HTTP itself but readiness; see `till` and `windows`.

use std::process::ExitStatus;
use std::time::Duration;

use super::process::{Process, START_WITHIN};
use super::till::Users;
use super::{Proxy, Setup, TestBroker, eventually, pause};

/// The real service as a child process, with its broker as another one where that is the backend; killed when the test
/// is over.
#[derive(Debug)]
pub struct TestApp {
    pub(super) setup: Setup,
    process: Process,
    broker: Option<TestBroker>,
    port: u16,
    pub(super) users: Users,
    pub(super) http: reqwest::Client,
}

impl TestApp {
    /// With quick windows and nothing special.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    pub(super) async fn launch(setup: Setup, broker: Option<TestBroker>) -> Self {
        let mut process = Process::new("the service", setup.spawn(0, broker.as_ref()));
        let port = process.port(&address(&setup)).await;
        let http = setup.client().timeout(Duration::from_secs(20)).build().unwrap();
        Self { setup, process, broker, port, users: Users::default(), http }
    }

    /// `http://127.0.0.1:<port>`, or https.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.setup.scheme(), self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was started with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The broker's process, where there is one.
    pub fn broker(&mut self) -> &mut TestBroker {
        self.broker.as_mut().expect("the broker is in the service's own process")
    }

    /// The network between service and broker.
    pub fn proxy(&self) -> &Proxy {
        self.broker.as_ref().expect("the broker is in the service's own process").proxy()
    }

    /// All that it printed, over all its lives, and its broker too.
    pub fn printed(&self) -> String {
        let broker = self.broker.as_ref().map(TestBroker::printed).unwrap_or_default();
        format!("{}\n{broker}", self.process.output().text())
    }

    /// The same once it is as wanted: a line is written and read on threads of their own, after what it tells of.
    pub async fn prints(&self, wanted: impl Fn(&str) -> bool) -> String {
        eventually("the service to print what is wanted", Duration::from_secs(60), async || {
            let printed = self.printed();
            if wanted(&printed) { Ok(printed) } else { Err(printed) }
        })
        .await
    }

    /// Ends everything without warning, as a power cut would: the service, and the broker if it is a process of its own.
    pub fn sigkill(&mut self) {
        self.sigkill_service();
        if let Some(broker) = &mut self.broker {
            broker.sigkill();
        }
    }

    /// Ends only the service.
    pub fn sigkill_service(&mut self) {
        self.process.sigkill();
    }

    /// Starts what is dead again on the same folder and port, and waits until it is ready.
    pub async fn start_again(&mut self) {
        if let Some(broker) = &mut self.broker
            && !broker.is_alive()
        {
            broker.start_again().await;
        }
        self.process.again(self.setup.spawn(self.port, self.broker.as_ref()));
        self.process.port(&address(&self.setup)).await;
        self.becomes_ready().await;
    }

    /// Asks it to stop and leaves the waiting to [`TestApp::ends`].
    pub fn sigterm(&self) {
        self.process.sigterm();
    }

    /// Makes it do nothing for so long; its connections stay.
    pub async fn hangs(&self, length: Duration) {
        self.process.sigstop();
        pause(length).await;
        self.process.sigcont();
    }

    /// SIGTERM, then its exit status.
    pub async fn stop(&mut self) -> ExitStatus {
        self.sigterm();
        self.ends().await
    }

    /// Stops the service and then its broker; a program around both ends only now.
    pub async fn stop_with_its_broker(&mut self) -> ExitStatus {
        let service = self.process.pid();
        self.sigterm();
        if let Some(broker) = &mut self.broker {
            eventually("the service to be gone", START_WITHIN, async || is_gone(service)).await;
            assert!(broker.stop().await.success());
        }
        self.ends().await
    }

    /// Waits for its end.
    pub async fn ends(&mut self) -> ExitStatus {
        self.process.ends().await
    }

    /// Waits until readiness says 200.
    pub async fn becomes_ready(&mut self) {
        let url = format!("{}/health/ready", self.url());
        let (http, output) = (self.http.clone(), self.process.output().clone());
        eventually("the service to become ready", START_WITHIN, async || match http.get(&url).send().await {
            Ok(answer) if answer.status() == 200 => Ok(()),
            Ok(answer) => Err(format!("{}\n{}", answer.text().await.unwrap_or_default(), output.tail())),
            Err(error) => Err(format!("{error}\n{}", output.tail())),
        })
        .await;
        self.knows_its_users();
    }

    /// Reads the users' passwords; who waits for readiness knows them.
    pub fn knows_its_users(&mut self) {
        self.users = self.setup.users();
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Whether the process is alive.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }
}

/// How the service says where it listens, up to the port.
fn address(setup: &Setup) -> String {
    format!("listening on {}://127.0.0.1:", setup.scheme())
}

/// Dead, or waiting for its parent to notice.
fn is_gone(pid: i32) -> Result<(), String> {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(line) if !line.contains(") Z ") => Err(line),
        _ => Ok(()),
    }
}
