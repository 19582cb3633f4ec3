//! What the vendor's library logs arrives in `tracing`, with its level and without a secret.
//! Alone in its process, because the library has threads of its own and they know only the process's subscriber.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod publishing;
mod scripted;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use publishing::{Bench, WITHIN, locally, sale, until};
use scripted::Script;
use tillstream_messages::PublishMessage;
use tillstream_smf::Response;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Of the bench's first user, and the same in the form that it has on the wire.
const SECRETS: [&str; 4] =
    ["hunter2-the-first", "aHVudGVyMi10aGUtZmlyc3Q", "hunter2-the-second", "aHVudGVyMi10aGUtc2Vjb25k"];

/// Writes down every event of the process, of every level.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(Level, String)>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Notes {
    fn of_the_library(&self) -> Vec<(Level, String)> {
        self.0.lock().unwrap().iter().filter(|(_, line)| line.contains("library.text=")).cloned().collect()
    }
}

#[tokio::test]
async fn what_the_library_logs_is_logged_with_its_level_and_no_line_of_the_process_holds_a_secret() {
    let notes = Notes::default();
    tracing::subscriber::set_global_default(notes.clone()).unwrap();
    locally(async {
        let bench = Bench::new(Script { login: Box::new(|_| Response::UNAUTHORIZED), ..Script::default() });
        until("a login is refused", || bench.is_down_with("Unauthorized")).await;
        bench.rotate("till", "hunter2-the-first");
        until("the new password is tried", || bench.broker.logins().iter().any(|login| login.password == SECRETS[0]))
            .await;
        bench.broker.script().login = Box::new(|_| Response::OK);
        bench.up().await;
        bench.rotate("till", "hunter2-the-second");
        until("the newest password is used", || bench.broker.logins().iter().any(|login| login.password == SECRETS[2]))
            .await;
        until("the session before is closed", || bench.broker.open() == 1).await;
        let logins = bench.broker.logins().len();
        bench.broker.cut();
        until("another login", || bench.broker.logins().len() > logins).await;
        bench.up().await;
        // A topic that it will not set is what the library warns of.
        let long = PublishMessage { topic: "t/".repeat(200), ..sale(1) };
        bench.publisher.ask(long, WITHIN).await.unwrap().unwrap_err();
        bench.publish(2).await.unwrap();
    })
    .await;

    let lines = notes.of_the_library();
    assert!(lines.iter().any(|(level, line)| *level == Level::INFO && line.contains("Unauthorized")), "{lines:?}");
    assert!(lines.iter().any(|(level, line)| *level == Level::WARN && line.contains("exceeds maximum")), "{lines:?}");
    let login = lines.iter().find(|(_, line)| line.contains("Unauthorized")).unwrap();
    assert!(login.1.contains(" broker.client=\"tillstream/publish/"), "which leg it is: {login:?}");
    let all = notes.0.lock().unwrap();
    let told = all.iter().find(|(_, line)| SECRETS.iter().any(|secret| line.contains(secret)));
    assert_eq!(told, None, "a secret is in the log");
}
