//! Which spans are made, below whom, and that each one that ends is counted once, whatever the collector does.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use opentelemetry::trace::{SpanKind, Tracer, TracerProvider};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use tillstream_messages::TraceContext;
use tokio::runtime::Handle;

use crate::counting::{Bounded, Counted};
use crate::testing::{keep_spans, sent_context, spans_of};
use crate::{Correlated, Origin, Step, TracesError, TracesSettings, current, metrics, start, validate_sale};

/// How long a collector that hangs is waited for, and how long a process that ends waits for all of it.
const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(600);

/// What a collector does.
#[derive(Debug, Clone, Copy)]
enum Collector {
    Takes,
    Refuses,
    Hangs,
}

impl SpanExporter for Collector {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        match self {
            Self::Takes => Ok(()),
            Self::Refuses => Err(OTelSdkError::InternalFailure("no".to_owned())),
            Self::Hangs => pending().await,
        }
    }
}

/// Ends so many spans on the way to such a collector and says how many were exported, dropped and refused.
fn fates(collector: Collector, spans: usize, most: usize, timeout: Duration) -> [u64; 3] {
    let count = || [&metrics::EXPORTED, &metrics::DROPPED, &metrics::FAILED].map(|counter| counter.get());
    let before = count();
    let waiting = Arc::new(AtomicUsize::new(0));
    let counted =
        Counted { exporter: Arc::new(collector), waiting: waiting.clone(), runtime: Handle::current(), timeout };
    let config = BatchConfigBuilder::default()
        .with_max_queue_size(most * 2)
        .with_max_export_batch_size(most)
        .with_scheduled_delay(Duration::from_secs(3600))
        .build();
    let batches = BatchSpanProcessor::builder(counted).with_batch_config(config).build();
    let provider = SdkTracerProvider::builder().with_span_processor(Bounded { batches, waiting, most }).build();
    let tracer = provider.tracer("tests");
    for _ in 0..spans {
        drop(tracer.start("step"));
    }
    drop(provider.shutdown_with_timeout(if timeout == SHORT { LONG } else { SHORT }));
    let after = count();
    [0, 1, 2].map(|fate| after[fate] - before[fate])
}

/// One test, because the counters are those of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_span_that_ends_is_counted_once_whatever_the_collector_does() {
    let of = |collector, spans, most| tokio::task::spawn_blocking(move || fates(collector, spans, most, SHORT));

    assert_eq!(of(Collector::Takes, 50, 100).await.unwrap(), [50, 0, 0]);
    assert_eq!(of(Collector::Refuses, 50, 100).await.unwrap(), [0, 0, 50]);
    assert_eq!(of(Collector::Hangs, 50, 100).await.unwrap(), [0, 0, 50]);
    let ends_first = tokio::task::spawn_blocking(|| fates(Collector::Hangs, 50, 100, LONG));
    assert_eq!(ends_first.await.unwrap(), [0, 50, 0], "what did not leave in time");
    // Of a flood some leave while it lasts; those that find no room are dropped, and none is counted twice or not at all.
    let [exported, dropped, failed] = of(Collector::Hangs, 5_000, 10).await.unwrap();
    assert_eq!((exported, dropped + failed), (0, 5_000));
    assert!(dropped > 0 && failed > 0, "{dropped} dropped, {failed} refused");
}

#[test]
fn a_trace_that_begins_here_has_the_ids_that_were_said_before_and_no_parent() {
    keep_spans(1.0);
    let origin = Origin::begin();
    drop(Step::next(SpanKind::Internal, "first", &origin));
    let ids = origin.context().ids();
    let spans = spans_of(ids.trace);
    assert_eq!((spans.len(), spans[0].ids, spans[0].parent), (1, ids, None));
}

#[test]
fn a_trace_that_comes_in_goes_on_below_the_span_that_it_names() {
    keep_spans(1.0);
    let sent = sent_context(true);
    let first = validate_sale(Some(&sent));
    let second = validate_sale(first.context());
    let [above, below] = [first.ids().unwrap(), second.ids().unwrap()];
    drop((first, second));
    let spans = spans_of(sent.ids().trace);
    assert_eq!(spans.iter().find(|span| span.ids == above).unwrap().parent, Some(sent.ids().span));
    assert_eq!(spans.iter().find(|span| span.ids == below).unwrap().parent, Some(above.span));
}

#[test]
fn a_trace_that_is_not_kept_has_no_span_and_is_passed_on_only_if_somebody_sent_it() {
    keep_spans(1.0);
    let sent = sent_context(false);
    assert!(!validate_sale(Some(&sent)).is_kept() && !validate_sale(None).is_kept());
    assert_eq!(validate_sale(Some(&sent)).context_or(Some(sent.clone())), Some(sent));
    assert_eq!(validate_sale(None).context_or(None), None);
}

#[test]
fn a_trace_that_is_not_kept_allocates_nothing() {
    keep_spans(1.0);
    let sent = sent_context(false);
    let passed = |origin: &Origin, trace: Option<&TraceContext>| {
        let step = validate_sale(trace);
        assert!(!origin.is_sampled() && Step::next(SpanKind::Server, "request", origin).ids().is_none());
        let _future = Correlated::new(pending::<()>(), Some(origin.ids()));
        step.context_or(trace.cloned())
    };
    let used = allocation_counter::measure(|| {
        assert_eq!(passed(&Origin::unkept(), None), None);
        assert_eq!(passed(&Origin::Sent(sent.clone()), Some(&sent)).as_ref(), Some(&sent));
    });
    assert_eq!(used.count_total, 0);
}

#[tokio::test]
async fn lines_belong_to_the_trace_of_the_future_that_is_polled_and_to_no_other() {
    let [outer, inner] = [sent_context(false).ids(), sent_context(false).ids()];
    let look = async {
        let before = current();
        tokio::task::yield_now().await;
        let within = Correlated::new(async { current() }, Some(inner)).await;
        [before, within, current()]
    };
    let seen = tokio::join!(Correlated::new(look, Some(outer)), async { current() });
    assert_eq!(seen, ([Some(outer), Some(inner), Some(outer)], None));
    assert_eq!(current(), None);
}

#[test]
fn settings_that_cannot_be_followed_are_refused_by_name() {
    let with = |ratio| start(&TracesSettings { ratio, ..TracesSettings::default() }, "one");
    for ratio in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(with(ratio), Err(TracesError::Ratio(_))), "{ratio}");
    }
    assert!(with(0.5).unwrap().is_none(), "no collector, no spans");
    let outside = TracesSettings { endpoint: Some("http://127.0.0.1:4317".to_owned()), ..TracesSettings::default() };
    assert!(matches!(start(&outside, "one"), Err(TracesError::NoRuntime)));
}
