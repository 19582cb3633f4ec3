//! Counts the fate of every ended span: taken by the collector, dropped before, or not taken.
//! Batches and sends nothing itself; the library does, and is never given more than it has room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::runtime::Handle;

use crate::metrics;

/// In front of the library's batches: lets in what they have room for.
#[derive(Debug)]
pub(crate) struct Bounded<P> {
    pub(crate) batches: P,
    /// Ended and not yet with the exporter.
    pub(crate) waiting: Arc<AtomicUsize>,
    /// How many may.
    pub(crate) most: usize,
}

/// Behind the library's batches: sends on the runtime that the exporter was made in, within a deadline.
#[derive(Debug)]
pub(crate) struct Counted<E> {
    pub(crate) exporter: Arc<E>,
    pub(crate) waiting: Arc<AtomicUsize>,
    pub(crate) runtime: Handle,
    pub(crate) timeout: Duration,
}

// === impl Bounded ===

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &opentelemetry::Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.most {
            return self.batches.on_end(span);
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        metrics::DROPPED.inc();
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let ended = self.batches.shutdown_with_timeout(timeout);
        // Whatever did not leave in time never will.
        metrics::DROPPED.inc_by(self.waiting.swap(0, Ordering::Relaxed) as u64);
        ended
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

// === impl Counted ===

impl<E: SpanExporter + 'static> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let (exporter, timeout) = (self.exporter.clone(), self.timeout);
        let sending = self.runtime.spawn(async move { tokio::time::timeout(timeout, exporter.export(batch)).await });
        let sent = match sending.await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(timeout)),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        };
        let fate = if sent.is_ok() { &metrics::EXPORTED } else { &metrics::FAILED };
        fate.inc_by(count as u64);
        // At the end whoever waits is counted as dropped, and what was on its way then must not be subtracted twice.
        let _ = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(count));
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}
