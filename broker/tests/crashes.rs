//! Power is lost, the process is killed: what was confirmed is there, and what was acknowledged is not lost wrongly.
//! The last test takes the sync away and shows that the others would notice.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use common::sim_disk::SimDisk;
use common::*;
use proptest::prelude::*;
use tillstream_broker::{Broker, Delivery, OutboundMessage, QueueSpec, SystemClock};

/// Where `q` sends what is discarded.
const DEAD: &str = "q.dmq";

/// One life of a broker between two losses of power.
#[derive(Debug, Clone)]
struct Life {
    /// Messages published at once; the power fails after so many groups of them.
    groups: Vec<u8>,
    /// Of what is delivered after each group, the share that is acknowledged, in a random order.
    acknowledged_percent: u8,
    /// Of the rest, the share that is discarded.
    discarded_percent: u8,
    seed: u64,
    /// Killed: the page cache survives. Otherwise power is lost.
    killed: bool,
}

/// What the outside knows.
#[derive(Debug, Default)]
struct Known {
    /// Confirmed to the publisher, with the order in which they were confirmed per group.
    confirmed: BTreeMap<u64, ()>,
    acknowledged: BTreeMap<u64, ()>,
    discarded: BTreeMap<u64, ()>,
    delivered: BTreeMap<u64, ()>,
    next: u64,
}

fn specs() -> Vec<QueueSpec> {
    let q = QueueSpec { dead_message_queue: Some(DEAD.to_owned()), ..queue("q", &["t"]) };
    vec![q, queue("untouched", &["t"])]
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let percents = (0..=100u8, prop_oneof![Just(0), 0..=100u8]);
    let life = (prop::collection::vec(1..90u8, 1..6), percents, any::<u64>(), any::<bool>());
    let life = life.prop_map(|(groups, (acknowledged_percent, discarded_percent), seed, killed)| Life {
        groups,
        acknowledged_percent,
        discarded_percent,
        seed,
        killed,
    });
    prop::collection::vec(life, 1..5)
}

/// Lives one life after another on what the one before left; the error says which promise was broken.
async fn survive(disk: SimDisk, lives: Vec<Life>) -> Result<(), String> {
    let mut disk = disk;
    let mut known = Known::default();
    for life in lives {
        let opened = Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), specs());
        let broker = opened.map_err(|error| format!("does not open: {error}"))?;
        check_what_is_there(&broker, &known).await?;
        disk = live(&broker, &disk, &life, &mut known).await;
    }
    let opened = Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), specs());
    let broker = opened.map_err(|error| format!("does not open: {error}"))?;
    check_what_is_there(&broker, &known).await
}

/// Publishes, consumes, and returns the disk as the next life finds it, taken at a moment when publishes are in flight.
async fn live(broker: &Broker, disk: &SimDisk, life: &Life, known: &mut Known) -> SimDisk {
    let mut random = fastrand::Rng::with_seed(life.seed);
    let mut flow = broker.bind("q", 10_000).expect("free");
    for group in &life.groups {
        let numbers: Vec<u64> = (known.next..known.next + u64::from(*group)).collect();
        known.next += u64::from(*group);
        let publishes: Vec<_> = numbers.iter().map(|one| broker.publish(described(*one))).collect();
        for (one, publish) in numbers.iter().zip(publishes) {
            publish.await.expect("stored");
            known.confirmed.insert(*one, ());
        }
        let mut got = flow.next_batch(10_000).await.expect("open");
        known.delivered.extend(got.iter().map(|one| (number(one), ())));
        random.shuffle(&mut got);
        let mut rest = got.split_off(got.len() * usize::from(life.acknowledged_percent) / 100);
        rest.truncate(rest.len() * usize::from(life.discarded_percent) / 100);
        flow.acknowledge(&ids(&got));
        flow.discard(&ids(&rest));
        known.acknowledged.extend(got.iter().map(|one| (number(one), ())));
        known.discarded.extend(rest.iter().map(|one| (number(one), ())));
    }
    // In flight when the power goes: may be there afterwards or not, but nothing may be damaged by them.
    let in_flight: Vec<_> = (0..random.u64(1..40)).map(|one| broker.publish(described(known.next + one))).collect();
    known.next += 40;
    let pause = random.u32(0..4000);
    (0..pause).for_each(|_| std::hint::spin_loop());
    let found = if life.killed { disk.after_kill() } else { disk.after_power_loss(&mut random) };
    drop(in_flight);
    found
}

/// Every third message has properties.
fn described(number: u64) -> OutboundMessage {
    let properties = if number.is_multiple_of(3) { properties_of(number) } else { Bytes::new() };
    OutboundMessage { properties, ..message("t", number) }
}

