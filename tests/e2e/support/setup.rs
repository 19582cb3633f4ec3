//! How a test wants its service: settings, arguments, folder, a program around it.
//! Short windows by default, so that a window is final a few seconds after its last sale.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tempfile::TempDir;

use super::TestApp;

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
    around: Vec<String>,
    roles: String,
}

impl Setup {
    /// All roles but the till simulator, quick windows, a fresh folder.
    pub fn new() -> Self {
        let home = Arc::new(TempDir::new().unwrap());
        let data = home.path().join("data");
        let settings = QUICK.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let roles = "validation,aggregation,reporting".to_owned();
        Self { home, data, settings, arguments: Vec::new(), around: Vec::new(), roles }
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

    /// Runs the service under another program, such as strace.
    pub fn around(mut self, command: &[&str]) -> Self {
        self.around = command.iter().map(|word| (*word).to_owned()).collect();
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

    /// Starts the service on a free port and waits until it is ready.
    pub async fn start(self) -> TestApp {
        let mut app = TestApp::launch(self, 0).await;
        app.becomes_ready().await;
        app
    }

    /// Starts the service and waits only until it has printed where it listens.
    pub async fn launch(self) -> TestApp {
        TestApp::launch(self, 0).await
    }

    /// The service with any arguments, in the same folder and with the same settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut words = self.around.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_tillstream")]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(arguments).current_dir(self.home());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TILLSTREAM")) {
            command.env_remove(name);
        }
        command.envs(self.settings.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `tillstream run` on this port; 0 lets the system choose.
    pub fn spawn(&self, port: u16) -> Child {
        let listen = format!("127.0.0.1:{port}");
        let data = self.data.to_str().unwrap();
        let mut command = self.command(&["run", "--roles", &self.roles, "--listen", &listen, "--data-dir", data]);
        command.args(&self.arguments).spawn().expect("start the built service")
    }
}
