//! One running service: start, kill, stop, start again on the same folder and port.
//! Speaks no HTTP itself but readiness; see `till` and `windows`.

use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::output::Output;
use super::till::Users;
use super::{Setup, eventually};

/// A debug build on a busy machine needs its time to open its stores.
const START_WITHIN: Duration = Duration::from_secs(60);

/// `shutdown.grace` is 10 s; anything beyond twice that is stuck.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// The real service as a child process; killed when the test is over.
#[derive(Debug)]
pub struct TestApp {
    pub(super) setup: Setup,
    child: Child,
    port: u16,
    output: Output,
    pub(super) users: Users,
    pub(super) http: reqwest::Client,
}

impl TestApp {
    /// With quick windows and nothing special.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    pub(super) async fn launch(setup: Setup, port: u16) -> Self {
        let (child, output) = (setup.spawn(port), Output::default());
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        let mut app = Self { setup, child, port, output, users: Users::default(), http };
        app.listens(0).await;
        app
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it was started with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// All that it printed, over all its lives.
    pub fn printed(&self) -> String {
        self.output.text()
    }

    /// Ends it without warning, as a power cut would end the process.
    pub fn sigkill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same folder and port, and waits until it is ready.
    pub async fn start_again(&mut self) {
        let lines = self.output.len();
        self.child = self.setup.spawn(self.port);
        self.listens(lines).await;
        self.becomes_ready().await;
    }

    /// Asks it to stop and leaves the waiting to [`TestApp::ends`].
    pub fn sigterm(&self) {
        let pid = Pid::from_raw(self.service_pid()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// SIGTERM, then its exit status.
    pub async fn stop(&mut self) -> ExitStatus {
        self.sigterm();
        self.ends().await
    }

    /// Waits for its end.
    pub async fn ends(&mut self) -> ExitStatus {
        let (child, output) = (&mut self.child, &self.output);
        eventually("the service to end", STOP_WITHIN, async || match child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(output.tail()),
        })
        .await
    }

    /// Waits until readiness says 200.
    pub async fn becomes_ready(&mut self) {
        let url = format!("{}/health/ready", self.url());
        let (http, output) = (self.http.clone(), self.output.clone());
        eventually("the service to become ready", START_WITHIN, async || match http.get(&url).send().await {
            Ok(answer) if answer.status() == 200 => Ok(()),
            Ok(answer) => Err(format!("{}\n{}", answer.text().await.unwrap_or_default(), output.tail())),
            Err(error) => Err(format!("{error}\n{}", output.tail())),
        })
        .await;
        self.users = Users::read(&self.setup.data_dir().join("secrets.toml"));
    }

    /// Whether the process is alive.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    async fn listens(&mut self, skip: usize) {
        let (child, output) = (&mut self.child, &self.output);
        output.follow(child.stdout.take().unwrap());
        output.follow(child.stderr.take().unwrap());
        self.port = eventually("the service to print its URL", START_WITHIN, async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the service ended with {status} before it listened:\n{}", output.tail());
            }
            output.port_after(skip).ok_or_else(|| output.tail())
        })
        .await;
    }

    /// Under strace the child is strace, and the service is its child.
    fn service_pid(&self) -> i32 {
        let own = self.child.id();
        let program = std::fs::read_to_string(format!("/proc/{own}/comm")).unwrap_or_default();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        match children.split_whitespace().next() {
            Some(first) if program.trim() == "strace" => first.parse().unwrap(),
            _ => i32::try_from(own).unwrap(),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the service's last lines:\n{}", self.output.tail());
        }
        if self.is_alive() {
            let _ = kill_process(Pid::from_raw(self.service_pid()).unwrap(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
