//! Without a budget the model knows exactly who restarts: every failure, removal and failing supervisor, also two at
//! once, leaves each node in the generation that the strategies say.

use std::task::Poll;
use std::time::Duration;

use prop::sample::Index;
use proptest::prelude::{Just, any, prop, prop_oneof, proptest};
use proptest::strategy::Strategy as _;
use tillstream_supervision::{Fault, Outcome};
use tokio::time::{sleep, timeout};

use crate::common::{patient, settle, settled};
use crate::traffic::{Office, Sender, sender};
use crate::world::{Kind, Shape, World};
use crate::{cases, run, shape, strategy};

#[derive(Debug, Clone)]
enum Op {
    Strike(Index, Fault),
    HangThen(Index, Fault),
    StrikeGroup(Index, Fault),
    HangGroup(Index),
    Remove(Index),
    Spawn(Index),
    Nest(Index, Shape),
    Wait(u64),
}

#[derive(Debug, Clone)]
struct Step {
    op: Op,
    senders: Vec<Sender>,
    /// A supervisor that panics so many turns after the operation has begun.
    shake: Option<(Index, usize)>,
}

fn op() -> impl proptest::strategy::Strategy<Value = Op> {
    let node = any::<Index>;
    let fault = prop_oneof![Just(Fault::Panic), Just(Fault::PanicAfter), Just(Fault::Stop)];
    let end = prop_oneof![Just(Fault::Panic), Just(Fault::Stop)];
    let small = (strategy(), 1..3_usize).prop_map(|(strategy, actors)| Shape { strategy, actors, groups: vec![] });
    prop_oneof![
        4 => (node(), fault.clone()).prop_map(|(node, fault)| Op::Strike(node, fault)),
        2 => (node(), end).prop_map(|(node, fault)| Op::HangThen(node, fault)),
        3 => (node(), fault).prop_map(|(node, fault)| Op::StrikeGroup(node, fault)),
        1 => node().prop_map(Op::HangGroup),
        1 => node().prop_map(Op::Remove),
        2 => node().prop_map(Op::Spawn),
        1 => (node(), small).prop_map(|(node, shape)| Op::Nest(node, shape)),
        1 => (0..5_000_u64).prop_map(Op::Wait),
    ]
}

fn step() -> impl proptest::strategy::Strategy<Value = Step> {
    let shake = prop::option::of((any::<Index>(), 0..24_usize));
    (op(), prop::collection::vec(sender(), 0..4), shake).prop_map(|(op, senders, shake)| Step { op, senders, shake })
}

