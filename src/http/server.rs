//! Binds the listener and runs the workers.
//! Does not handle signals; shutdown tells it to stop.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Server, ServerHandle, Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, HttpServer, ResponseError, web};
use anyhow::Context;
use futures_util::future::Either;

use super::errors::ApiError;
use super::settings::HttpSettings;
use super::unread::Unread;
use super::{Api, metrics, prefix, routes};

/// A peer that does not read its answer's end is cut off after this time.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that listens and is not yet running.
pub struct BoundServer {
    address: SocketAddr,
    listener: TcpListener,
}

/// Binds the address of the settings.
///
/// # Errors
/// When the address is taken or not this machine's.
pub fn bind(settings: &HttpSettings) -> anyhow::Result<BoundServer> {
    let listen = settings.listen;
    let listener = TcpListener::bind(listen).with_context(|| format!("listen on {listen}"))?;
    let address = listener.local_addr().context("read the bound address")?;
    Ok(BoundServer { address, listener })
}

impl BoundServer {
    /// Where it listens; the real port even where port 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the workers. The future runs until the handle stops it.
    ///
    /// # Errors
    /// When the listener cannot be registered.
    pub fn run(self, api: Api) -> anyhow::Result<(Server, ServerHandle)> {
        let settings = api.settings.clone();
        let shared = web::Data::new(api);
        let server = HttpServer::new(move || app(shared.clone()))
            .workers(settings.workers)
            .keep_alive(settings.keep_alive)
            .client_request_timeout(settings.head_timeout)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .disable_signals()
            .listen(self.listener)
            .context("register the listener")?
            .run();
        let handle = server.handle();
        Ok((server, handle))
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
    App::new().app_data(shared).configure(routes::configure).wrap(metrics::middleware()).wrap_fn(front)
}

/// The outermost layer: refuses unknown methods, strips the prefix, holds chunked bodies, notes the size of the answer.
fn front<S, B>(
    mut request: ServiceRequest,
    service: &S,
) -> impl Future<Output = Result<ServiceResponse<EitherBody<B>>, actix_web::Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody + 'static,
{
    if !prefix::is_known(request.method()) {
        let refusal = ApiError::MethodNotAllowed("GET, HEAD, POST, PUT").error_response();
        return Either::Left(std::future::ready(Ok(request.into_response(refusal.map_into_right_body()))));
    }
    prefix::strip(&mut request);
    let unread = Unread::of(&mut request);
    let answer = service.call(request);
    Either::Right(async move {
        let response = answer.await?;
        metrics::observe_size(&response);
        Ok(Unread::hold(unread, response))
    })
}
