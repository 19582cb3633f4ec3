//! The network between a service and its broker, as a test wants it: whole, cut, silent, slow, deaf in one direction.
//! Knows bytes and connections, no protocol; it lives on a thread of its own, so a test that blocks does not block it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// One direction through the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What happens to bytes and to new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    /// Everything passes.
    #[default]
    Fair,
    /// New connections are reset at once; there are no old ones.
    Refusing,
    /// Nothing passes in either direction until the weather changes; then everything does, late.
    Still,
    /// What is sent that way is taken and thrown away. A connection that has lost bytes is cut when the weather changes.
    Swallowing(Way),
    /// Every piece, in both directions, is held for this long.
    Slow(Duration),
}

/// Cuts the connection that carries the byte at which `left` is used up, right behind that byte.
#[derive(Debug, Clone, Copy)]
struct Fuse {
    way: Way,
    left: u64,
}

/// A listener in front of a server.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    /// Taken at the end; a runtime must not be dropped where async code runs.
    runtime: Option<Runtime>,
}

#[derive(Debug, Default)]
struct Network {
    weather: watch::Sender<Weather>,
    /// Counts the cuts, so that every connection of the moment sees each.
    cuts: watch::Sender<u64>,
    fuse: Mutex<Option<Fuse>>,
    accepted: AtomicU64,
    passed: [AtomicU64; 2],
}

// === impl Proxy ===

impl Proxy {
    /// Stands in front of this server from now on.
    pub fn before(server: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let network = Arc::<Network>::default();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, server, Arc::clone(&network)));
        Self { address, network, runtime: Some(runtime) }
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens from now on; `Refusing` also cuts what there is.
    pub fn set(&self, weather: Weather) {
        self.network.weather.send_replace(weather);
        if weather == Weather::Refusing {
            self.cut();
        }
    }

    /// Resets all connections of the moment; new ones are welcome.
    pub fn cut(&self) {
        self.network.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Cuts a connection in the middle of what it carries: behind that many more bytes in one direction, all connections
    /// together.
    pub fn cut_after(&self, way: Way, bytes: u64) {
        *self.network.fuse.lock().unwrap() = Some(Fuse { way, left: bytes });
    }

    /// Whether the cut of [`Proxy::cut_after`] is still to come.
    pub fn is_cut_pending(&self) -> bool {
        self.network.fuse.lock().unwrap().is_some()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> u64 {
        self.network.accepted.load(SeqCst)
    }

    /// How many bytes have passed that way.
    pub fn passed(&self, way: Way) -> u64 {
        self.network.passed[way as usize].load(SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: std::net::TcpListener, server: SocketAddr, network: Arc<Network>) {
    let listener = TcpListener::from_std(listener).unwrap();
    while let Ok((client, _)) = listener.accept().await {
        // Before the look at the weather: a cut that comes with a change of it must not be missed.
        let cuts = network.cuts.subscribe();
        if *network.weather.borrow() == Weather::Refusing {
            reset(&client);
            continue;
        }
        network.accepted.fetch_add(1, SeqCst);
        tokio::spawn(carry(client, server, cuts, Arc::clone(&network)));
    }
}

/// One connection, until one of its ends or the proxy ends it. A server that is not there means a reset for the client.
async fn carry(mut client: TcpStream, server: SocketAddr, mut cuts: watch::Receiver<u64>, network: Arc<Network>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return reset(&client) };
    for stream in [&client, &server] {
        // Refused only for a socket that is gone already.
        let _ = stream.set_nodelay(true);
    }
    // Borrowed halves: owned ones would say a polite goodbye before any reset.
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let end = tokio::select! {
        end = pass(Way::Up, from_client, to_server, &network) => end,
        end = pass(Way::Down, from_server, to_client, &network) => end,
        _ = cuts.changed() => End::Cut,
    };
    if end == End::Cut {
        reset(&client);
        reset(&server);
    }
}

/// Whoever is at the other end hears a reset, and no polite end, as soon as this one is dropped.
fn reset(stream: &TcpStream) {
    // Refused only for a socket that is gone already.
    let _ = stream.set_zero_linger();
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// One of its ends wanted it.
    Closed,
    /// The proxy wanted it.
    Cut,
}

async fn pass(way: Way, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, network: &Network) -> End {
    let (mut weather, mut buffer) = (network.weather.subscribe(), vec![0; 64 * 1024]);
    let mut has_lost_bytes = false;
    loop {
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = weather.wait_for(|now| *now != Weather::Swallowing(way)), if has_lost_bytes => return End::Cut,
        };
        let Ok(size @ 1..) = read else { return End::Closed };
        // What is in hand when the network falls still waits as well.
        let Ok(now) = weather.wait_for(|now| *now != Weather::Still).await.map(|now| *now) else { return End::Closed };
        match now {
            Weather::Swallowing(swallowed) if swallowed == way => {
                has_lost_bytes = true;
                continue;
            }
            _ if has_lost_bytes => return End::Cut,
            Weather::Slow(delay) => tokio::time::sleep(delay).await,
            _ => {}
        }
        let burnt = network.burn(way, size);
        let passed = burnt.unwrap_or(size);
        network.passed[way as usize].fetch_add(passed as u64, SeqCst);
        if to.write_all(&buffer[..passed]).await.is_err() {
            return End::Closed;
        }
        if burnt.is_some() {
            return End::Cut;
        }
    }
}

// === impl Network ===

impl Network {
    /// How many of these bytes still pass if the fuse burns down within them.
    fn burn(&self, way: Way, size: usize) -> Option<usize> {
        let mut slot = self.fuse.lock().unwrap();
        let fuse = slot.as_mut().filter(|fuse| fuse.way == way)?;
        let size = size as u64;
        if fuse.left > size {
            fuse.left -= size;
            return None;
        }
        let left = usize::try_from(fuse.left).unwrap();
        *slot = None;
        Some(left)
    }
}
