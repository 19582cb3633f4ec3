//! Which spans the room leaves of sampled sales and of their windows, and that it leaves none of the others.
//! Which of a process's spans are its own a test knows by the traces that it has sent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use tillstream_domain::rfc3339;
use tillstream_messages::{TraceContext, TraceIds};
use tillstream_supervision::Fault;
use tillstream_traces::testing::{EndedSpan, keep_spans, linked_to, sent_context, spans_of};

use crate::broker::Emission;
use crate::deadline::run;
use crate::random::Random;
use crate::sales::payload;
use crate::tills::Tills;
use crate::world::World;

const UNLIMITED: usize = 1_000_000;
const PROCESS: &str = "process sale_pos_transaction_aggregation_service";

/// All that spans of this room may say about sales.
const SAID: [&str; 6] =
    ["pos.outcome", "pos.store.id", "pos.transaction.id", "pos.window.end", "pos.window.sales", "pos.window.start"];

/// Of a store, so long ago.
fn put_sampled(world: &mut World, number: u128, store: u32, lag_ms: i64) -> TraceContext {
    keep_spans(0.0);
    let trace = sent_context(true);
    let sale = world.sale(number, store, lag_ms, 100);
    world.put_traced(payload(&sale), trace.clone());
    trace
}

fn named<'a>(spans: &'a [EndedSpan], name: &str) -> Vec<&'a EndedSpan> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The one span of this trace that has the name.
fn only(trace: &TraceContext, name: &str) -> EndedSpan {
    let spans = spans_of(trace.ids().trace);
    let [span] = named(&spans, name)[..] else { panic!("`{name}` in {spans:#?}") };
    span.clone()
}

fn names(trace: &TraceContext) -> Vec<String> {
    spans_of(trace.ids().trace).into_iter().map(|span| span.name).collect()
}

fn told(world: &World) -> Vec<Option<TraceIds>> {
    world.broker().emissions.iter().map(|Emission { trace, .. }| trace.as_ref().map(TraceContext::ids)).collect()
}

#[test]
fn a_sampled_sale_is_processed_and_folded_and_each_event_of_its_window_is_a_trace_that_is_linked_to_it() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        let sale = world.sale(1, 1, 0, 100);
        let trace = put_sampled(&mut world, 1, 1, 0);
        world.put_traced(payload(&world.sale(2, 1, 0, 100)), sent_context(false));
        world.put(world.sale(3, 1, 0, 100));
        world.put(world.sale(4, 2, 0, 100));
        world.settle().await;

        let (process, fold) = (only(&trace, PROCESS), only(&trace, "fold sale"));
        assert_eq!(names(&trace), ["fold sale", PROCESS], "the delivery ends with the fold");
        assert_eq!((process.kind, process.parent), ("consumer", Some(trace.ids().span)));
        assert_eq!(
            (process.says("pos.store.id"), process.says("pos.transaction.id")),
            ("STORE_1", &*sale.id.to_string())
        );
        assert_eq!((fold.kind, fold.parent), ("internal", Some(process.ids.span)));
        assert_eq!((fold.says("pos.outcome"), fold.says("pos.store.id")), ("taken", "STORE_1"));

        let emitted = linked_to(trace.ids().trace);
        let outcomes: Vec<_> = emitted.iter().map(|span| span.says("pos.outcome")).collect();
        assert_eq!(outcomes, ["first", "final"]);
        for span in &emitted {
            assert_eq!((span.name.as_str(), span.kind, span.parent), ("emit window", "internal", None));
            assert_eq!((&span.links, span.says("pos.window.sales")), (&vec![fold.ids], "3"));
            assert_eq!(span.says("pos.window.start"), fold.says("pos.window.start"));
            assert_eq!(span.says("pos.window.end"), fold.says("pos.window.end"));
        }
        let start = world.broker().emissions[0].event.window_start;
        assert_eq!(fold.says("pos.window.start"), rfc3339(start));
        assert_ne!(emitted[0].ids.trace, emitted[1].ids.trace);
        let mut traces: Vec<_> = told(&world).into_iter().flatten().collect();
        traces.sort_by_key(|ids| emitted.iter().position(|span| span.ids == *ids));
        assert_eq!(traces, [emitted[0].ids, emitted[1].ids], "the other store's window holds nothing that is sampled");
    });
}