/// All that is in a queue, with everything that was published with it.
async fn everything(broker: &Broker, name: &str) -> Result<Vec<Delivery>, String> {
    let depth = depth_of(broker, name) as usize;
    let mut flow = broker.bind(name, 1_000_000).map_err(|error| error.to_string())?;
    let got = if depth == 0 { Vec::new() } else { within("what is stored", take(&mut flow, depth)).await };
    match got.iter().find(|one| one.properties != described(number(one)).properties) {
        Some(damaged) => Err(format!("{name} gives {damaged:?} with other properties")),
        None => Ok(got),
    }
}

/// What is dead was discarded, is dead once, and is nowhere else.
async fn check_the_dead(broker: &Broker, known: &Known, alive: &[Delivery]) -> Result<BTreeSet<u64>, String> {
    let there = numbers(&everything(broker, DEAD).await?);
    let dead: BTreeSet<u64> = there.iter().copied().collect();
    let alive: BTreeSet<u64> = numbers(alive).into_iter().collect();
    if dead.len() < there.len() {
        return Err(format!("{DEAD} has messages twice: {there:?}"));
    }
    if let Some(undead) = dead.intersection(&alive).next() {
        return Err(format!("message {undead} is dead and alive"));
    }
    match dead.iter().find(|one| !known.discarded.contains_key(one)) {
        Some(strange) => Err(format!("message {strange} is dead and nobody discarded it")),
        None => Ok(dead),
    }
}

async fn check_what_is_there(broker: &Broker, known: &Known) -> Result<(), String> {
    let stored = [("untouched", everything(broker, "untouched").await?), ("q", everything(broker, "q").await?)];
    let dead = check_the_dead(broker, known, &stored[1].1).await?;
    for (name, got) in stored {
        let there = numbers(&got);
        if !there.is_sorted_by(|one, other| one < other) {
            return Err(format!("{name} is out of order or double: {there:?}"));
        }
        let may_be_gone = |one: &u64| name == "q" && (known.acknowledged.contains_key(one) || dead.contains(one));
        let lost = known.confirmed.keys().find(|one| there.binary_search(one).is_err() && !may_be_gone(one));
        if let Some(lost) = lost {
            return Err(format!("{name} lost message {lost}, which was confirmed and not acknowledged"));
        }
        let unflagged = got.iter().find(|one| !one.redelivered && known.delivered.contains_key(&number(one)));
        if let (Some(one), "q") = (unflagged, name) {
            return Err(format!("message {} was delivered before and does not say so", number(one)));
        }
    }
    Ok(())
}

fn run(disk: SimDisk, lives: Vec<Life>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(survive(disk, lives))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_confirmed_is_lost_whenever_the_power_fails(lives in lives()) {
        prop_assert_eq!(run(SimDisk::default(), lives), Ok(()));
    }
}

#[test]
fn a_disk_that_only_pretends_to_sync_is_found_out() {
    let mut random = fastrand::Rng::with_seed(7);
    let mut lives = || {
        let groups = (0..3).map(|_| random.u8(1..90)).collect();
        Life { groups, acknowledged_percent: 50, discarded_percent: 20, seed: random.u64(..), killed: false }
    };

    let found_out = (0..10).filter(|_| run(SimDisk::lying(), vec![lives(), lives()]).is_err()).count();

    assert_eq!(found_out, 10, "without a sync every loss of power loses messages, and the harness must see it");
}

#[tokio::test]
async fn each_confirmation_comes_after_a_sync() {
    let disk = SimDisk::default();
    let broker = Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), specs()).unwrap();

    for number in 0..20 {
        let before = disk.syncs();
        broker.publish(message("t", number)).await.unwrap();
        assert!(disk.syncs() > before);
    }
}

#[tokio::test]
async fn a_message_that_kills_the_process_again_and_again_ends_in_the_dead_message_queue() {
    let limited =
        QueueSpec { max_redelivery: Some(2), dead_message_queue: Some("q.dmq".to_owned()), ..queue("q", &["t", "u"]) };
    let mut disk = SimDisk::default();
    for life in 0..3 {
        let open = Broker::open_on(Arc::new(disk.clone()), Arc::new(SystemClock), settings(), vec![limited.clone()]);
        let broker = open.unwrap();
        if life == 0 {
            publish_all(&broker, "t", [1]).await;
        }
        let mut flow = broker.bind("q", 1).unwrap();
        let got = within("the killer", take(&mut flow, 1)).await;
        assert_eq!((got[0].delivery_count, got[0].redelivered), (life + 1, life > 0));
        publish_all(&broker, "u", [100 + u64::from(life)]).await;
        disk = disk.after_kill();
    }

    let broker = Broker::open_on(Arc::new(disk), Arc::new(SystemClock), settings(), vec![limited]).unwrap();

    let mut graves = broker.bind("q.dmq", 1).unwrap();
    assert_eq!(numbers(&within("the killer", take(&mut graves, 1)).await), [1]);
    assert_eq!(depth_of(&broker, "q"), 3);
}
