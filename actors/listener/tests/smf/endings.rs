//! The listener's own failures: under load, with connections open, on a thread that is blocked.
//! What was acknowledged is in the queue each time, and whoever comes again is served.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tillstream_broker::Broker;
use tillstream_listener::ListenerSettings;
use tillstream_smf::{Answer, AnswerBody, Reply, Response};
use tillstream_supervision::{Fault, Place, Watchdog, WatchdogSettings};
use tokio::time::timeout;

use crate::bench::{Bench, until};
use crate::client::{Client, Publisher, WITHIN, login};
use crate::in_tree;

/// A publisher that comes again whenever it is cut off, with what it does not know to be acknowledged, as client
/// libraries do.
#[derive(Default)]
struct Persistent {
    name: String,
    acked: u64,
    sent: u64,
    /// How often it was cut off.
    cuts: u32,
    /// It sends nothing new any more.
    enough: Rc<Cell<bool>>,
}

impl Persistent {
    /// Goes on until it has enough and everything is acknowledged.
    async fn publish(mut self, address: SocketAddr) -> Self {
        while !self.is_done() {
            let Some((mut client, publisher)) = self.come_again(address).await else { continue };
            if !self.publish_until_cut(&mut client, &publisher).await {
                self.cuts += 1;
            }
        }
        self
    }

    fn is_done(&self) -> bool {
        self.enough.get() && self.acked == self.sent
    }

    async fn come_again(&mut self, address: SocketAddr) -> Option<(Client, Publisher)> {
        let mut client = Client::connect(address, "publisher").await;
        client
            .try_send_login(login("publisher", "all", "secret"))
            .await
            .filter(|response| *response == Response::OK)?;
        let flow = client.open_or_cut(&self.name, self.acked, self.sent).await?;
        (self.name, self.acked) = (flow.flow_name.clone().unwrap(), flow.last_acked);
        Some((client, Publisher { last: self.acked, flow }))
    }

    /// False when the connection was cut.
    async fn publish_until_cut(&mut self, client: &mut Client, publisher: &Publisher) -> bool {
        let mut on_wire = self.acked;
        while !self.is_done() {
            let until = if self.enough.get() { self.sent } else { self.acked + 50 };
            let next = on_wire + 1..=until.max(self.sent);
            let messages: Vec<_> =
                next.clone().map(|id| publisher.numbered(id, "q/a", id.to_string(), id <= self.sent)).collect();
            (on_wire, self.sent) = (*next.end(), *next.end());
            if !client.try_send_all(messages).await {
                return false;
            }
            match client.reply().await {
                Some(Reply::Answer(Answer { response, body: AnswerBody::PublishAck(ack), .. })) => {
                    assert_eq!(response, Response::OK);
                    self.acked = ack.last_acked;
                }
                None => return false,
                other => panic!("not an acknowledgement: {other:?}"),
            }
        }
        true
    }
}

/// Every number from 1 to the last, each once and in order.
async fn stored_once(broker: &Broker, last: u64) {
    let mut flow = broker.bind("q", usize::MAX).unwrap();
    let mut numbers: Vec<u64> = Vec::new();
    while (numbers.len() as u64) < last || !flow.has_all() {
        let batch = timeout(WITHIN, flow.next_batch(1_000)).await;
        let batch = batch.unwrap_or_else(|_| panic!("{} of {last} messages are in the queue", numbers.len())).unwrap();
        numbers.extend(batch.iter().map(|it| String::from_utf8_lossy(&it.payload).parse::<u64>().unwrap()));
    }
    assert!(numbers.into_iter().eq(1..=last), "lost, doubled or out of order");
}

#[test]
fn an_actor_that_panics_again_and_again_under_load_loses_nothing_that_it_acknowledged() {
    in_tree(async {
        let bench = Bench::with(ListenerSettings::default(), &Place::arbiter("smf"));
        let publisher = Persistent::default();
        let enough = Rc::clone(&publisher.enough);
        let publishing = tokio::task::spawn_local(publisher.publish(bench.address));
        for _ in 0..5 {
            let depth = bench.depth("q");
            until("messages arrive between two faults", || bench.depth("q") > depth + 20).await;
            drop(bench.root.inject("root.smf", Fault::Panic).unwrap());
        }
        let depth = bench.depth("q");
        until("messages arrive after the last fault", || bench.depth("q") > depth + 20).await;
        enough.set(true);

        let publisher = timeout(WITHIN, publishing).await.expect("the publisher is stuck").unwrap();
        assert!(publisher.cuts > 0, "no fault hit the publisher");
        stored_once(&bench.broker, publisher.sent).await;
    });
}