#[test]
fn late_and_rejected_messages_are_published_in_the_trace_of_their_sale() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.steps(200).await;
        let late = put_sampled(&mut world, 2, 1, 200_000);
        world.put(world.sale(3, 1, 0, 100));
        let conflict = put_sampled(&mut world, 3, 2, 0);
        let poison = sent_context(true);
        world.put_traced(Bytes::from("{"), poison.clone());
        world.settle().await;

        let parents = [(&late, "fold sale", "late"), (&conflict, PROCESS, "conflict"), (&poison, PROCESS, "rejected")];
        let mut sent = Vec::new();
        for (trace, parent, outcome) in parents {
            let parent = only(trace, parent);
            let send = only(trace, if outcome == "late" { "send late" } else { "send rejected" });
            assert_eq!(parent.says("pos.outcome"), outcome);
            assert_eq!((send.kind, send.parent, send.is_failed), ("producer", Some(parent.ids.span), false));
            sent.push(send.ids);
        }
        let heard: BTreeSet<_> = world.broker().message_traces.iter().flatten().map(|trace| trace.ids().span).collect();
        assert_eq!(heard, sent.iter().map(|ids| ids.span).collect());
        assert!(linked_to(late.ids().trace).is_empty() && linked_to(conflict.ids().trace).is_empty());
    });
}

#[test]
fn a_sale_that_is_told_again_after_a_restart_has_no_second_span_and_its_window_is_not_linked_to_it_any_more() {
    run(async {
        for (actor, outcomes) in [("windows.STORE_1", vec![]), ("router", vec!["final"]), ("outbox", vec!["final"])] {
            let mut world = World::start(UNLIMITED).await;
            let trace = put_sampled(&mut world, 1, 1, 0);
            world.step(true).await;
            assert_eq!(names(&trace), ["fold sale", PROCESS], "{actor}");

            world.inject(actor, Fault::Panic);
            world.settle().await;

            assert_eq!(world.restarts(actor), 1);
            assert_eq!(names(&trace), ["fold sale", PROCESS], "{actor}");
            let linked = linked_to(trace.ids().trace);
            let last: Vec<_> =
                linked.iter().map(|span| span.says("pos.outcome")).filter(|told| *told == "final").collect();
            assert_eq!(last, outcomes, "{actor}");
            world.assert_everything_is_counted_once(actor);
        }
    });
}

#[test]
fn a_message_that_the_broker_delivers_again_is_another_delivery_in_the_same_trace_and_its_fold_says_so() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        let trace = put_sampled(&mut world, 1, 1, 0);
        world.step(true).await;

        world.inject("intake", Fault::Panic);
        world.settle().await;

        let spans = spans_of(trace.ids().trace);
        let folds: Vec<_> = named(&spans, "fold sale").iter().map(|fold| fold.says("pos.outcome")).collect();
        assert_eq!((named(&spans, PROCESS).len(), folds), (2, vec!["taken", "delivered again"]));
        let linked: BTreeSet<_> =
            linked_to(trace.ids().trace).into_iter().flat_map(|span| span.links).map(|link| link.span).collect();
        assert_eq!(linked, BTreeSet::from([named(&spans, "fold sale")[0].ids.span]));
    });
}

#[test]
fn an_emission_lasts_until_the_broker_has_the_event_and_every_failed_attempt_to_publish_a_late_sale_is_a_span() {
    run(async {
        let mut world = World::start(UNLIMITED).await;
        world.put(world.sale(1, 1, 0, 100));
        world.steps(200).await;
        world.broker().refuse_percent = 100;
        let trace = put_sampled(&mut world, 2, 1, 0);
        let late = put_sampled(&mut world, 3, 1, 200_000);
        world.steps(240).await;
        assert!(linked_to(trace.ids().trace).is_empty());
        assert!(named(&spans_of(late.ids().trace), "send late").iter().all(|attempt| attempt.is_failed));

        world.broker().refuse_percent = 0;
        world.settle().await;

        assert!(!linked_to(trace.ids().trace).is_empty());
        let attempts = spans_of(late.ids().trace);
        let attempts = named(&attempts, "send late");
        let failed = attempts.iter().filter(|attempt| attempt.is_failed).count();
        assert!(failed > 1 && failed + 1 == attempts.len(), "{failed} of {}", attempts.len());
    });
}

/// What the sampled traces of a world must have left, told by what each of their spans says.
struct Audit {
    /// Folds that were taken, by store and window.
    taken: BTreeMap<(String, String), Vec<TraceIds>>,
    sampled: usize,
}

