//! What a sale costs in allocations from its delivery to its window, counted on the thread that does the work.
//! Measures no time; a sale that nobody traces must cost the same whether traces are kept or not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::time::Duration;

use tillstream_domain::fixtures::{SampleBody, sample_id, sample_time};
use tillstream_messages::{
    DeliveryTag, EnvironmentFaults, FlowBound, HealthBoard, InboundMessage, MessagesDelivered, TraceContext,
};
use tillstream_supervision::{Place, Port, Strategy, Supervisor, SupervisorSpec};
use tillstream_traces::testing::{keep_spans, sent_context};
use tillstream_window::{
    Aggregation, AggregationPlaces, AggregationPorts, AggregationSettings, DedupSettings, WindowSettings,
    spawn_aggregation,
};
use tokio::task::LocalSet;

const BATCHES: u64 = 40;
const BATCH: u64 = 500;
const WITHIN: Duration = Duration::from_secs(60);

fn room(root: &Supervisor, data_dir: &std::path::Path) -> Aggregation {
    let places = AggregationPlaces { windows: Place::here(), outbox: Place::here() };
    let settings = AggregationSettings {
        window: WindowSettings::default(),
        dedup: DedupSettings::default(),
        topics: tillstream_domain::Topics::default(),
        data_dir: data_dir.to_owned(),
        windows: SupervisorSpec::new("windows", Strategy::OneForOne),
    };
    let ports = AggregationPorts {
        aggregates: Port::from_fn(|_| Ok(())),
        messages: Port::from_fn(|_| Ok(())),
        acknowledge: Port::from_fn(|_| ()),
        rebind: Port::from_fn(|_| ()),
        health: HealthBoard::default(),
        faults: EnvironmentFaults::default(),
    };
    spawn_aggregation(root, &places, settings, ports).unwrap()
}

/// Sales of one window of one store, so that nothing becomes due meanwhile.
fn batches(trace: Option<&TraceContext>) -> Vec<MessagesDelivered> {
    let message = |number: u64| {
        let body = SampleBody { id: sample_id(number), ..SampleBody::default() };
        let payload = body.checked().transaction.to_payload(sample_time(0)).into();
        let tag = DeliveryTag { epoch: 1, number };
        InboundMessage { tag, topic: "receipt".into(), payload, redelivered: false, trace: trace.cloned() }
    };
    let batch = |of| (of * BATCH + 1..=(of + 1) * BATCH).map(message).collect();
    (0..BATCHES).map(|of| MessagesDelivered { epoch: 1, messages: batch(of) }).collect()
}

/// Allocations and bytes of folding all of them.
fn cost(trace: Option<&TraceContext>) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (local, dir) = (LocalSet::new(), tempfile::tempdir().unwrap());
    let root_and_room = local.block_on(&runtime, async {
        let root = Supervisor::root(SupervisorSpec::new("root", Strategy::OneForOne), &Place::here());
        let room = room(&root, dir.path());
        room.flow_bound.ask(FlowBound { epoch: 1, window: 1_000_000 }, WITHIN).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        (root, room)
    });
    let batches = batches(trace);
    let used = allocation_counter::measure(|| {
        local.block_on(&runtime, async {
            for batch in batches {
                root_and_room.1.messages.ask(batch, WITHIN).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        });
    });
    (used.count_total, used.bytes_total)
}

#[test]
fn a_sale_that_is_not_sampled_costs_no_more_while_traces_are_kept_than_while_they_are_off() {
    let off = cost(None);

    keep_spans(1.0);
    let (without, unsampled) = (cost(None), cost(Some(&sent_context(false))));

    // The room's store works in the background and allocates now and then; one allocation per sale would be twenty times that.
    let sales = BATCHES * BATCH;
    for (allocations, bytes) in [off, without, unsampled] {
        assert!(allocations * 10 <= sales, "{allocations} allocations for {sales} sales: they are made per batch");
        assert!(bytes <= off.1 + 4 * sales, "{bytes} bytes, and {} while traces are off", off.1);
    }
    let (sampled, _) = cost(Some(&sent_context(true)));
    assert!(sampled >= sales, "the comparison sees a sale that is sampled: {sampled}");
}
