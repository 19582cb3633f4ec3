//! One child process of ours: where it listens, its signals, its end, what it printed over all its lives.
//! Speaks no protocol; what makes it a service or a broker is in `app` and `broker`.

use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::eventually;
use super::output::Output;

/// A debug build on a busy machine needs its time to open its stores.
pub const START_WITHIN: Duration = Duration::from_secs(60);

/// `shutdown.grace` is 10 s; anything beyond twice that is stuck.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// A process that does not outlive this value.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    output: Output,
}

impl Process {
    /// Follows a child from its first line on.
    pub fn new(name: &'static str, child: Child) -> Self {
        let mut process = Self { name, child, output: Output::default() };
        process.follow();
        process
    }

    /// Goes on with another life of the same.
    pub fn again(&mut self, child: Child) {
        assert!(!self.is_alive(), "{} is alive", self.name);
        self.child = child;
        self.follow();
    }

    fn follow(&mut self) {
        self.output.begin_a_life();
        self.output.follow(self.child.stdout.take().unwrap());
        if let Some(log) = self.child.stderr.take() {
            self.output.follow(log);
        }
    }

    /// Waits until this life has printed where it listens; the port behind `start`, such as `http://127.0.0.1:`.
    pub async fn port(&mut self, start: &str) -> u16 {
        let (name, child, output) = (self.name, &mut self.child, &self.output);
        eventually(&format!("{name} to print its address"), START_WITHIN, async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{name} ended with {status} before it listened:\n{}", output.tail());
            }
            output.port(start).ok_or_else(|| output.tail())
        })
        .await
    }

    /// All that it printed, over all its lives.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Ends it without warning, as a power cut would end the process.
    pub fn sigkill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and leaves the waiting to [`Process::ends`].
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Makes it do nothing until [`Process::sigcont`]; its connections stay.
    pub fn sigstop(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn sigcont(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub async fn ends(&mut self) -> ExitStatus {
        let (child, output) = (&mut self.child, &self.output);
        eventually(&format!("{} to end", self.name), STOP_WITHIN, async || match child.try_wait().unwrap() {
            Some(status) => Ok(status),
            None => Err(output.tail()),
        })
        .await
    }

    /// Whether the process is alive.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Under strace the child is strace, and ours is its child.
    pub fn pid(&self) -> i32 {
        let own = self.child.id();
        let program = std::fs::read_to_string(format!("/proc/{own}/comm")).unwrap_or_default();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        match children.split_whitespace().next() {
            Some(first) if program.trim() == "strace" => first.parse().unwrap(),
            _ => i32::try_from(own).unwrap(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the last lines of {}:\n{}", self.name, self.output.tail());
        }
        if self.is_alive() {
            let _ = kill_process(Pid::from_raw(self.pid()).unwrap(), Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