impl Audit {
    fn of(world: &World) -> Self {
        let mut audit = Self { taken: BTreeMap::new(), sampled: 0 };
        let broker = world.broker();
        for trace in broker.traces.values() {
            let spans = spans_of(trace.ids().trace);
            let delivered = broker.deliveries.get(&trace.ids().trace).copied().unwrap_or_default();
            if trace.is_sampled() {
                audit.check(trace, &spans, delivered);
            } else {
                assert_eq!(spans.len(), 0, "{spans:#?}");
            }
        }
        audit
    }

    /// One span per delivery; below it a fold unless it got no farther; below that what had to be published instead.
    fn check(&mut self, trace: &TraceContext, spans: &[EndedSpan], delivered: usize) {
        let (processes, folds) = (named(spans, PROCESS), named(spans, "fold sale"));
        assert_eq!(processes.len(), delivered, "{spans:#?}");
        let mut published = Vec::new();
        for process in processes {
            assert_eq!(process.parent, Some(trace.ids().span));
            let fold = folds.iter().find(|fold| fold.parent == Some(process.ids.span));
            let last = fold.copied().unwrap_or(process);
            match last.says("pos.outcome") {
                "taken" => self.taken.entry(window_of(last)).or_default().push(last.ids),
                "late" => published.push(("send late", Some(last.ids.span))),
                "conflict" | "rejected" => published.push(("send rejected", Some(last.ids.span))),
                "duplicate" => {}
                other => panic!("`{other}` in {spans:#?}"),
            }
        }
        let sends = spans.iter().filter(|span| span.kind == "producer");
        assert_eq!(sends.map(|span| (span.name.as_str(), span.parent)).collect::<Vec<_>>(), published);
        assert_eq!(spans.len(), delivered + folds.len() + published.len(), "{spans:#?}");
        spans.iter().for_each(says_nothing_personal);
        self.sampled += delivered;
    }

    /// One span per event of a window that holds sampled sales; each is linked to those that were there, the last to all.
    fn check_emissions(&self, world: &World) -> usize {
        let mut expected: BTreeSet<_> = self.taken.keys().cloned().collect();
        let (broker, mut emitted) = (world.broker(), 0);
        for Emission { event, trace, .. } in &broker.emissions {
            let window = (event.store_id.to_string(), rfc3339(event.window_start));
            let sales = self.taken.get(&window).map_or(&[][..], Vec::as_slice);
            let Some(trace) = trace else {
                assert!(!event.is_final || sales.is_empty(), "{window:?} has {} sampled sales", sales.len());
                continue;
            };
            let span = only(trace, "emit window");
            emitted += 1;
            says_nothing_personal(&span);
            assert_eq!(names(trace).len(), 1, "the validator's spans are not this room's");
            assert!(span.links.iter().all(|link| sales.contains(link)), "{span:#?}");
            if event.is_final {
                assert_eq!(span.links.len(), sales.len().min(32));
                assert!(expected.remove(&window), "{window:?} is final twice");
            }
        }
        assert!(expected.is_empty(), "never final: {expected:?}");
        emitted
    }
}

fn window_of(fold: &EndedSpan) -> (String, String) {
    (fold.says("pos.store.id").to_owned(), fold.says("pos.window.start").to_owned())
}

fn says_nothing_personal(span: &EndedSpan) {
    let about_sales = span.attributes.keys().filter(|key| key.starts_with("pos."));
    about_sales.for_each(|key| assert!(SAID.contains(&key.as_str()), "`{key}` in {span:#?}"));
    assert!(!format!("{span:?}").contains("CUST_1"), "{span:#?}");
}

#[test]
fn whatever_tills_send_and_whichever_of_it_is_sampled_there_are_exactly_the_spans_of_the_catalogue() {
    keep_spans(0.0);
    for seed in crate::seeds(12) {
        run(async {
            let mut world = World::start(UNLIMITED).await;
            world.sampling = Some(Random::seeded(seed ^ 0x5eed));
            let mut tills = Tills::new(seed);
            tills.criminal = true;
            for _ in 0..240 {
                tills.sell(&mut world);
                world.step(true).await;
            }
            tills.send_again(&mut world, true);
            world.settle().await;
            world.assert_everything_is_counted_once(&format!("seed {seed}"));

            let audit = Audit::of(&world);

            let emitted = audit.check_emissions(&world);
            assert!(audit.sampled > 80 && emitted > 20, "seed {seed}: {} and {emitted}", audit.sampled);
        });
    }
}
