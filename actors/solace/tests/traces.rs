//! The trace of a message crosses both backends in every combination: publishers in the broker's process and through the
//! official client library, flows in the process and through the library, all on one broker and its listener.
//! Makes no span; what consumers do with a trace is theirs.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use support::embedded::{Embedded, FLOW, PREFIX};
use support::notebook::{Seen, notebook};
use support::{WITHIN, locally, until};
use tillstream_broker::{FlowOwner, OutboundMessage, TraceNote};
use tillstream_domain::{AGGREGATION_QUEUE, LEDGER_QUEUE};
use tillstream_embedded::{EmbeddedFlow, EmbeddedPublisher, FlowWiring};
use tillstream_messages::{HealthBoard, Leg, LegState, PublishMessage, TraceContext};
use tillstream_session::FlowConsumer;
use tillstream_solace::{SolaceFlow, SolacePublisher};
use tillstream_supervision::{ActorSpec, Handle, Place, Strategy, Supervisor, SupervisorSpec};
use uuid::Uuid;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Two publishers, and a flow of each kind on a queue of its own that takes whatever either publishes.
struct Bench {
    broker: Embedded,
    through_library: Handle<SolacePublisher>,
    in_process: Handle<EmbeddedPublisher>,
    by_library: Arc<Seen>,
    by_process: Arc<Seen>,
    _flows: (Handle<SolaceFlow>, Handle<EmbeddedFlow>),
    _root: Supervisor,
}

impl Bench {
    async fn new() -> Self {
        let (broker, place, health) = (Embedded::start(), Place::here(), HealthBoard::default());
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &place);
        let through_library = broker.publisher(&root, &place, &health);
        let (library_flow, by_library) = broker.flow(&root, &place, &health, LEDGER_QUEUE);
        let (consumer, by_process) = notebook(&root, &place, "insider");
        let process_flow = in_process_flow(&root, &place, &broker, consumer);
        let own = broker.broker();
        let factory = move || EmbeddedPublisher::new(own.clone(), 100, HealthBoard::default());
        let in_process = root.spawn(ActorSpec::new("insider-publisher", "publisher"), &place, factory).unwrap();
        until("the library is connected", || [Leg::Publish, FLOW].iter().all(|leg| health.get(*leg) == LegState::Up))
            .await;
        let flows = (library_flow, process_flow);
        Self { broker, through_library, in_process, by_library, by_process, _flows: flows, _root: root }
    }

    /// The traces of so many messages as both flows have seen them.
    async fn seen(&self, count: usize) -> [Vec<Option<TraceContext>>; 2] {
        let flows = [&self.by_library, &self.by_process];
        until(&format!("both flows have seen {count}"), || flows.iter().all(|seen| seen.tags().len() == count)).await;
        flows.map(|seen| seen.messages.lock().unwrap().iter().map(|message| message.trace.clone()).collect())
    }
}

fn in_process_flow(
    root: &Supervisor,
    place: &Place,
    broker: &Embedded,
    consumer: FlowConsumer,
) -> Handle<EmbeddedFlow> {
    let wiring = FlowWiring {
        broker: broker.broker(),
        queue: AGGREGATION_QUEUE.to_owned(),
        window: 100,
        consumer,
        leg: Leg::ConsumeSales,
        health: HealthBoard::default(),
        epochs: Arc::default(),
        owner: FlowOwner::new(),
    };
    root.spawn(ActorSpec::new("insider-flow", "flow"), place, move || EmbeddedFlow::new(wiring.clone())).unwrap()
}

/// Contexts with all that they may have, and none.
fn contexts() -> Vec<Option<TraceContext>> {
    let longest = "a=".to_owned() + &"b".repeat(510);
    let states = ["", "rojo=1,congo=t61", &longest];
    let traced = states.map(|state| Some(TraceContext::parse(PARENT, state).unwrap()));
    let unsampled = TraceContext::parse(&PARENT.replace("-01", "-00"), "");
    traced.into_iter().chain([unsampled, None]).collect()
}

fn sale(number: u128, trace: Option<TraceContext>) -> PublishMessage {
    let topic = format!("{PREFIX}/receipt/STORE_1/{number}");
    PublishMessage { trace, ..PublishMessage::new(topic, Uuid::from_u128(number + 1), number.to_string(), 1) }
}

#[tokio::test]
async fn whoever_publishes_a_trace_whoever_consumes_it_sees_it_whole() {
    locally(async {
        let bench = Bench::new().await;

        for (number, trace) in (0..).zip(contexts()) {
            let (one, two) = (sale(2 * number, trace.clone()), sale(2 * number + 1, trace));
            assert_eq!(bench.through_library.ask(one, WITHIN).await, Ok(Ok(())));
            assert_eq!(bench.in_process.ask(two, WITHIN).await, Ok(Ok(())));
        }

        let expected: Vec<_> = contexts().into_iter().flat_map(|trace| [trace.clone(), trace]).collect();
        let [by_library, by_process] = bench.seen(expected.len()).await;
        assert_eq!(by_library, expected, "through the library");
        assert_eq!(by_process, expected, "in the process");
    })
    .await;
}

#[tokio::test]
async fn a_trace_that_is_invalid_counts_as_absent_and_its_message_comes_all_the_same() {
    locally(async {
        let bench = Bench::new().await;
        let valid = TraceNote { trace: 1, span: 2, flags: 1, state: "" };
        let notes = [
            TraceNote { trace: 0, ..valid }.alone(),
            TraceNote { span: 0, ..valid }.alone(),
            TraceNote { state: "a=\u{e4}", ..valid }.alone(),
            valid.alone().slice(..20),
            Bytes::new(),
        ];

        for (number, properties) in (0_u128..).zip(notes) {
            let PublishMessage { topic, payload, .. } = sale(number, None);
            let message = OutboundMessage { topic, message_id: Uuid::nil(), properties, payload };
            bench.broker.broker().publish(message).await.unwrap();
        }

        let stateless = TraceContext::parse("00-00000000000000000000000000000001-0000000000000002-01", "");
        let expected = [None, None, stateless, None, None];
        let seen = bench.seen(expected.len()).await;
        assert_eq!(seen, [expected.to_vec(), expected.to_vec()], "through the library, and in the process");
        assert_eq!(bench.by_library.numbers(), (0..5).collect::<Vec<_>>());
    })
    .await;
}
