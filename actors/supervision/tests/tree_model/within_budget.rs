//! With a budget: whoever is over it is named, restarts slowly, and comes back by itself; whoever is not costs nobody
//! anything.

use std::time::Duration;

use prop::sample::Index;
use proptest::prelude::{Just, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
use tillstream_supervision::{Backoff, Fault, Intensity, Node, Strategy, SupervisorSpec};
use tokio::time::{Instant, sleep, timeout};

use crate::common::{settle, settled};
use crate::traffic::{Office, Sender, sender};
use crate::unlimited::end;
use crate::world::{Shape, World};
use crate::{cases, run, shape};

const MAX: usize = 3;
const WITHIN: Duration = Duration::from_secs(20);
const SLOWEST: Duration = Duration::from_secs(2);

fn tight(name: &str, strategy: Strategy) -> SupervisorSpec {
    SupervisorSpec {
        intensity: Intensity { max: MAX, within: WITHIN },
        backoff: Backoff {
            min: Duration::from_millis(50),
            max: SLOWEST,
            jitter: 0.0,
            healthy_after: Duration::from_secs(5),
        },
        seed: 1,
        ..SupervisorSpec::new(name, strategy)
    }
}

#[derive(Debug, Clone)]
enum Op {
    /// It cannot start as long as this lasts, and fails now.
    Break(Index),
    Mend(Index),
    Strike(Index, Fault),
    StrikeGroup(Index, Fault),
    Wait(u64),
}

fn op() -> impl proptest::strategy::Strategy<Value = Op> {
    let fault = prop_oneof![Just(Fault::Panic), Just(Fault::PanicAfter), Just(Fault::Stop)];
    let node = any::<Index>;
    prop_oneof![
        2 => node().prop_map(Op::Break),
        1 => node().prop_map(Op::Mend),
        4 => (node(), fault.clone()).prop_map(|(node, fault)| Op::Strike(node, fault)),
        2 => (node(), fault).prop_map(|(node, fault)| Op::StrikeGroup(node, fault)),
        3 => (0..8_000_u64).prop_map(Op::Wait),
    ]
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<(Op, Vec<Sender>)>> {
    prop::collection::vec((op(), prop::collection::vec(sender(), 0..3)), 1..16)
}

async fn carry_out(world: &World, op: &Op) {
    let inject = |node: usize, fault| drop(world.root().inject(&world.nodes[node].path, fault).expect("it is there"));
    match op {
        Op::Break(node) | Op::Mend(node) => {
            let Some(actor) = world.any_actor(*node) else { return };
            let broken = matches!(op, Op::Break(_));
            world.actor(actor).1.with(|facts| facts.broken = broken);
            if broken {
                inject(actor, Fault::Panic);
                settle().await; // Whatever is armed next must not take its place.
            }
        }
        Op::Strike(node, fault) => {
            if let Some(actor) = world.any_actor(*node) {
                inject(actor, *fault);
            }
        }
        Op::StrikeGroup(node, fault) => inject(world.any_group(*node), *fault),
        Op::Wait(millis) => sleep(Duration::from_millis(*millis)).await,
    }
}

/// Generations of a node and all those above it.
fn lineage(tree: &Node, path: &str) -> Vec<u64> {
    let mut generations = Vec::new();
    let mut nodes = vec![tree];
    while let Some(node) = nodes.pop() {
        if path.starts_with(&format!("{}.", node.path)) {
            generations.push(node.generation);
            nodes.extend(&node.children);
        }
    }
    generations
}

/// Nobody is tried more often than its budget and the slowest backoff allow, unless a group was restarted with it.
fn check_pace(world: &World, before: &Node, since: Instant) {
    let tree = world.root().tree();
    for actor in world.actors() {
        let (path, page) = (&world.nodes[actor].path, world.actor(actor).1);
        if lineage(before, path) != lineage(&tree, path) || !is_alone(world, actor) {
            continue;
        }
        let slow = usize::try_from(since.elapsed().as_millis() / SLOWEST.as_millis()).expect("few");
        let builds = page.builds_since(since);
        // Each fault that struck a running actor is a restart as well; at most one per step was.
        assert!(builds <= MAX + 2 + slow, "`{path}` was started {builds} times in {:?}", since.elapsed());
    }
}

fn is_alone(world: &World, actor: usize) -> bool {
    use crate::world::Kind;
    let parent = world.nodes[actor].parent.expect("an actor has a parent");
    matches!(world.nodes[parent].kind, Kind::Group { strategy: Strategy::OneForOne, .. })
}

/// Half dead and healthy is the one thing that a tree must not be. Whoever cannot start is over its budget after the
/// time of a few backoffs.
async fn check_honesty(world: &World) {
    let cannot = |world: &World| world.actors().into_iter().find(|actor| world.actor(*actor).1.with(|f| f.broken));
    if cannot(world).is_none() {
        return;
    }
    sleep(Duration::from_secs(30)).await;
    let (before, since) = (world.root().tree(), Instant::now());
    for _ in 0..20 {
        let named = world.root().degraded().expect("somebody cannot start and nobody says so");
        assert!(world.nodes.iter().any(|node| named.starts_with(&format!("{}: ", node.path))), "{named}");
        assert_eq!(world.root().tree().state, "degraded");
        sleep(Duration::from_millis(701)).await;
    }
    check_pace(world, &before, since);
}

async fn history(shape: Shape, steps: Vec<(Op, Vec<Sender>)>) {
    let (world, mut office) = (World::new(&shape, tight), Office::default());
    settled(world.root()).await;
    for (op, senders) in &steps {
        let traffic = office.send(&world, senders);
        carry_out(&world, op).await;
        let done = timeout(Duration::from_secs(3_600), traffic.check()).await;
        assert!(done.is_ok(), "asks that never end after {op:?}: {:#?}", world.root().tree());
    }
    check_honesty(&world).await;
    for actor in world.actors() {
        world.actor(actor).1.with(|facts| facts.broken = false);
    }
    settled(world.root()).await;
    // `PanicAfter` may still be armed where nobody had sent anything.
    sleep(Duration::from_secs(6)).await;
    settled(world.root()).await;
    assert_eq!(world.root().degraded(), None, "it comes back by itself");
    settle().await;
    end(&world).await;
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn any_tree_over_its_budget_says_so_and_comes_back_by_itself(shape in shape(), steps in steps()) {
        run(history(shape, steps));
    }
}
