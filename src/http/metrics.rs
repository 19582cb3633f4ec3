//! The metrics of the HTTP side and the page that shows those of the whole process.
//! Does not measure what rooms do; each declares its own in the same registry.

use std::sync::LazyLock;
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::{HttpRequest, HttpResponse, dev::ServiceResponse};
use actix_web_prom::{ActixMetricsConfiguration, PrometheusMetrics, PrometheusMetricsBuilder};
use prometheus::{
    Encoder, HistogramVec, IntCounterVec, IntGaugeVec, TextEncoder, register_histogram_vec, register_int_counter_vec,
    register_int_gauge_vec,
};
use tillstream_messages::{Exemplar, Exemplars, TraceIds};
use tillstream_session::PUBLISH_EXEMPLARS;

use super::{negotiate, openmetrics};

/// Label of paths that no route has, so that a scanner cannot make labels.
pub const UNMATCHED: &str = "unmatched";
/// A durable answer takes milliseconds; a stalled disk takes seconds.
const DURATION_SECONDS: [f64; 13] = [0.000_5, 0.001, 0.002, 0.004, 0.008, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
const SIZE_BYTES: [f64; 8] = [64.0, 256.0, 1_024.0, 4_096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0];

/// Traces of requests, for a format that can show them.
static DURATION_EXEMPLARS: Exemplars = Exemplars::new(&DURATION_SECONDS);

static HTTP: LazyLock<PrometheusMetrics> = LazyLock::new(|| {
    let names = ActixMetricsConfiguration::default()
        .http_requests_total_name("http_requests_total")
        .http_requests_duration_seconds_name("http_request_duration_seconds");
    PrometheusMetricsBuilder::new("")
        .registry(prometheus::default_registry().clone())
        .buckets(&DURATION_SECONDS)
        .mask_unmatched_patterns(UNMATCHED)
        .metrics_configuration(names)
        .build()
        .expect("the names are valid and registered only here")
});

static RESPONSE_SIZE: LazyLock<HistogramVec> = LazyLock::new(|| {
    let labels = ["endpoint", "method", "status"];
    register_histogram_vec!("http_response_size_bytes", "Size of answers", &labels, SIZE_BYTES.to_vec())
        .expect("the name is valid and registered only here")
});

/// Requests that were not let through to what they wanted.
pub static REFUSALS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Requests refused for who sent them, by reason; each is in the audit log, in full or in a count";
    register_int_counter_vec!("http_refusals_total", help, &["reason"])
        .expect("the name is valid and registered only here")
});

static BUILD_INFO: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("build_info", "Always 1; the labels say what runs", &["version"])
        .expect("the name is valid and registered only here")
});

/// The middleware that counts requests; all workers share it.
pub fn middleware() -> PrometheusMetrics {
    BUILD_INFO.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    HTTP.clone()
}

/// Notes the size of an answer; a streamed one has none.
pub fn observe_size<B: MessageBody>(response: &ServiceResponse<B>) {
    let BodySize::Sized(bytes) = response.response().body().size() else { return };
    let request = response.request();
    let pattern = request.match_pattern();
    let endpoint = pattern.as_deref().unwrap_or(UNMATCHED);
    let status = response.status();
    let labels = [endpoint, request.method().as_str(), status.as_str()];
    // A size is a float only inside the histogram.
    #[allow(clippy::cast_precision_loss)]
    RESPONSE_SIZE.with_label_values(&labels).observe(bytes as f64);
}

/// Keeps a request whose trace is kept as an example of its duration.
pub fn note_example<B>(response: &ServiceResponse<B>, ids: TraceIds, duration: Duration) {
    let request = response.request();
    let pattern = request.match_pattern();
    let (endpoint, status) = (pattern.as_deref().unwrap_or(UNMATCHED), response.status());
    DURATION_EXEMPLARS
        .note(&[endpoint, request.method().as_str(), status.as_str()], Exemplar::now(ids, duration.as_secs_f64()));
}

/// The example of a bucket of the two histograms that have some.
fn example(metric: &str, labels: &[&str], upper_bound: f64) -> Option<Exemplar> {
    match metric {
        "http_request_duration_seconds" => DURATION_EXEMPLARS.of(labels, upper_bound),
        "pos_publish_duration_seconds" => PUBLISH_EXEMPLARS.of(labels, upper_bound),
        _ => None,
    }
}

/// All metrics of this process.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    operation_id = "metrics",
    responses(
        (status = 200, description = "Prometheus text format 0.0.4, or OpenMetrics 1.0.0 for who accepts it", content(
            (String = "text/plain"),
            (String = "application/openmetrics-text"),
        ))
    )
)]
pub async fn get(request: HttpRequest) -> HttpResponse {
    if negotiate::wants_openmetrics(&request) {
        let page = openmetrics::render(&prometheus::gather(), &example);
        return HttpResponse::Ok().content_type(openmetrics::CONTENT_TYPE).body(page);
    }
    let mut page = Vec::with_capacity(64 * 1024);
    match TextEncoder::new().encode(&prometheus::gather(), &mut page) {
        Ok(()) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(page),
        Err(error) => HttpResponse::ServiceUnavailable().body(error.to_string()),
    }
}
