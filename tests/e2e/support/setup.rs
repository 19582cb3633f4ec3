//! How a test wants its service: settings, arguments, folder, a program around it.
//! Short windows by default, so that a window is final a few seconds after its last sale.

use std::io::{PipeReader, PipeWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::till::Users;
use super::vault::WayIn;
use super::{Backend, TestApp, TestBroker, TestVault, Trust};

/// Settings that make windows final quickly.
const QUICK: [(&str, &str); 4] = [
    ("TILLSTREAM__WINDOW__SIZE", "1s"),
    ("TILLSTREAM__WINDOW__DISORDER", "200ms"),
    ("TILLSTREAM__WINDOW__IDLE", "1s"),
    ("TILLSTREAM__WINDOW__ALLOWED_LATENESS", "2s"),
];

/// The service that a test wants; also knows how to start it again.
#[derive(Debug, Clone)]
pub struct Setup {
    home: Arc<TempDir>,
    data: PathBuf,
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
    trace: Option<Trace>,
    roles: String,
    backend: Backend,
    wants_proxy: bool,
    shares_secrets: bool,
    /// Whose secrets it has if they are not its own.
    secrets: Option<PathBuf>,
    /// Known once it runs.
    broker: Option<SocketAddr>,
    /// Where its secrets come from if not from a file.
    vault: Option<WayIn>,
    /// Both ends of a full pipe, where nobody reads its log.
    unread: Option<Arc<(PipeReader, PipeWriter)>>,
    /// How its clients speak TLS, where they do.
    pub(super) trust: Option<Trust>,
}

/// What strace shall record, and where.
#[derive(Debug, Clone)]
struct Trace {
    calls: &'static str,
    record: PathBuf,
}

impl Setup {
    /// All roles but the till simulator, quick windows, a fresh folder.
    pub fn new() -> Self {
        let home = Arc::new(TempDir::new().unwrap());
        let data = home.path().join("data");
        let settings = QUICK.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let roles = "validation,aggregation,reporting".to_owned();
        let (arguments, trace, backend) = (Vec::new(), None, Backend::of_this_run());
        let (wants_proxy, shares_secrets) = (false, true);
        let (secrets, broker, vault, unread, trust) = (None, None, None, None, None);
        Self {
            home,
            data,
            settings,
            arguments,
            trace,
            roles,
            backend,
            wants_proxy,
            shares_secrets,
            secrets,
            broker,
            vault,
            unread,
            trust,
        }
    }

    /// The same on a Solace broker, whatever the backend of this run, with a network in between that the test can spoil.
    pub fn behind_a_proxy(mut self) -> Self {
        self.backend = Backend::Solace;
        self.wants_proxy = true;
        self
    }

    /// On the broker in the service's own process, whatever the backend of this run.
    #[cfg(feature = "solace")]
    pub fn on_the_embedded_broker(mut self) -> Self {
        self.backend = Backend::Embedded;
        self
    }

    /// On a Solace broker that somebody else runs, whatever the backend of this run.
    #[cfg(feature = "solace")]
    pub fn on_the_broker_at(mut self, address: SocketAddr) -> Self {
        (self.backend, self.broker) = (Backend::Solace, Some(address));
        self
    }

    /// Its secrets stand in this file.
    pub fn with_secrets_in(mut self, file: &Path) -> Self {
        self.secrets = Some(file.to_owned());
        self
    }

    /// Its secrets come from there, and everybody's who shares them; a change is in use within a second.
    pub fn on_vault(mut self, vault: &TestVault) -> Self {
        let way = vault.way_in();
        self = self.setting("secrets.source", "vault").setting("secrets.refresh", "1s");
        self = self.setting("vault.address", &way.address).setting("vault.retry_max", "1s");
        self = self.setting("vault.role_id_file", way.role_id_file.to_str().unwrap());
        self = self.setting("vault.secret_id_file", way.secret_id_file.to_str().unwrap());
        self.vault = Some(way);
        self
    }

    /// The broker makes passwords of its own, which the service does not know.
    pub fn with_other_broker_secrets(mut self) -> Self {
        self.shares_secrets = false;
        self
    }

    /// Another process beside this one: the same broker, settings and secrets, and a data folder of its own.
    pub fn beside(&self, roles: &str) -> Self {
        let mut other = self.clone().roles(roles).data(&self.home().join(roles));
        other.secrets = Some(self.secrets_file());
        other
    }

    /// Sets `section.key` through the environment.
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        let name = format!("TILLSTREAM__{}", key.to_uppercase().replace('.', "__"));
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    /// One more command line argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Other roles.
    pub fn roles(mut self, roles: &str) -> Self {
        roles.clone_into(&mut self.roles);
        self
    }

    /// Another data folder.
    pub fn data(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.data);
        self
    }

    /// Runs the service under strace; its record has what the broker's process does too, where there is one.
    pub fn traced(mut self, calls: &'static str, record: &Path) -> Self {
        self.trace = Some(Trace { calls, record: record.to_owned() });
        self
    }

    /// A folder that lives as long as the test; the data folder lies in it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where the service keeps its state.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The service's secrets, and everybody's who shares them.
    pub fn secrets_file(&self) -> PathBuf {
        self.secrets.clone().unwrap_or_else(|| self.data.join("secrets.toml"))
    }

    /// Names and passwords, wherever they stand.
    pub fn users(&self) -> Users {
        match &self.vault {
            Some(way) => Users::of(way.tree.lock().unwrap().clone()),
            None => Users::read(&self.secrets_file()),
        }
    }

    /// The broker's secrets.
    pub fn broker_secrets_file(&self) -> PathBuf {
        if self.shares_secrets { self.secrets_file() } else { self.broker_home().join("secrets.toml") }
    }

    /// Where the broker is found once it runs.
    pub fn broker_address(&self) -> SocketAddr {
        self.broker.expect("a broker that runs")
    }

    /// The broker process's own data folder: beside the service's, on the same disk.
    fn broker_home(&self) -> PathBuf {
        self.data.parent().unwrap().join("apart")
    }

    /// Where the broker keeps its queues, in whichever process it is.
    pub fn queues_dir(&self) -> PathBuf {
        match self.backend {
            Backend::Embedded => self.data.join("broker"),
            Backend::Solace => self.broker_home().join("broker"),
        }
    }

    pub(super) fn wants_proxy(&self) -> bool {
        self.wants_proxy
    }

    /// Starts the service on a free port and waits until it is ready.
    pub async fn start(self) -> TestApp {
        let mut app = self.launch().await;
        app.becomes_ready().await;
        app
    }

    /// Starts the service and waits only until it has printed where it listens.
    pub async fn launch(self) -> TestApp {
        let (setup, broker) = self.with_its_broker().await;
        TestApp::launch(setup, broker).await
    }

    /// The same where the broker runs already, such as beside another process.
    pub async fn launch_on(self, broker: Option<TestBroker>) -> TestApp {
        TestApp::launch(self, broker).await
    }

    /// Starts the broker's process, if there is one; commands of this setup find it from now on.
    pub async fn with_its_broker(mut self) -> (Self, Option<TestBroker>) {
        if self.backend == Backend::Embedded {
            return (self, None);
        }
        std::fs::create_dir_all(&self.data).unwrap();
        let broker = TestBroker::start(&self).await;
        self.broker = Some(broker.address());
        (self, Some(broker))
    }

    /// Its log goes into a pipe that is full and that nobody reads.
    pub fn with_a_log_that_nobody_reads(mut self) -> Self {
        let (reader, mut writer) = std::io::pipe().unwrap();
        // As much as a pipe holds.
        writer.write_all(&[b'\n'; 65_536]).unwrap();
        self.unread = Some(Arc::new((reader, writer)));
        self
    }

    /// The service with any arguments, in the same folder and with the same settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_around(&[], arguments)
    }

    fn command_around(&self, around: &[String], arguments: &[&str]) -> Command {
        let mut words = around.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_tillstream")]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).current_dir(self.home());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TILLSTREAM")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().map(|(key, value)| (key, value)));
        if let Some(secrets) = &self.secrets {
            command.env("TILLSTREAM__SECRETS__FILE", secrets);
        }
        if let Some(broker) = self.broker {
            command.env("TILLSTREAM__BROKER__BACKEND", "solace");
            command.env("TILLSTREAM__SOLACE__HOST", format!("tcp://{broker}"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `tillstream run` on this port; 0 lets the system choose.
    pub fn spawn(&self, port: u16, broker: Option<&TestBroker>) -> Child {
        let listen = format!("127.0.0.1:{port}");
        let data = self.data.to_str().unwrap();
        let arguments = ["run", "--roles", &self.roles, "--listen", &listen, "--data-dir", data];
        let around = self.trace.as_ref().map(|trace| trace.words(broker)).unwrap_or_default();
        let mut command = self.command_around(&around, &arguments);
        if let Some(pipe) = &self.unread {
            command.stderr(pipe.1.try_clone().unwrap());
        }
        command.args(&self.arguments).spawn().expect("start the built service")
    }

    /// `tillstream broker` on this port; 0 lets the system choose.
    pub(super) fn spawn_broker(&self, port: u16) -> Child {
        let listen = format!("127.0.0.1:{port}");
        let home = self.broker_home();
        let mut command = self.command(&["broker", "--listen", &listen, "--data-dir", home.to_str().unwrap()]);
        command.env("TILLSTREAM__SECRETS__FILE", self.broker_secrets_file());
        command.spawn().expect("start the built broker")
    }
}

impl Trace {
    /// One strace for all processes, so that its record has their calls in the order in which they happened.
    fn words(&self, broker: Option<&TestBroker>) -> Vec<String> {
        let record = self.record.to_str().unwrap();
        let mut words = vec!["strace", "-f", "-y", "-ttt", "-s", "48", "-e", "signal=none"];
        words.extend(["-e", self.calls, "-o", record]);
        let broker = broker.map(|broker| broker.pid().to_string());
        words.extend(broker.iter().flat_map(|pid| ["-p", pid]));
        words.into_iter().map(str::to_owned).collect()
    }
}
