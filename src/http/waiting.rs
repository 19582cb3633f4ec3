//! What a process answers that has its address and not yet its secrets or its certificate: how it is, and "later" to everybody else.
//! Knows no user: nothing that it says needs one.

use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;

use super::errors::ApiError;
use super::health::Health;
use super::prefix::PREFIX;
use super::server::{BoundServer, front};
use super::settings::HttpSettings;
use super::{metrics, routes};

/// Health checks and refusals need no second thread.
const WORKERS: usize = 1;
/// Whoever is being answered when the wait is over gets the rest of the answer within this time.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The routes of the process to come: what is refused on them is counted as theirs, so that who watches a route sees it.
pub(super) const LATER: [&str; 22] = [
    "/api/v1/pos/validate_transaction",
    "/api/v1/pos/amount-per-store",
    "/api/v1/pos/turnover",
    "/api/v1/transactions/{id}/journey",
    "/",
    PREFIX,
    "/page/{file}",
    "/api/v1/events",
    "/api/v1/stores",
    "/api/v1/ledger",
    "/api/v1/actors",
    "/api/v1/actors/{path}/fault",
    "/api/v1/faults/environment",
    "/api/v1/secrets",
    "/api/v1/secrets/refresh",
    "/api/v1/faults",
    "/api/v1/faults/{id}",
    "/api/v1/generator",
    "/api/v1/log",
    "/api/v1/pos/openapi.json",
    "/api/v1/pos/docs",
    "/api/v1/pos/docs/{file}",
];

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
        .service(routes::getting("/metrics", metrics::get));
    for path in LATER {
        config.service(web::resource(path).to(later));
    }
    config.default_service(web::to(later));
}

/// The reason stands in the health document; a till needs only to know that it may try again.
async fn later() -> Result<HttpResponse, ApiError> {
    Err(ApiError::Unavailable(
        "the service waits for its secrets or its certificate and takes nothing yet: try again".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use tillstream_messages::{HealthBoard, Leg};

    use super::*;

    #[actix_web::test]
    async fn what_is_refused_while_the_process_waits_is_counted_as_the_routes_and_not_as_nobodys() {
        let health = web::Data::new(Health::waiting(HealthBoard::default(), vec![Leg::Secrets]));
        let app = App::new().app_data(health).configure(configure).wrap(metrics::middleware());
        let app = init_service(app).await;
        for uri in ["/api/v1/pos/validate_transaction", "/api/v1/faults/7", "/scan"] {
            // The metrics are the process's: no other test sends a PATCH.
            let request = TestRequest::default().method(Method::PATCH).uri(uri).to_request();
            assert_eq!(call_service(&app, request).await.status(), 503, "{uri}");
        }
        let response = call_service(&app, TestRequest::get().uri("/metrics").to_request()).await;
        let page = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        for endpoint in ["/api/v1/pos/validate_transaction", "/api/v1/faults/{id}", metrics::UNMATCHED] {
            let total = format!("http_requests_total{{endpoint=\"{endpoint}\",method=\"PATCH\",status=\"503\"}} 1");
            assert!(page.contains(&total), "{total}: {page}");
        }
    }
}
