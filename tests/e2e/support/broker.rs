//! `tillstream broker` as a process of its own, and the network between it and a service.
//! Looks at no message; whether sales survive is seen at the service.

use std::net::SocketAddr;
use std::process::ExitStatus;

use super::process::Process;
use super::{Proxy, Setup};

/// How the broker says where it listens.
const ADDRESS: &str = "tcp://127.0.0.1:";

/// A broker that a test can kill.
#[derive(Debug)]
pub struct TestBroker {
    process: Process,
    setup: Setup,
    port: u16,
    /// Only where the test wants to spoil the network.
    proxy: Option<Proxy>,
}

impl TestBroker {
    /// Starts it on a free port, with the service's settings and the service's secrets.
    pub async fn start(setup: &Setup) -> Self {
        let mut process = Process::new("the broker", setup.spawn_broker(0));
        let port = process.port(ADDRESS).await;
        let proxy = setup.wants_proxy().then(|| Proxy::before(local(port)));
        Self { process, setup: setup.clone(), port, proxy }
    }

    /// Where a service finds it: behind the proxy if there is one.
    pub fn address(&self) -> SocketAddr {
        self.proxy.as_ref().map_or_else(|| local(self.port), Proxy::address)
    }

    /// The network between service and broker.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a test that spoils the network asks for `behind_a_proxy`")
    }

    /// Ends it without warning.
    pub fn sigkill(&mut self) {
        self.process.sigkill();
    }

    /// Starts it again on the same folder and port.
    pub async fn start_again(&mut self) {
        self.begin_again();
        self.listens().await;
    }

    /// The same, without waiting for anything.
    pub fn begin_again(&mut self) {
        self.process.again(self.setup.spawn_broker(self.port));
    }

    /// Waits until clients may come.
    pub async fn listens(&mut self) {
        assert_eq!(self.process.port(ADDRESS).await, self.port);
    }

    /// SIGTERM, then its exit status.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process.sigterm();
        self.process.ends().await
    }

    /// Whether the process is alive.
    pub fn is_alive(&mut self) -> bool {
        self.process.is_alive()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// All that it printed, over all its lives.
    pub fn printed(&self) -> String {
        self.process.output().text()
    }
}

fn local(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}
