//! Everything that this room lets out while it logs in, reads, fails and is killed, searched for what must not be in it.
//! Its own program, because it takes every log line of the process, of the libraries too.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "real/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;

use std::io;
use std::sync::{Arc, Mutex};

use prometheus::{Encoder, TextEncoder};
use serde_json::json;
use tillstream_supervision::Fault;
use tillstream_vault::VaultError;
use tracing_subscriber::EnvFilter;

use support::{Bench, House, POS, eventually, locally, on_order, shared, user};

/// What the service puts before every filter; these libraries print the texts of a server.
const FILTER: &str = "vaultrs=off,rustify=off,trace";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tokens are made by the server; their form gives them away.
fn token_in(text: &str) -> Option<&str> {
    let starts = text.match_indices("s.").chain(text.match_indices("hvs.")).map(|(at, _)| at);
    let symbol = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    starts.map(|at| &text[at..]).find_map(|rest| {
        let after = &rest[rest.find('.')? + 1..];
        let length = after.find(|c| !symbol(c)).unwrap_or(after.len());
        (length >= 24).then(|| &after[..length])
    })
}

#[tokio::test]
async fn no_token_no_secret_id_and_no_value_is_in_any_log_line_error_metric_or_debug_output() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(FILTER)).with_ansi(false);
    subscriber.with_writer(move || writer.clone()).init();
    let mut shown = String::new();

    locally(async {
        let house = House::on(shared().await, 2).await;
        let secret_id = json!({"secret_id": "canary-secret-id"});
        let token = house.bao.wrapped(&format!("{}/custom-secret-id", house.role()), secret_id).await;
        house.file("secret_id", &token);
        house.put(POS, user("pos-service_username", "canary-password")).await;
        house.put("validation-service/creds/bistro", user("canary-name", "canary-of-the-bistro")).await;
        let bench = Bench::start(&house, on_order()).await;
        assert_eq!(bench.password().as_deref(), Some("canary-password"), "the canary is where it belongs");

        bench.strike(Fault::Panic).await;
        house.revoke_tokens().await;
        show(&mut shown, &bench.refresh().await);
        house.put(POS, json!({"username": "canary-user", "password": ["canary-list"], "role": "pos"})).await;
        show(&mut shown, &bench.refresh().await);
        house.withdraw_policy().await;
        show(&mut shown, &bench.refresh().await);
        show(&mut shown, &bench.overview().await);
        let spent: VaultError = house.wiring(house.settings(), on_order()).first_tree().await.err().unwrap();
        show(&mut shown, &(&spent, spent.to_string()));
        house.file("secret_id", "canary-refused-id");
        let refused = house.wiring(house.settings(), on_order()).first_tree().await.err().unwrap();
        show(&mut shown, &(&refused, refused.to_string()));
        house.file("secret_id", "canary with words");
        let words = house.wiring(house.settings(), on_order()).first_tree().await.err().unwrap();
        show(&mut shown, &(&words, words.to_string()));
        show(&mut shown, &(bench.wiring.last_good(), bench.told(), bench.root.tree()));
        eventually("the log to be written", || !lines.0.lock().unwrap().is_empty()).await;
    })
    .await;
    TextEncoder::new().encode(&prometheus::gather(), &mut *lines.0.lock().unwrap()).unwrap();
    shown.push_str(&String::from_utf8_lossy(&lines.0.lock().unwrap()));

    assert!(shown.contains("logged in at vault") && shown.contains("hyper") && shown.contains("vault_refreshes_total"));
    for line in shown.lines() {
        assert!(!line.contains("canary"), "{line}");
        assert_eq!(token_in(line), None, "{line}");
    }
}

fn show(into: &mut String, what: &impl std::fmt::Debug) {
    into.push_str(&format!("{what:?}\n{what:#?}\n"));
}
