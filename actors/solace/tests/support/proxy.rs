//! A TCP proxy that a test owns: it cuts connections, or holds their bytes back.
//! Does not look into what it passes on.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Dropped, it is gone with all connections.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    orders: Arc<watch::Sender<Orders>>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Default)]
struct Orders {
    /// Connections made before this number of cuts end.
    cuts: u64,
    held: bool,
}

// === impl Proxy ===

impl Proxy {
    /// Passes on to that address.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let orders = Arc::new(watch::Sender::new(Orders::default()));
        let own = Arc::clone(&orders);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, to, own.subscribe()));
            }
        });
        Self { address, orders, accepting }
    }

    /// Ends all connections, wherever their bytes are.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }

    /// From now on no byte passes, or it does again; connections stay.
    pub fn hold(&self, held: bool) {
        self.orders.send_modify(|orders| orders.held = held);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn join(client: TcpStream, to: SocketAddr, mut orders: watch::Receiver<Orders>) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    let made = orders.borrow().cuts;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass(from_client, to_server, orders.clone()) => {}
        () = pass(from_server, to_client, orders.clone()) => {}
        _ = orders.wait_for(|orders| orders.cuts > made) => {}
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut orders: watch::Receiver<Orders>,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let free = orders.wait_for(|orders| !orders.held).await.is_ok();
        if !free || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
