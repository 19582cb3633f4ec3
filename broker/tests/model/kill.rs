//! Sudden ends: what the broker must still have, what it may have lost or not yet forgotten, and nothing else.
//! Whatever was open before is settled by looking, so that the model knows exactly how it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tillstream_broker::Delivery;

use crate::book::{Held, Model, route};
use crate::common::{number, numbers, stats_of};
use crate::real::{Real, UNLIMITED};
use crate::{ASIDE, DEAD, FEW_REDELIVERIES, Kill, LOOSE, MAX_REDELIVERY, NAMES, QUEUES, assert_same};

/// Published when the end came, with no answer: there or not, but not in one queue and missing in another.
type Unanswered = BTreeMap<u64, Held>;

pub async fn kill(model: &mut Model, real: &mut Real, kill: Kill) {
    let unanswered = die(model, real, kill).await;
    let mut found: [Vec<Delivery>; QUEUES] = Default::default();
    for (queue, found) in found.iter_mut().enumerate().filter(|(queue, _)| *queue != DEAD) {
        *found = real.take_all(queue).await;
    }
    reconcile_dead(model, real, &found[LOOSE]).await;
    found[DEAD] = real.take_all(DEAD).await;
    for (queue, found) in found.iter().enumerate() {
        reconcile(model, queue, found, &unanswered);
    }
    assert_whole(model, &unanswered);
    count_discarded(model, real);
    model.forget_what_is_gone();
    count_attempts(model, real, found).await;
}

/// Leaves the disk as it is at some moment while messages are being published.
async fn die(model: &mut Model, real: &mut Real, kill: Kill) -> Unanswered {
    let mut unanswered = Unanswered::new();
    let mut publishes = Vec::new();
    for sent in kill.publishing {
        publishes.push(real.publish(sent, model.next));
        unanswered.insert(model.next, model.message(sent));
        model.next += 1;
    }
    tokio::time::sleep(Duration::from_micros(kill.micros.into())).await;
    let disk = match kill.power {
        Some(seed) => real.disk.after_power_loss(&mut fastrand::Rng::with_seed(seed)),
        None => real.disk.after_kill(),
    };
    real.lines = Default::default();
    real.flows = Default::default();
    real.reopen(disk);
    drop(publishes);
    for queue in &mut model.queues {
        queue.window = UNLIMITED;
        queue.line.clear();
        queue.held.values_mut().for_each(|held| held.inflight = false);
    }
    unanswered
}

/// Those that had come back too often, or may have, are dead now; how often is on disk or not. That is also where a
/// message went whose acknowledgement was lost after its last delivery.
async fn reconcile_dead(model: &mut Model, real: &mut Real, loose: &[Delivery]) {
    let found: BTreeSet<u64> = numbers(loose).into_iter().collect();
    let dead: BTreeSet<u64> = numbers(&real.take_all(DEAD).await).into_iter().collect();
    let queue = &mut model.queues[LOOSE];
    let is_dead = |number: &u64, held: &mut Held| {
        held.deliveries > MAX_REDELIVERY && !found.contains(number) && dead.contains(number)
    };
    for (number, (held, discarded)) in queue.gone_lately.extract_if(.., |number, (held, _)| is_dead(number, held)) {
        queue.discarded -= u64::from(discarded);
        queue.held.insert(number, held);
    }
    let buried: Vec<(u64, Held)> = queue.held.extract_if(.., is_dead).collect();
    let buried =
        buried.into_iter().map(|(number, held)| (number, Held { deliveries: 0, sure: 0, inflight: false, ..held }));
    model.queues[DEAD].held.extend(buried);
    real.flows[DEAD] = None;
    real.bind(DEAD, UNLIMITED);
}

