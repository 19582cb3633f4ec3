//! What open live pages cost: durable 200s per second without a page, and with 1,000 that read and 100 that never do, round by round.
//! The readers run in this process, on the same cores as everything else; what they use stands in its own column.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Options;
use crate::child::{Measured, basic, cpu_seconds};
use crate::client::{Connection, metric};
use crate::wrk::{self, Report};

/// Pages that read all they are sent.
const READING: usize = 1_000;
/// Pages that are open and never read.
const SILENT: usize = 100;
/// Places for all of them, which are one user's.
const PLACES: [(&str, &str); 2] =
    [("TILLSTREAM__LIVE__MAX_PAGES", "1100"), ("TILLSTREAM__LIVE__MAX_PAGES_PER_USER", "1100")];
/// The whole model has reached everybody by then.
const OPENED: Duration = Duration::from_secs(5);

/// Pages on a thread of their own, until this is dropped.
struct Pages {
    bytes: Arc<AtomicU64>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// Prints one table: a line per round with and without pages, and the median share.
pub async fn measure(options: &Options) -> Result<()> {
    println!("### {READING} live pages, {SILENT} more that never read ({} s a round)\n", options.seconds);
    println!(
        "| round | pages | req/s | against none | p99 | not 200 | service's cores | harness's cores | MB/s read | resident MB | painter's % of a core |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut shares = Vec::new();
    for round in 1..=options.rounds {
        // Whoever goes first meets another machine than whoever goes second.
        let order = if round % 2 == 1 { [false, true] } else { [true, false] };
        let mut rates = [0.0; 2];
        for with_pages in order {
            let run = 13_000 + round * 2 + u32::from(with_pages);
            rates[usize::from(with_pages)] = one(options, with_pages, run, round, rates[0]).await?.rate;
        }
        shares.push(rates[1] / rates[0]);
    }
    shares.sort_by(f64::total_cmp);
    println!("\nmedian with pages against none: {:.3}\n", shares[shares.len() / 2]);
    Ok(())
}

async fn one(options: &Options, with_pages: bool, run: u32, round: u32, alone: f64) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let service = Measured::service(options, folder.path(), &PLACES)?;
    let reader = basic(folder.path(), "reporting-service")?;
    let pages = with_pages.then(|| Pages::open(&service.address, &reader)).transpose()?;
    if with_pages {
        tokio::time::sleep(OPENED).await;
    }
    let read_before = pages.as_ref().map_or(0, Pages::bytes);
    let (own_before, busy_before, began) = (own_cpu(), busy(&service).await?, Instant::now());
    let report = wrk::run(&service, options.seconds, run).await?;
    let took = began.elapsed().as_secs_f64();
    let (own, painter) = ((own_cpu() - own_before) / took, (busy(&service).await? - busy_before) / took * 100.0);
    let open = if with_pages { READING + SILENT } else { 0 };
    ensure!(live_pages(&service).await? as usize == open, "not all pages are open");
    // No counter of the harness comes near what a double cannot hold.
    let read = (pages.as_ref().map_or(0, Pages::bytes) - read_before) as f64 / took / 1e6;
    let share = if alone > 0.0 { format!("{:.3}", report.rate / alone) } else { String::new() };
    let Report { rate, p99, bad, server_cpu, .. } = &report;
    println!(
        "| {round} | {open} | {rate:.0} | {share} | {p99} | {bad} | {server_cpu:.2} | {own:.2} | {read:.2} | {} | {painter:.2} |",
        service.resident_mb()?
    );
    Ok(report)
}

fn own_cpu() -> f64 {
    cpu_seconds(std::process::id()).unwrap_or(0.0)
}

async fn busy(service: &Measured) -> Result<f64> {
    Ok(metric(&metrics(service).await?, "actor_busy_seconds_total", "actor=\"live\""))
}

async fn live_pages(service: &Measured) -> Result<f64> {
    Ok(metric(&metrics(service).await?, "live_pages", ""))
}

async fn metrics(service: &Measured) -> Result<String> {
    let (_, text) = Connection::open(&service.address, &service.authorization).await?.get("/metrics").await?;
    Ok(text)
}

// === impl Pages ===

impl Pages {
    fn open(address: &str, authorization: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (bytes, (stop, stopped)) = (Arc::new(AtomicU64::new(0)), tokio::sync::oneshot::channel());
        let (address, authorization, counted) = (address.to_owned(), authorization.to_owned(), bytes.clone());
        std::thread::spawn(move || {
            runtime.block_on(async move {
                let mut pages = JoinSet::new();
                for number in 0..READING + SILENT {
                    let counted = (number < READING).then(|| counted.clone());
                    pages.spawn(follow(address.clone(), authorization.clone(), counted));
                }
                // Ends with the sender.
                let _ = stopped.await;
            });
        });
        Ok(Self { bytes, _stop: stop })
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Opens a page and reads it, or does not.
async fn follow(address: String, authorization: String, counted: Option<Arc<AtomicU64>>) -> Result<()> {
    let mut stream = TcpStream::connect(&address).await.context("open a page")?;
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let Some(counted) = counted else { return std::future::pending().await };
    let mut buffer = [0; 8 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        ensure!(read > 0, "the page was closed");
        counted.fetch_add(read as u64, Ordering::Relaxed);
    }
}