/// A tree whose watchdog is quick, with a reader that has three messages in hand.
struct Blocked {
    bench: Bench,
    watchdog: Watchdog,
    reader: Client,
}

impl Blocked {
    async fn new() -> Self {
        let bench = Bench::with(ListenerSettings::default(), &Place::arbiter("smf"));
        let settings = WatchdogSettings {
            every: Duration::from_millis(20),
            blocked_after: Duration::from_millis(300),
            max_zombies: 5,
            ..WatchdogSettings::default()
        };
        let watchdog = Watchdog::start(&bench.root, settings, |_| {});
        let mut reader = Client::login(bench.address, "reader").await;
        reader.bind("q", 255).await.unwrap();
        bench.publish("q/a", 1..=3).await;
        reader.deliveries(3).await;
        Self { bench, watchdog, reader }
    }

    fn block(&self, time: Duration) {
        drop(self.bench.root.inject("root.smf", Fault::Block(time)).unwrap());
    }

    /// The queue is bound again, and its messages come again.
    async fn takes_over(&self) -> Client {
        let mut reader = Client::login(self.bench.address, "reader").await;
        let bound = reader.bind("q", 255).await.unwrap();
        assert_eq!(bound.active, Some(true), "the blocked thread still holds the queue");
        let got = reader.deliveries(3).await;
        assert!(got.iter().all(|delivery| delivery.guaranteed.unwrap().redelivered));
        reader
    }
}

#[test]
fn what_a_blocked_thread_holds_is_free_as_soon_as_the_thread_is_replaced() {
    in_tree(async {
        let mut blocked = Blocked::new().await;
        // Far longer than anything here waits: nothing comes from the thread itself.
        blocked.block(WITHIN * 10);
        blocked.reader.closed().await;
        blocked.takes_over().await;
        assert_eq!(blocked.watchdog.liveness().zombies(), 1);
    });
}

#[test]
fn a_thread_that_wakes_up_after_it_was_replaced_serves_nobody() {
    in_tree(async {
        let mut blocked = Blocked::new().await;
        let address = blocked.bench.address;
        let mut early = Client::login(address, "publisher").await;
        let publisher = early.open_publisher(50).await;
        blocked.block(Duration::from_secs(2));
        // These wait in the socket of the thread that sleeps.
        let messages = || (1..=5).map(|id| publisher.numbered(id, "other/a", id.to_string(), false));
        early.try_send_all(messages()).await;
        blocked.reader.closed().await;
        early.closed().await;

        let mut reader = blocked.takes_over().await;
        let mut late = Client::login(address, "publisher").await;
        let flow = late.try_open(publisher.flow.flow_name.as_deref().unwrap(), 0, 5, 50).await.unwrap();
        let resumed = Publisher { last: 5, flow };
        late.send_all(
            (resumed.flow.last_acked + 1..=6).map(|id| resumed.numbered(id, "other/a", id.to_string(), true)),
        )
        .await;
        late.acknowledged(6).await;

        until("the thread has woken up and ended", || blocked.watchdog.liveness().zombies() == 0).await;
        reader.nothing_else().await;
        late.nothing_else().await;
        assert_eq!((blocked.bench.depth("q"), blocked.bench.depth("other")), (3, 6));
        assert_eq!(blocked.bench.stats("q").consumers, 1);
    });
}

#[test]
fn a_closed_broker_ends_flows_and_refuses_messages() {
    in_tree(async {
        let bench = Bench::new();
        let mut client = Client::login(bench.address, "both").await;
        let mut publisher = client.open_publisher(50).await;
        let flow_id = client.bind("q", 255).await.unwrap().flow_id;
        bench.broker.close().await;

        let late = publisher.message("other/a", "late");
        client.send_all([late]).await;
        let mut ended = (false, false);
        while ended != (true, true) {
            let Answer { response, body, .. } = client.answer().await;
            assert_eq!(response, Response::SERVICE_UNAVAILABLE);
            match body {
                AnswerBody::Unbind { flow_id: gone } if gone == flow_id => ended.0 = true,
                AnswerBody::PublishAck(_) => ended.1 = true,
                other => panic!("unexpected: {other:?}"),
            }
        }
    });
}
