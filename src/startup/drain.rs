//! The order in which a process stops: it follows the data.
//! Does not decide when.

use std::time::Duration;

use tillstream_supervision::Supervisor;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::Application;
use super::carrier::Carrier;
use crate::live::Live;

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A worker that has given up its place still has to write the answer.
const LAST_WRITES: Duration = Duration::from_millis(50);

impl Application {
    /// Tills, HTTP, the pipeline (while what it publishes to still answers), validation, reporting, session, broker.
    pub(super) async fn drain_in_order(self) {
        let started = Instant::now();
        self.health.start_draining();
        info!("draining");
        if let Some(tills) = &self.tills {
            stop(tills.supervisor()).await;
        }
        self.stop_http().await;
        self.rooms.finish_decisions(self.settings.shutdown.grace / 4).await;
        for supervisor in self.rooms.in_order_of_data() {
            stop(supervisor).await;
        }
        stop(&self.root).await;
        if let Some(broker) = self.carrier.as_ref().and_then(Carrier::embedded) {
            broker.close().await;
        }
        info!(drained_ms = started.elapsed().as_millis(), "drained");
    }

    /// Goes on serving until a balancer has seen the 503 of readiness, then takes no connection, lets what is in
    /// flight end and cuts idle connections: waiting for their keep-alive would eat the grace.
    async fn stop_http(&self) {
        sleep(self.settings.shutdown.announce).await;
        // Streams have no end of their own.
        self.live.iter().for_each(Live::close);
        self.server.pause().await;
        let give_up = Instant::now() + self.settings.shutdown.grace / 2;
        while self.in_flight.count() > 0 && Instant::now() < give_up {
            sleep(LOOK_EVERY).await;
        }
        sleep(LAST_WRITES).await;
        self.server.stop(false).await;
    }
}

async fn stop(supervisor: &Supervisor) {
    for path in supervisor.shutdown().await.terminated {
        warn!(actor.path = %path, "actor `{path}` did not stop in time and was terminated");
    }
}
