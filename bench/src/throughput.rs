//! Durable 200s per second of the service beside answers per second of the floor, in alternating rounds.
//! The service keeps its folder over all rounds, so that later rounds meet a filled broker, as in life.

use anyhow::Result;

use crate::Options;
use crate::child::Measured;
use crate::client::{Connection, metric};
use crate::wrk::{self, Report};

const SALES_QUEUE: &str = "queue=\"sale_pos_transaction_aggregation_service\"";

/// Prints the table; gives back the service's median rate.
pub async fn measure(options: &Options) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    println!("### Durable 200s against the floor ({} s a round, wrk, 1 thread, 64 connections)\n", options.seconds);
    let mut queues = Vec::new();
    println!(
        "| round | floor req/s | service req/s | ratio | not 200 | wrk's cores (floor, service) | server's cores | wrk p99 |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let (mut floors, mut services) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        let floor = wrk::run(&Measured::floor(options)?, options.seconds, round).await?;
        let service = Measured::service(options, folder.path(), &[])?;
        let report = wrk::run(&service, options.seconds, 1_000 + round).await?;
        queues.push(queue_line(&service, report.rate).await?);
        print_round(round, &floor, &report);
        floors.push(floor.rate);
        services.push(report.rate);
    }
    let (floor, service) = (median(floors), median(services));
    println!("\nSales queue at the end of each round:\n");
    queues.iter().for_each(|queue| println!("- {queue}"));
    println!("\nMedian: floor {floor:.0}/s, service {service:.0}/s, ratio {:.2}\n", service / floor);
    Ok(service)
}

fn print_round(round: u32, floor: &Report, service: &Report) {
    let ratio = service.rate / floor.rate;
    println!(
        "| {round} | {:.0} | {:.0} | {ratio:.2} | {} | {:.2}, {:.2} | {:.2} | {} |",
        floor.rate, service.rate, service.bad, floor.own_cpu, service.own_cpu, service.server_cpu, service.p99
    );
}

/// What the queue holds beyond what aggregation has taken, in messages and in seconds of this load.
async fn queue_line(service: &Measured, rate: f64) -> Result<String> {
    let mut connection = Connection::open(&service.address, &service.authorization).await?;
    let (_, text) = connection.get("/metrics").await?;
    let depth = metric(&text, "broker_queue_depth", SALES_QUEUE);
    let taken = metric(&text, "broker_unacknowledged", SALES_QUEUE);
    let waiting = (depth - taken).max(0.0);
    Ok(format!("depth {depth:.0}, of it unacknowledged {taken:.0}, so {:.2} s of load wait", waiting / rate))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
