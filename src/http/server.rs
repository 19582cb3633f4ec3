//! Binds the listener, encrypts it where that is wanted, and runs the workers.
//! Does not handle signals; shutdown tells it to stop.

use std::any::Any;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Extensions, Server, ServerHandle, Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, ResponseError, web};
use anyhow::Context;
use futures_util::future::Either;
use rustls::ServerConfig;
use socket2::SockRef;
use tillstream_tls::{Keyring, TlsSettings};

use super::errors::ApiError;
use super::settings::HttpSettings;
use super::unread::Unread;
use super::{Api, metrics, prefix, routes, trace};

/// A peer that does not read its answer's end is cut off after this time.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What the system keeps of an answer that is not on its way yet. By itself it takes up to 4 MB from us for a client that never
/// reads, and a live page is written to for as long as it is open.
const UNSENT_AT_MOST: u32 = 64 * 1024;

/// A server that listens and is not yet running.
pub struct BoundServer {
    address: SocketAddr,
    listener: TcpListener,
    tls: Option<Tls>,
}

/// What connections are encrypted with, and how long a client may take to agree on it.
struct Tls {
    keyring: Keyring,
    settings: TlsSettings,
}

/// Binds the address of the settings.
///
/// # Errors
/// When the address is taken or not this machine's.
pub fn bind(settings: &HttpSettings) -> anyhow::Result<BoundServer> {
    let listen = settings.listen;
    let listener = TcpListener::bind(listen)
        .with_context(|| format!("listen on {listen} (`http.listen`, or TILLSTREAM__HTTP__LISTEN)"))?;
    // A connection has it from its listener.
    SockRef::from(&listener).set_tcp_notsent_lowat(UNSENT_AT_MOST).context("bound what is kept for slow clients")?;
    let address = listener.local_addr().context("read the bound address")?;
    Ok(BoundServer { address, listener, tls: None })
}

impl BoundServer {
    /// Where it listens; the real port even where port 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on every connection is encrypted; who is at its other end stands in its data as a `PeerCertificate`.
    pub fn encrypt(&mut self, keyring: Keyring, settings: &TlsSettings) {
        self.tls = Some(Tls { keyring, settings: settings.clone() });
    }

    /// How an address of this server begins.
    pub const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The same socket for a server that answers before this one runs.
    pub(super) fn share(&self) -> anyhow::Result<TcpListener> {
        self.listener.try_clone().context("share the listener")
    }

    /// What encrypts a connection, where connections are encrypted.
    pub(super) fn encryption(&self) -> anyhow::Result<Option<ServerConfig>> {
        let config = self.tls.as_ref().map(|tls| tls.keyring.server_config()).transpose();
        config.context("make the TLS configuration of the server")
    }

    /// Starts the workers. The future runs until the handle stops it.
    ///
    /// # Errors
    /// When the listener cannot be registered.
    pub fn run(self, api: Api) -> anyhow::Result<(Server, ServerHandle)> {
        let settings = api.settings.clone();
        let shared = web::Data::new(api);
        let mut server = HttpServer::new(move || app(shared.clone()))
            .workers(settings.workers)
            .keep_alive(settings.keep_alive)
            .client_request_timeout(settings.head_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .disable_signals();
        let encryption = self.encryption()?;
        if let Some(Tls { keyring, settings }) = self.tls {
            server = server
                .tls_handshake_timeout(settings.handshake_timeout)
                .max_connection_rate(settings.max_handshakes)
                .on_connect(move |connection, data| note_peer(connection, data, &keyring));
        }
        let server = match encryption {
            Some(config) => server.listen_rustls_0_23(self.listener, config),
            None => server.listen(self.listener),
        };
        let server = server.context("register the listener")?.run();
        let handle = server.handle();
        Ok((server, handle))
    }
}

/// Every request of this connection finds its client's certificate by `HttpRequest::conn_data`.
fn note_peer(connection: &dyn Any, data: &mut Extensions, keyring: &Keyring) {
    let Some(stream) = connection.downcast_ref::<TlsStream<TcpStream>>() else { return };
    let (_, session) = stream.get_ref();
    if let Some(peer) = keyring.peer_of(session) {
        data.insert(peer);
    }
}

/// One worker's application: metrics around routes, and the front around both.
pub fn app(
    shared: web::Data<Api>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let settings = shared.settings.clone();
    let app = App::new().app_data(shared).configure(routes::configure).wrap(metrics::middleware());
    let app = app.wrap_fn(trace::follow);
    app.wrap_fn(move |request, service| front(request, service, &settings))
}

/// The outermost layer: refuses unknown methods, strips the prefix, takes care of unread bodies, notes the size of the answer.
pub(super) fn front<S, B>(
    mut request: ServiceRequest,
    service: &S,
    settings: &HttpSettings,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    let unread = Unread::of(&mut request, settings);
    if !prefix::is_known(request.method()) {
        let refusal = ApiError::MethodNotAllowed("GET, HEAD, POST, PUT").error_response();
        return Either::Left(async move {
            Unread::discard(unread.as_ref()).await;
            Ok(request.into_response(refusal.map_into_right_body()))
        });
    }
    prefix::strip(&mut request);
    let answer = service.call(request);
    Either::Right(async move {
        let response = answer.await;
        Unread::discard(unread.as_ref()).await;
        let response = response?;
        metrics::observe_size(&response);
        Ok(Unread::hold(unread, response))
    })
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};
    use std::net::TcpStream as Client;

    use super::*;

    #[test]
    fn the_system_keeps_little_for_a_client_that_never_reads() {
        let settings = HttpSettings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..HttpSettings::default() };
        let server = bind(&settings).unwrap();
        let _silent = Client::connect(server.address()).unwrap();
        let (mut accepted, _) = server.listener.accept().unwrap();
        assert_eq!(SockRef::from(&accepted).tcp_notsent_lowat().unwrap(), UNSENT_AT_MOST);

        accepted.set_nonblocking(true).unwrap();
        let (piece, mut taken) = ([0; 2_048], 0);
        loop {
            match accepted.write(&piece) {
                Ok(bytes) => taken += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
            assert!(taken < 1024 * 1024, "{taken} bytes wait for a client that reads none");
        }
    }
}
