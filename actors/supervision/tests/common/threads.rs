//! What tests on real threads in real time share: nothing is timed, they wait for states, and a deadline names who is
//! stuck.

use std::time::Duration;

use actix::Message;
use tillstream_supervision::{Place, Port, Strategy, Supervisor, Watchdog, WatchdogSettings};
use tokio::time::{Instant, sleep};

use super::patient;

/// Far more than anything takes on a loaded machine.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Quick, but with many rounds, so that a busy machine does not look like a blocked thread.
pub const QUICK: WatchdogSettings = WatchdogSettings {
    every: Duration::from_millis(10),
    hung_after: Duration::from_millis(200),
    blocked_after: Duration::from_millis(400),
    max_zombies: 8,
};

pub fn watch(root: &Supervisor) -> Watchdog {
    Watchdog::start(root, QUICK, |text| panic!("nobody expects {text}"))
}

/// A root on a thread of its own that restarts at once, always.
pub fn threaded_root() -> Supervisor {
    Supervisor::root(patient("root", Strategy::OneForOne), &Place::arbiter("control"))
}

pub fn generation(root: &Supervisor, child: usize) -> u64 {
    root.tree().children[child].generation
}

pub async fn until(what: &str, root: &Supervisor, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}; {:#?}", states(root));
        sleep(Duration::from_millis(2)).await;
    }
}

/// Asks until it is answered: what is in the mailbox of an abandoned thread is lost.
pub async fn answer<M>(who: &Port<M>, message: impl Fn() -> M, root: &Supervisor) -> M::Result
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    let deadline = Instant::now() + DEADLINE;
    loop {
        assert!(Instant::now() < deadline, "{who:?} gives no answer; {:#?}", states(root));
        if let Ok(answer) = who.ask(message(), Duration::from_secs(1)).await {
            return answer;
        }
    }
}

/// The last children and how they are; a tree may have thousands.
fn states(root: &Supervisor) -> Vec<String> {
    let children = root.tree().children.into_iter().rev().take(8);
    children.map(|node| format!("{} {} {}: {:?}", node.path, node.state, node.generation, node.last_failure)).collect()
}
