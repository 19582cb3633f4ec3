//! Nothing here hangs without saying who is stuck: waits end in simulated time, and a test that burns real time is ended.
//! Measures nothing; both limits are far beyond what any test needs.

use std::cell::RefCell;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Simulated, so it is over in no time when nothing else can happen.
const SIMULATED: Duration = Duration::from_secs(3_600);

/// Real.
const STUCK: Duration = Duration::from_secs(900);

thread_local! {
    static DOING: RefCell<Arc<Mutex<String>>> = RefCell::default();
}

/// Notes what the test is about to do, for the case that it does not come back.
pub fn doing(what: impl FnOnce() -> String) {
    DOING.with_borrow(|doing| *doing.lock().unwrap() = what());
}

/// Fails, naming what is waited for, instead of waiting for ever.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    doing(|| format!("waiting for {what}"));
    let waited = tokio::time::timeout(SIMULATED, future).await;
    waited.unwrap_or_else(|_| panic!("waited an hour for {what}"))
}

/// Runs a test's future where actors may live, on a paused clock.
#[expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a thread that spins cannot be failed, only ended")]
pub fn run<F: Future<Output = ()>>(test: F) {
    let doing = DOING.with_borrow(Arc::clone);
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let (finished, watched) = channel::<()>();
    let watch = std::thread::spawn(move || {
        if watched.recv_timeout(STUCK) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{name} is stuck: {}", doing.lock().unwrap());
            std::process::exit(1);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
    drop(finished);
    watch.join().unwrap();
}