/// Goes to the end of the queue of tasks.
async fn turns(n: usize) {
    for _ in 0..n {
        let mut waited = false;
        std::future::poll_fn(|task| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            task.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// What a step has done to the tree.
#[derive(Debug)]
enum Effect {
    None,
    /// It failed, and its parent restarts by its strategy.
    Failed(usize),
    /// Its loop was started again.
    Revived(usize),
    Removed(usize),
}

async fn strike(world: &World, node: usize, fault: Fault) -> bool {
    let injection = world.root().inject(&world.nodes[node].path, fault).expect("it is there");
    let outcome = injection.outcome(Duration::from_secs(60), Duration::from_secs(60)).await;
    match outcome {
        Outcome::Recovered(_) => true,
        Outcome::NotFired => false,
        Outcome::NotRecovered { .. } => panic!("`{}` after {fault:?}: {outcome:?}", world.nodes[node].path),
    }
}

async fn carry_out(world: &World, op: &Op) -> Effect {
    match op {
        Op::Strike(node, fault) => match world.any_actor(*node) {
            Some(actor) if strike(world, actor, *fault).await => Effect::Failed(actor),
            _ => Effect::None,
        },
        Op::HangThen(node, fault) => {
            let Some(actor) = world.any_actor(*node) else { return Effect::None };
            drop(world.root().inject(&world.nodes[actor].path, Fault::Hang).expect("it is there"));
            sleep(Duration::from_secs(1)).await;
            assert!(strike(world, actor, *fault).await, "a hung actor can still be struck");
            Effect::Failed(actor)
        }
        Op::StrikeGroup(node, fault) => {
            let group = world.any_group(*node);
            match (strike(world, group, *fault).await, fault) {
                (false, _) => Effect::None,
                (true, Fault::Stop) => Effect::Failed(group),
                (true, _) => Effect::Revived(group),
            }
        }
        Op::HangGroup(node) => {
            let group = world.any_group(*node);
            drop(world.root().inject(&world.nodes[group].path, Fault::Hang).expect("it is there"));
            sleep(Duration::from_secs(1)).await;
            assert!(strike(world, group, Fault::Panic).await, "a hung supervisor can still be struck");
            Effect::Revived(group)
        }
        Op::Remove(node) => {
            let node = world.any(*node);
            let Some(parent) = world.nodes[node].parent else { return Effect::None };
            let name = world.nodes[node].path.rsplit('.').next().expect("a path has a last part");
            assert!(world.group(parent).remove(name).await);
            Effect::Removed(node)
        }
        Op::Wait(millis) => {
            sleep(Duration::from_millis(*millis)).await;
            Effect::None
        }
        Op::Spawn(_) | Op::Nest(..) => Effect::None,
    }
}

/// Whether that supervisor panicked.
async fn shake(world: &World, (group, after): (Index, usize)) -> Option<usize> {
    turns(after).await;
    let group = world.any_group(group);
    let injection = world.root().inject(&world.nodes[group].path, Fault::Panic).ok()?;
    let outcome = injection.outcome(Duration::from_secs(60), Duration::from_secs(60)).await;
    matches!(outcome, Outcome::Recovered(_)).then_some(group)
}

/// A second fault in one supervisor would withdraw the first one, and is another test's matter.
fn is_about_the_loop(world: &World, step: &Step) -> bool {
    matches!(&step.op, Op::StrikeGroup(node, _) | Op::HangGroup(node)
        if step.shake.is_some_and(|(group, _)| world.any_group(group) == world.any_group(*node)))
}

async fn take(world: &mut World, office: &mut Office, step: &Step) {
    match &step.op {
        Op::Spawn(group) => world.spawn(world.any_group(*group)),
        Op::Nest(group, shape) => world.nest(world.any_group(*group), shape),
        _ => {}
    }
    let traffic = office.send(world, &step.senders);
    let shaken = step.shake.filter(|_| !is_about_the_loop(world, step));
    let shaking = async {
        match shaken {
            Some(shaken) => shake(world, shaken).await,
            None => None,
        }
    };
    let (effect, shaken) = tokio::join!(carry_out(world, &step.op), shaking);
    traffic.check().await;
    if let Some(group) = shaken {
        world.nodes[group].generation += 1;
    }
    match effect {
        Effect::None => {}
        Effect::Failed(node) => world.failed(node),
        Effect::Revived(group) => world.nodes[group].generation += 1,
        Effect::Removed(node) => world.removed(node),
    }
    settle().await;
    settled(world.root()).await;
    world.check();
}

async fn history(shape: Shape, steps: Vec<Step>) {
    let (mut world, mut office) = (World::new(&shape, patient), Office::default());
    settled(world.root()).await;
    for step in &steps {
        let taken = timeout(Duration::from_secs(3_600), take(&mut world, &mut office, step)).await;
        assert!(taken.is_ok(), "stuck in {step:?}: {:#?}", world.root().tree());
        assert_eq!(world.root().degraded(), None);
    }
    end(&world).await;
}

/// Nobody is left, and the report names everybody in reverse order of start.
pub async fn end(world: &World) {
    let mut expected = Vec::new();
    backwards(world, 0, &mut expected);
    let report = timeout(Duration::from_secs(3_600), world.root().shutdown()).await.expect("it ends");
    assert_eq!(report.stopped, expected);
    assert_eq!(report.terminated, [""; 0]);
    settle().await;
    assert!(world.pages.iter().all(|page| !page.is_alive()), "somebody was left running");
    world.check_pages();
}

fn backwards(world: &World, node: usize, paths: &mut Vec<String>) {
    match &world.nodes[node].kind {
        Kind::Actor { .. } => paths.push(world.nodes[node].path.clone()),
        Kind::Group { children, .. } => children.iter().rev().for_each(|child| backwards(world, *child, paths)),
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_tree_under_failures_and_load_is_as_the_model_says(
        shape in shape(),
        steps in prop::collection::vec(step(), 1..16),
    ) {
        run(history(shape, steps));
    }
}