/// Compares one queue and takes over what is known now.
fn reconcile(model: &mut Model, index: usize, found: &[Delivery], unanswered: &Unanswered) {
    let name = NAMES[index];
    if index != DEAD {
        assert!(numbers(found).is_sorted(), "{name} is out of order");
    }
    let found: BTreeSet<u64> = found.iter().map(number).collect();
    for (number, (held, discarded)) in std::mem::take(&mut model.queues[index].gone_lately) {
        let held = Held { inflight: false, ..held };
        if found.contains(&number) {
            model.queues[index].discarded -= u64::from(discarded);
            model.queues[index].held.insert(number, held);
        } else if !discarded && is_dropped(model, index, &held) {
            // Its acknowledgement was lost, perhaps, and it was dropped instead.
            model.queues[index].discarded += 1;
        }
    }
    for (&number, held) in unanswered {
        let is_for_it = route(held.sent).contains(&index);
        if is_for_it && found.contains(&number) {
            model.queues[index].held.insert(number, held.clone());
        }
    }
    let held: Vec<(u64, Held)> =
        model.queues[index].held.iter().map(|(number, held)| (*number, held.clone())).collect();
    let strange: Vec<&u64> = found.iter().filter(|number| !model.queues[index].held.contains_key(number)).collect();
    assert!(strange.is_empty(), "{name} has {strange:?} that it had never, or not any more");
    for (number, held) in held.into_iter().filter(|(number, _)| !found.contains(number)) {
        assert!(is_dropped(model, index, &held), "{name} has lost {number}: {held:?}");
        model.queues[index].remove(number, true);
    }
}

/// Whether a queue that comes back drops this message at once.
fn is_dropped(model: &Model, index: usize, held: &Held) -> bool {
    let expired = index == LOOSE && model.is_old(held);
    let exhausted = index == ASIDE && held.deliveries > FEW_REDELIVERIES;
    expired || exhausted
}

/// A message that was stored at all is in every queue that it was for, but for one that had no room.
fn assert_whole(model: &mut Model, unanswered: &Unanswered) {
    for (number, held) in unanswered {
        let route = route(held.sent);
        let takers = |queue: &&usize| model.queues[**queue].held.contains_key(number);
        let without: Vec<usize> = route.iter().filter(|queue| !takers(queue)).copied().collect();
        if without.len() == route.len() {
            continue;
        }
        assert!(without.iter().all(|queue| *queue == LOOSE), "{number} is in some of {route:?} and not in {without:?}");
        model.queues[LOOSE].discarded += without.len() as u64;
    }
}

/// The count is written with the next commit: what a sudden end takes of it is for statistics alone.
fn count_discarded(model: &mut Model, real: &Real) {
    for (name, queue) in NAMES.into_iter().zip(&mut model.queues) {
        let counted = stats_of(&real.broker, name).discarded;
        assert!(counted <= queue.discarded, "{name} counts {counted} discarded, of {} that were", queue.discarded);
        queue.discarded = counted;
    }
}

/// How often limited queues have delivered a message is on disk or not, at most as often as they did. The first time a
/// message comes says only that it may have come before; from the second time on the count is exact.
async fn count_attempts(model: &mut Model, real: &mut Real, found: [Vec<Delivery>; QUEUES]) {
    for (queue, found) in found.into_iter().enumerate() {
        for one in &found {
            assert!(one.redelivered, "a message that may have been delivered says so");
            let held = model.queues[queue].held.get_mut(&number(one)).unwrap();
            assert_same(one, held);
            assert!(one.delivery_count <= held.deliveries.max(1) + 1, "{} counts too many", NAMES[queue]);
            assert!(one.delivery_count > held.sure, "{} has forgotten deliveries that were synced", NAMES[queue]);
            held.deliveries = one.delivery_count;
            held.inflight = true;
        }
        // A count of two is said of one that was never delivered, too.
        let settled: Vec<u64> = found.iter().filter(|one| one.delivery_count > 2).map(number).collect();
        real.flows[queue] = None;
        real.bind(queue, UNLIMITED);
        model.give_back(queue, &settled);
        for held in model.queues[queue].held.values_mut() {
            held.inflight = false;
        }
    }
    real.settle_dead(model).await;
    for (queue, name) in NAMES.into_iter().enumerate() {
        let again = real.take_all(queue).await;
        assert_eq!(again.len(), model.queues[queue].held.len(), "{} delivers all again", name);
        for one in &again {
            let held = model.queues[queue].held.get_mut(&number(one)).unwrap();
            let before = held.deliveries;
            assert!((before..=before + 1).contains(&one.delivery_count), "{} counts wrong", name);
            held.deliveries = one.delivery_count;
            held.inflight = true;
        }
        real.keep(queue, again);
    }
}
