//! What one server is told: where it stores, where it listens.
//! Does not start anything.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use crate::certificates;
use crate::server::BaoOptions;

/// Outside of what the system gives to outgoing connections, so that nobody takes the port while the server is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Writes the configuration into `directory`; the answer is its path and the port.
pub fn write(directory: &Path, options: &BaoOptions) -> (PathBuf, u16) {
    let (port, cluster) = (free_port(), free_port());
    let scheme = if options.tls { "https" } else { "http" };
    let storage = if options.on_disk { raft(directory) } else { "storage \"inmem\" {}".to_owned() };
    let tls = if options.tls { tls(directory) } else { "tls_disable = true".to_owned() };
    let text = format!(
        "ui = false\napi_addr = \"{scheme}://127.0.0.1:{port}\"\ncluster_addr = \"https://127.0.0.1:{cluster}\"\n{storage}\n\
         listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  cluster_address = \"127.0.0.1:{cluster}\"\n  {tls}\n  {}\n}}\n{}\n",
        options.listener, options.more
    );
    let path = directory.join("server.hcl");
    fs::write(&path, text).unwrap();
    (path, port)
}

/// One node elects itself within a second; with the default it would take five.
fn raft(directory: &Path) -> String {
    let data = directory.join("raft");
    fs::create_dir_all(&data).unwrap();
    format!(
        "storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"test\"\n  performance_multiplier = 1\n}}",
        data.display()
    )
}

fn tls(directory: &Path) -> String {
    certificates::write(directory);
    let file = |name: &str| directory.join(name).display().to_string();
    format!("tls_cert_file = \"{}\"\n  tls_key_file = \"{}\"", file(certificates::CERTIFICATE), file(certificates::KEY))
}

/// Drawn, because tests in other processes look at the same time.
fn free_port() -> u16 {
    let span = PORTS.end - PORTS.start;
    let drawn = || PORTS.start + u16::try_from(random() % u64::from(span)).unwrap();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(drawn).take(1_000).find(is_free).expect("one of a thousand ports is free")
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}
