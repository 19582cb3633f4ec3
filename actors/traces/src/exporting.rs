//! From ended spans to a collector: started once per process, flushed at its end.
//! Never makes a request wait: what the collector does not take in time is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, Protocol as Otlp, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, warn};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::catalogue::SERVER_TARGET;
use crate::counting::{Bounded, Counted};
use crate::error::TracesError;
use crate::metrics;
use crate::sampling::{Ids, RATIO};
use crate::settings::{Protocol, TracesSettings};
use crate::step::TRACER;

/// A batch is sent at the latest when it has grown to this.
const BATCH: usize = 512;

/// Spans on their way out.
#[derive(Debug)]
pub struct Exporting {
    provider: SdkTracerProvider,
}

/// Starts making and sending spans; nothing where the settings name no collector. The first call of a process holds.
///
/// # Errors
/// The settings cannot be used, or no runtime runs here.
pub fn start(settings: &TracesSettings, instance: &str) -> Result<Option<Exporting>, TracesError> {
    if !(0.0..=1.0).contains(&settings.ratio) {
        return Err(TracesError::Ratio(settings.ratio));
    }
    let Some(endpoint) = &settings.endpoint else { return Ok(None) };
    let runtime = Handle::try_current().map_err(|_| TracesError::NoRuntime)?;
    let wrong =
        |error: ExporterBuildError| TracesError::Endpoint { endpoint: endpoint.clone(), reason: error.to_string() };
    let exporter = exporter(settings, endpoint).map_err(wrong)?;
    let provider = provider(settings, exporter, runtime, instance);
    metrics::show();
    let scope = InstrumentationScope::builder("tillstream").with_version(env!("CARGO_PKG_VERSION")).build();
    let _ = TRACER.set(provider.tracer_with_scope(scope));
    let _ = RATIO.set(settings.ratio);
    Ok(Some(Exporting { provider }))
}

/// Exports the one span that the log's machinery makes; nothing else of the log becomes a span or an event of one.
pub fn layer<S: Subscriber + for<'span> LookupSpan<'span>>() -> Option<impl Layer<S>> {
    let tracer: SdkTracer = TRACER.get()?.clone();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false);
    // Without the hint every `trace!` of every library would be looked at, because some layer might want it.
    let filter = filter_fn(|metadata| metadata.target() == SERVER_TARGET).with_max_level_hint(LevelFilter::INFO);
    Some(layer.with_filter(filter))
}

// === impl Exporting ===

impl Exporting {
    /// Sends what is still here, at most for that long. Blocks: call it from a thread that may.
    pub fn finish(self, within: Duration) {
        if let Err(error) = self.provider.shutdown_with_timeout(within) {
            warn!(%error, "not all spans reached the collector");
        }
    }
}

fn exporter(settings: &TracesSettings, endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
    let builder = SpanExporter::builder();
    match settings.protocol {
        Protocol::Grpc => builder.with_tonic().with_endpoint(endpoint).with_timeout(settings.timeout).build(),
        Protocol::Http => {
            let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
            let http = builder.with_http().with_protocol(Otlp::HttpBinary).with_timeout(settings.timeout);
            http.with_endpoint(endpoint).build()
        }
    }
}

fn provider(settings: &TracesSettings, exporter: SpanExporter, runtime: Handle, instance: &str) -> SdkTracerProvider {
    let waiting = Arc::new(AtomicUsize::new(0));
    let counted =
        Counted { exporter: Arc::new(exporter), waiting: waiting.clone(), runtime, timeout: settings.timeout };
    let config = BatchConfigBuilder::default()
        // Twice what is let in: a batch that is being sent must not take the room of those that wait.
        .with_max_queue_size(settings.queue * 2)
        .with_max_export_batch_size(BATCH.min(settings.queue))
        .with_scheduled_delay(settings.batch_delay)
        .build();
    let batches = BatchSpanProcessor::builder(counted).with_batch_config(config).build();
    let resource = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", settings.service_name.clone()),
        KeyValue::new("service.namespace", "tillstream"),
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", instance.to_owned()),
    ]);
    SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_id_generator(Ids::default())
        .with_span_processor(Bounded { batches, waiting, most: settings.queue })
        .with_resource(resource.build())
        .build()
}
