//! The actor: accepts connections and owns the task of each.
//! Serves none itself; a connection that fails, even by a panic, ends alone.

use std::net::{IpAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, WrapFuture};
use tillstream_broker::Broker;
use tillstream_supervision::{SupervisedContext, supervised};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info, warn};

use crate::accounts::Accounts;
use crate::connection::Connection;
use crate::desk::Desk;
use crate::hub::Hub;
use crate::memory::ListenerMemory;
use crate::metrics;
use crate::outgoing::Outgoing;
use crate::parting::Parting;
use crate::peers::Peer;
use crate::settings::ListenerSettings;

/// Before accepting again when the system refused, for want of file handles as a rule.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the audit log is asked whether it still owes a count.
const AUDIT_EVERY: Duration = Duration::from_secs(1);

/// All that an incarnation of the listener starts from; cloned by the factory.
#[derive(Clone)]
pub struct ListenerWiring {
    /// The broker.
    pub broker: Broker,
    /// Bound once, outside, so that clients find the port open while the actor restarts.
    pub socket: Arc<StdListener>,
    /// Who may log in.
    pub accounts: Accounts,
    /// Bounds.
    pub settings: ListenerSettings,
    /// What all incarnations share: make it once, with `default()`.
    pub memory: ListenerMemory,
}

/// Serves SMF clients.
pub struct SmfListener {
    socket: Arc<StdListener>,
    hub: Arc<Hub>,
}

// === impl SmfListener ===

impl SmfListener {
    /// A listener that accepts when it starts.
    pub fn new(wiring: ListenerWiring) -> Self {
        metrics::register();
        let ListenerWiring { broker, socket, accounts, settings, memory } = wiring;
        Self { socket, hub: Arc::new(Hub { broker, accounts, settings, memory }) }
    }

    /// Connections of earlier incarnations are closed first: their tasks may be on a thread that is blocked, with queues in
    /// hand that nobody else could bind meanwhile.
    fn take_over(&self) -> std::io::Result<TcpListener> {
        self.hub.memory.peers().evict_all();
        let socket = self.socket.try_clone()?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    }
}

supervised!(SmfListener);

impl Actor for SmfListener {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.take_over() {
            Ok(socket) => {
                info!("smf clients are served");
                let serving = serve(Arc::clone(&self.hub), socket);
                ctx.spawn(serving.into_actor(self).map(|(), _, ctx| ctx.stop()));
            }
            Err(failure) => {
                error!(error = %failure, "the smf socket cannot be used");
                ctx.stop();
            }
        }
    }
}

/// Accepts for ever. Dropped with its actor, it takes the tasks along.
async fn serve(hub: Arc<Hub>, socket: TcpListener) {
    let mut tasks = JoinSet::new();
    let (mut users, mut audit) = (hub.accounts.changes(), tokio::time::interval(AUDIT_EVERY));
    loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, address)) => welcome(&hub, stream, address.ip(), &mut tasks),
                Err(failure) => {
                    warn!(error = %failure, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(ended) = tasks.join_next() => note(ended),
            // The users are held by the hub, so there is always somebody who may change them.
            Ok(()) = users.changed() => hub.memory.peers().wake_all(),
            now = audit.tick() => hub.memory.audit().flush(now.into_std()),
        }
    }
}

fn welcome(hub: &Arc<Hub>, stream: TcpStream, address: IpAddr, tasks: &mut JoinSet<Parting>) {
    let peers = hub.memory.peers();
    // A login over the limit is refused with a word. This many are strangers for the most part, who must not keep clients
    // out by saying nothing.
    if peers.count() >= hub.settings.max_connections.saturating_mul(2) {
        metrics::LOGINS_REFUSED.with_label_values(&["full"]).inc();
        if !peers.cut_oldest_stranger() {
            return;
        }
    }
    // Answers are written in batches already.
    if let Err(failure) = stream.set_nodelay(true) {
        warn!(error = %failure, "a connection answers with delay");
    }
    let number = peers.number();
    let outgoing = Arc::new(Outgoing::new(hub.settings.max_outgoing_bytes));
    let desk = Desk::new(Arc::clone(hub), number, address, Arc::clone(&outgoing));
    let peer = Peer::new(number, desk, outgoing, stream);
    peers.enter(&peer);
    tasks.spawn_local(Connection::new(Arc::clone(hub), peer).run());
}

fn note(ended: Result<Parting, JoinError>) {
    match ended {
        Ok(parting) => {
            metrics::CONNECTIONS_CLOSED.with_label_values(&[parting.label()]).inc();
            match parting {
                Parting::Gone | Parting::LoginRefused | Parting::Revoked => {}
                _ => warn!(reason = %parting, "connection closed"),
            }
        }
        Err(failure) => {
            metrics::CONNECTIONS_CLOSED.with_label_values(&["panic"]).inc();
            error!(error = %failure, "a connection's task failed");
        }
    }
}
