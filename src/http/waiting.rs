//! What a process answers that has its address and not yet its secrets or its certificate: how it is, and "later" to everybody else.
//! Knows no user: nothing that it says needs one.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;

use super::errors::ApiError;
use super::health::Health;
use super::server::{BoundServer, front};
use super::settings::HttpSettings;
use super::{metrics, routes};

/// Health checks and refusals need no second thread.
const WORKERS: usize = 1;
/// Whoever is being answered when the wait is over gets the rest of the answer within this time.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Answers at the address until the process itself can.
pub struct Porter(ServerHandle);

impl Porter {
    /// Answers from now on, on the socket that the process itself will use.
    ///
    /// # Errors
    /// The socket cannot be shared.
    pub fn open(socket: &BoundServer, settings: &HttpSettings, health: Health) -> anyhow::Result<Self> {
        let health = web::Data::new(health);
        let bounds = settings.clone();
        let app = move || {
            let (health, bounds) = (health.clone(), bounds.clone());
            let app = App::new().app_data(health).configure(configure).wrap(metrics::middleware());
            app.wrap_fn(move |request, service| front(request, service, &bounds))
        };
        let server = HttpServer::new(app)
            .workers(WORKERS)
            // Nobody shall hold a connection that ends with the wait.
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(settings.head_timeout)
            .shutdown_timeout(LAST_ANSWERS.as_secs())
            .disable_signals();
        let server = match socket.encryption()? {
            Some(config) => server.listen_rustls_0_23(socket.share()?, config),
            None => server.listen(socket.share()?),
        };
        let server = server.context("register the listener")?.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(Self(handle))
    }

    /// Leaves; whoever connects from now on waits for the process itself.
    pub async fn close(self) {
        self.0.stop(true).await;
    }
}

fn configure(config: &mut web::ServiceConfig) {
    config
        .service(routes::getting("/api/v1/health", async |health: web::Data<Health>| health.document()))
        .service(routes::getting("/health/ready", async |health: web::Data<Health>| health.work()))
        .service(routes::getting("/health/live", async |health: web::Data<Health>| health.life()))
        .service(routes::getting("/health/startup", async |health: web::Data<Health>| health.beginning()))
        .service(routes::getting("/metrics", metrics::get))
        .default_service(web::to(later));
}

/// The reason stands in the health document; a till needs only to know that it may try again.
async fn later() -> Result<HttpResponse, ApiError> {
    Err(ApiError::Unavailable(
        "the service waits for its secrets or its certificate and takes nothing yet: try again".to_owned(),
    ))
}
