//! `tillstream chaos` as a child process beside the service: its load, its faults, its own account.
//! Judges nothing; the report does, and the test reads it.

use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use serde_json::Value;

use super::output::Output;
use super::{TestApp, eventually};

/// A drill under way; killed when the test is over.
pub struct Drill {
    child: Child,
    output: Output,
    report: PathBuf,
}

/// A number from the environment, so that the soak can ask for more.
pub fn count_from(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).map_or(usual, |text| text.parse().unwrap())
}

/// Drawn and printed, or taken from `TILLSTREAM_TEST_SEED`, so that a failure can be repeated.
pub fn seed() -> u64 {
    let seed = count_from("TILLSTREAM_TEST_SEED", uuid::Uuid::new_v4().as_u64_pair().0 >> 16);
    eprintln!("seed {seed}");
    seed
}

impl Drill {
    /// Starts it against this service with these further arguments, and the seed of [`seed`].
    pub fn start(app: &TestApp, arguments: &[&str]) -> Self {
        let home = app.setup().home();
        let (password, report) = (home.join("admin.password"), home.join("drill.json"));
        std::fs::write(&password, app.users().named("admin").1).unwrap();
        let seed = seed().to_string();
        let (url, paths) = (app.url(), [&password, &report].map(|path| path.to_str().unwrap()));
        let mut words = vec!["chaos", "--url", &url, "--user", "admin", "--password-file", paths[0], "--seed", &seed];
        words.extend(["--report", paths[1]]);
        words.extend(arguments);
        let mut child = app.setup().command(&words).spawn().expect("start the built drill");
        let output = Output::default();
        output.follow(child.stdout.take().unwrap());
        output.follow(child.stderr.take().unwrap());
        Self { child, output, report }
    }

    /// Waits until it has printed that text.
    pub async fn says(&self, text: &str, within: Duration) {
        eventually(&format!("the drill to say `{text}`"), within, async || {
            let printed = self.output.text();
            if printed.contains(text) { Ok(()) } else { Err(self.output.tail()) }
        })
        .await;
    }

    /// Waits for its end; its exit code and its report.
    pub async fn ends(&mut self, within: Duration) -> (Option<i32>, Value) {
        let (child, output) = (&mut self.child, &self.output);
        let status = eventually("the drill to end", within, async || match child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(output.tail()),
        })
        .await;
        let text = std::fs::read_to_string(&self.report).unwrap_or_else(|error| panic!("{error}\n{}", output.tail()));
        (status.code(), serde_json::from_str(&text).unwrap())
    }

    /// The last lines that it printed.
    pub fn tail(&self) -> String {
        self.output.tail()
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the drill's last lines:\n{}", self.output.tail());
        }
        // Over already when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
