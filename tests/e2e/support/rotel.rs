//! A receiver of OpenTelemetry's protocol that is not ours, as a child process: what it prints is what it understood.
//! Reads names, ids and parents out of its text; whatever else a span says is looked at by `collector`.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::eventually;
use super::process::Process;

const SOON: Duration = Duration::from_secs(30);

/// Listens for both forms of the protocol.
#[derive(Debug)]
pub struct Rotel {
    process: Process,
    grpc: u16,
    http: u16,
}

/// One span as it was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrintedSpan {
    pub trace: String,
    pub parent: String,
    pub id: String,
    pub name: String,
}

impl Rotel {
    /// Starts it on free ports and waits until it listens.
    pub async fn start() -> Self {
        let [grpc, http] = free_ports();
        let mut command = Command::new(program());
        command.args(["start", "--exporter", "blackhole", "--debug-log", "traces"]);
        command.args(["--debug-log-verbosity", "detailed", "--disable-batching"]);
        command.arg("--otlp-grpc-endpoint").arg(format!("127.0.0.1:{grpc}"));
        command.arg("--otlp-http-endpoint").arg(format!("127.0.0.1:{http}"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let process = Process::new("rotel", child);
        eventually("rotel to listen", SOON, async || {
            let open = |port| std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string());
            open(grpc).and(open(http)).map(drop)
        })
        .await;
        Self { process, grpc, http }
    }

    /// Protocol and endpoint, for each.
    pub fn endpoints(&self) -> [(&'static str, String); 2] {
        [("grpc", self.grpc), ("http", self.http)].map(|(name, port)| (name, format!("http://127.0.0.1:{port}")))
    }

    /// Waits until it has understood that many spans of a trace.
    pub async fn trace_of(&self, trace: &str, spans: usize) -> Vec<PrintedSpan> {
        eventually(&format!("rotel to print {spans} spans"), SOON, async || {
            let text = self.process.output().text();
            let found: Vec<_> = printed(&text).into_iter().filter(|span| span.trace == trace).collect();
            if found.len() >= spans { Ok(found) } else { Err(format!("{found:?}")) }
        })
        .await
    }
}

fn printed(text: &str) -> Vec<PrintedSpan> {
    let mut spans: Vec<PrintedSpan> = Vec::new();
    for line in text.lines() {
        if line.starts_with("Span #") {
            spans.push(PrintedSpan::default());
        }
        let (Some(span), Some((key, value))) = (spans.last_mut(), line.trim().split_once(": ")) else { continue };
        match key.trim() {
            "Trace ID" => value.clone_into(&mut span.trace),
            "Parent ID" => value.clone_into(&mut span.parent),
            "ID" => value.clone_into(&mut span.id),
            "Name" => value.clone_into(&mut span.name),
            _ => {}
        }
    }
    spans
}

/// Both at once, so that they differ.
fn free_ports() -> [u16; 2] {
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

/// The program itself and not the Python script before it, so that it ends with its handle.
fn program() -> PathBuf {
    tillstream_bao::in_environment("rotel", "rotel/rotel-agent")
        .unwrap_or_else(|libraries| panic!("no rotel in {libraries}: run `cargo xtask set-up test`"))
}
