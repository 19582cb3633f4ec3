//! A collector that counts the spans it is sent and throws them away.
//! Runs in this process, so it takes processor time from what is measured, as one beside a service does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// Counts spans; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Sink(Arc<AtomicU64>);

// === impl Sink ===

impl Sink {
    /// Spans so far.
    pub fn spans(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// On a thread of its own, so that it takes spans while this one waits for a load to end.
    pub fn serve(&self) -> Result<SocketAddr> {
        let service = TraceServiceServer::new(self.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("listen for spans")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            runtime.block_on(async {
                let incoming = TcpListenerStream::new(TcpListener::from_std(listener)?);
                Server::builder().add_service(service).serve_with_incoming(incoming).await.context("take spans")
            })
        });
        Ok(address)
    }
}

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.get_ref().resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(spans as u64, Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
