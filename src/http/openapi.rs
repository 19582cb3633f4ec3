//! The OpenAPI document, generated from the handlers, and the page to try it.
//! Does not load anything from elsewhere: the page's assets are in the binary.

use std::sync::Arc;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use tillstream_domain::schema::transaction_schema;
use tillstream_domain::{Rules, ValidTransaction};
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{InfoBuilder, OpenApi as Document, ServerBuilder};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_swagger_ui::Config;

use super::documents::{DetailDocument, InvalidDocument, ProblemDocument, ProblemEntry};
use super::errors::ApiError;
use super::prefix::{PREFIX, was_prefixed};

/// Everything that the HTTP side serves.
#[derive(OpenApi)]
#[openapi(
    paths(
        super::transactions::post,
        super::aggregates::post,
        super::turnover::get,
        super::journey::get,
        super::ledger::get,
        super::events::get,
        super::stores::get,
        super::actors::get,
        super::faults::break_actor,
        super::faults::break_environment,
        super::faults::list,
        super::faults::get,
        super::secrets::get,
        super::secrets::refresh,
        super::generator::get,
        super::generator::put,
        super::log::get,
        super::log::put,
        super::health::health,
        super::health::live,
        super::health::ready,
        super::health::startup,
        super::metrics::get,
    ),
    components(schemas(DetailDocument, InvalidDocument, ProblemDocument, ProblemEntry)),
    modifiers(&Finish),
    tags(
        (name = "validation", description = "For tills and for aggregation"),
        (name = "reporting", description = "What was sold"),
        (name = "operation", description = "How the process is"),
    )
)]
struct Api;

/// What the attributes cannot say.
struct Finish;

impl Modify for Finish {
    fn modify(&self, document: &mut Document) {
        document.info = InfoBuilder::new()
            .title("Validation Service")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("Real-time point-of-sale integration: a 200 means that the broker has it on disk."))
            .build();
        offer_all_proofs(document);
        super::problem::offer_problem_documents(document);
    }
}

/// Whatever takes a password takes a token and a certificate as well, where the settings name an issuer or clients.
fn offer_all_proofs(document: &mut Document) {
    let components = document.components.get_or_insert_default();
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic)));
    components.add_security_scheme("bearer", SecurityScheme::Http(token));
    components.add_security_scheme(
        "mutualTLS",
        SecurityScheme::MutualTls { description: None, deprecated: None, extensions: None },
    );
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for security in operations.into_iter().flatten().filter_map(|operation| operation.security.as_mut()) {
            let none: [&str; 0] = [];
            *security = ["basic", "bearer", "mutualTLS"].map(|name| SecurityRequirement::new(name, none)).into();
        }
    }
}

/// The document as JSON, for readers at the root and below the prefix.
#[derive(Debug, Clone)]
pub struct Documents {
    at_root: Arc<str>,
    at_prefix: Arc<str>,
}

impl Documents {
    /// The documents of a service with these rules: the number of stores is part of a schema.
    pub fn new(rules: &Rules) -> Self {
        let at = |servers| document_for(rules, servers).into();
        Self { at_root: at(["/", PREFIX]), at_prefix: at([PREFIX, "/"]) }
    }

    /// For a reader at the root.
    pub fn at_root(&self) -> &str {
        &self.at_root
    }
}

fn document_for(rules: &Rules, servers: [&str; 2]) -> String {
    let mut document = Api::openapi();
    document.servers = Some(servers.map(|url| ServerBuilder::new().url(url).build()).into());
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert(ValidTransaction::name().into_owned(), transaction_schema(rules).into());
    document.to_pretty_json().expect("a document of plain fields can be written")
}

/// `GET /api/v1/pos/openapi.json`.
pub async fn get(api: web::Data<super::Api>, request: HttpRequest) -> HttpResponse {
    let document = if was_prefixed(&request) { &api.documents.at_prefix } else { &api.documents.at_root };
    HttpResponse::Ok().content_type("application/json").body(document.to_string())
}

/// `GET /api/v1/pos/docs`: the page itself. Its links are relative to `docs/`, so it works below any prefix.
pub async fn page() -> Result<HttpResponse, ApiError> {
    let (_, html) = asset("index.html").ok_or(ApiError::NotFound)?;
    let html = String::from_utf8_lossy(&html).replacen("<head>", "<head><base href=\"docs/\">", 1);
    Ok(unframed().content_type("text/html; charset=utf-8").body(html))
}

/// `GET /api/v1/pos/docs/{file}`: what the page loads.
pub async fn page_asset(file: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let (content_type, bytes) = asset(&file).ok_or(ApiError::NotFound)?;
    Ok(unframed().content_type(content_type).body(bytes))
}

/// What is shown in nobody's frame: a click meant for a page around it could break something here.
fn unframed() -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"));
    response.insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
    response
}

fn asset(file: &str) -> Option<(String, Vec<u8>)> {
    let config = Arc::new(Config::from("../openapi.json").try_it_out_enabled(true));
    let file = utoipa_swagger_ui::serve(file, config).ok().flatten()?;
    Some((file.content_type, file.bytes.into_owned()))
}
