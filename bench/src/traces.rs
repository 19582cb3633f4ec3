//! What traces cost: durable 200s per second without a collector, and with one at 0, 1 and 100 % of the traces, round by round.
//! The collector takes every span and throws it away; it runs in this process, on the same cores as everything else.

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

use crate::Options;
use crate::child::Measured;
use crate::wrk;

/// The shares, as settings; none is a service that knows no collector.
const RATIOS: [(&str, Option<&str>); 4] =
    [("off", None), ("0 %", Some("0")), ("1 % (default)", Some("0.01")), ("100 %", Some("1"))];

/// Counts spans.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<AtomicU64>);

/// Prints one table: a line per round and share, and the median of each share against none.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### Traces: durable 200s per second by share of kept traces ({} s a round)\n", options.seconds);
    println!("| round | kept | req/s | against off | not 200 | cores | spans taken |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let sink = Sink::default();
    let endpoint = format!("http://{}", sink.serve()?);
    let mut ratios = vec![Vec::new(); RATIOS.len()];
    for round in 1..=options.rounds {
        let mut off = 0.0;
        for (index, (name, ratio)) in (0_u32..).zip(RATIOS) {
            let before = sink.0.load(Ordering::Relaxed);
            let report = one(options, ratio, &endpoint, round * 10 + index).await?;
            if ratio.is_none() {
                off = report.rate;
            }
            let (share, spans) = (report.rate / off, sink.0.load(Ordering::Relaxed) - before);
            ratios[index as usize].push(share);
            let wrk::Report { rate, bad, server_cpu, .. } = report;
            println!("| {round} | {name} | {rate:.0} | {share:.2} | {bad} | {server_cpu:.2} | {spans} |");
        }
    }
    println!();
    for ((name, _), shares) in RATIOS.iter().zip(&mut ratios).skip(1) {
        shares.sort_by(f64::total_cmp);
        println!("median of {name} against off: {:.2}", shares[shares.len() / 2]);
    }
    println!();
    Ok(())
}

async fn one(options: &Options, ratio: Option<&str>, endpoint: &str, run: u32) -> Result<wrk::Report> {
    let folder = tempfile::tempdir()?;
    let settings: Vec<(&str, &str)> = match ratio {
        None => Vec::new(),
        Some(ratio) => vec![("TILLSTREAM__TRACES__ENDPOINT", endpoint), ("TILLSTREAM__TRACES__RATIO", ratio)],
    };
    let service = Measured::service(options, folder.path(), &settings)?;
    wrk::run(&service, options.seconds, 11_000 + run).await
}

// === impl Sink ===

impl Sink {
    /// On a thread of its own, so that it takes spans while this one waits for a load to end.
    fn serve(&self) -> Result<SocketAddr> {
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
