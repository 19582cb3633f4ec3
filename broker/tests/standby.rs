//! Flows that stand by for an exclusive queue: first come, first served, whoever goes and however.
//! The model mixes them into everything else that happens.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::sim_disk::SimDisk;
use common::*;
use tillstream_broker::{BindError, Broker, Flow, FlowOwner, QueueSpec, SystemClock};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Far more than there are connections.
const CROWD: usize = 1_000;

fn open_new(queues: Vec<QueueSpec>) -> Broker {
    Broker::open_on(Arc::new(SimDisk::default()), Arc::new(SystemClock), settings(), queues).expect("opens")
}

fn open_one() -> Broker {
    open_new(vec![queue("q", &["t"])])
}

/// Counts how often somebody is woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Whether its turn has come, asked once.
fn is_served(standby: &mut (impl Future<Output = Result<Flow, BindError>> + Unpin)) -> bool {
    let polled = std::pin::Pin::new(standby).poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(_)))
}

/// A task that stands in line as it is started and says its name when its turn has come, then waits to be stopped.
fn stand_by(broker: &Broker, name: usize, served: &mpsc::UnboundedSender<usize>) -> JoinHandle<()> {
    let (turn, served) = (broker.line_up("q", 10), served.clone());
    tokio::spawn(async move {
        let _flow = turn.await.expect("a turn");
        served.send(name).expect("the test listens");
        std::future::pending::<()>().await;
    })
}

async fn end(task: JoinHandle<()>) {
    task.abort();
    let _ = within("the end of a standby", task).await;
}

#[tokio::test]
async fn a_free_queue_is_bound_at_once() {
    let broker = open_one();

    let mut flow = within("a free queue", broker.line_up("q", 10)).await.unwrap();

    publish_all(&broker, "t", [1]).await;
    assert_eq!(numbers(&within("a delivery", take(&mut flow, 1)).await), [1]);
    assert_eq!(broker.bind("q", 1).err(), Some(BindError::Taken("q".to_owned())));
}

#[tokio::test]
async fn a_queue_that_is_not_there_has_no_line() {
    let broker = open_one();

    assert_eq!(broker.line_up("absent", 1).await.err(), Some(BindError::NoSuchQueue("absent".to_owned())));
}

#[tokio::test]
async fn whoever_came_first_gets_the_queue_when_its_flow_is_dropped_and_everything_unacknowledged_with_it() {
    let broker = open_one();
    publish_all(&broker, "t", [1, 2, 3]).await;
    let mut active = broker.bind("q", 2).unwrap();
    let held = within("deliveries", take(&mut active, 2)).await;
    active.acknowledge(&[held[0].id]);
    let first = tokio::spawn(broker.line_up("q", 10));
    let second = tokio::spawn(broker.line_up("q", 10));
    tokio::task::yield_now().await;

    drop(active);

    let mut flow = within("the first in line", first).await.unwrap().unwrap();
    let got = within("deliveries", take(&mut flow, 2)).await;
    assert_eq!(numbers(&got), [2, 3]);
    assert_eq!([got[0].redelivered, got[1].redelivered], [true, false]);
    assert!(!second.is_finished(), "one flow at a time");
    drop(flow);
    assert!(within("the second in line", second).await.unwrap().is_ok());
}

#[tokio::test]
async fn the_window_of_a_standby_is_the_one_that_it_asked_for() {
    let broker = open_one();
    publish_all(&broker, "t", 0..10).await;
    let active = broker.bind("q", 1).unwrap();
    let standby = broker.line_up("q", 3);
    drop(active);

    let mut flow = within("a turn", standby).await.unwrap();

    assert_eq!(within("a window", flow.next_batch(10)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn nobody_overtakes_those_in_line_not_even_one_who_was_served_and_does_not_know_it() {
    let broker = open_one();
    let active = broker.bind("q", 1).unwrap();
    let mut standby = Box::pin(broker.line_up("q", 1));

    drop(active);

    assert_eq!(broker.bind("q", 1).err(), Some(BindError::Taken("q".to_owned())));
    assert_eq!(broker.bind_again(FlowOwner::new(), "q", 1).err(), Some(BindError::Taken("q".to_owned())));
    assert_eq!(stats_of(&broker, "q").consumers, 1, "the turn came before anybody looked");
    assert!(is_served(&mut standby));
}

#[tokio::test]
async fn a_standby_that_is_dropped_leaves_the_line_before_its_turn_and_after() {
    let broker = open_one();
    let active = broker.bind("q", 1).unwrap();
    let early = broker.line_up("q", 1);
    let unaware = broker.line_up("q", 1);
    let mut last = Box::pin(broker.line_up("q", 1));

    drop(early);
    assert!(!is_served(&mut last));
    drop(active);
    assert!(!is_served(&mut last));
    drop(unaware);

    assert!(is_served(&mut last));
    assert!(broker.bind("q", 1).is_ok(), "the last one has gone too");
}

#[tokio::test]
async fn an_owner_that_binds_again_keeps_its_queue_and_its_standby_is_served_when_it_goes() {
    let broker = open_one();
    publish_all(&broker, "t", [1]).await;
    let owner = FlowOwner::new();
    let hung = broker.bind_again(owner, "q", 1).unwrap();
    let mut standby = Box::pin(broker.line_up("q", 1));

    let mut active = broker.bind_again(owner, "q", 1).unwrap();

    assert_eq!(numbers(&within("a delivery", take(&mut active, 1)).await), [1]);
    assert!(!is_served(&mut standby));
    drop(hung);
    assert!(!is_served(&mut standby), "a superseded flow frees nothing");
    drop(active);
    let mut flow = within("a turn", standby).await.unwrap();
    assert_eq!(numbers(&within("the redelivery", take(&mut flow, 1)).await), [1]);
}

#[tokio::test]
async fn everybody_in_line_hears_that_the_broker_closes() {
    let broker = open_one();
    let active = broker.bind("q", 1).unwrap();
    let waiting = [(); 3].map(|()| tokio::spawn(broker.line_up("q", 1)));
    tokio::task::yield_now().await;

    within("closing", broker.close()).await;

    for standby in waiting {
        assert_eq!(within("the end of a standby", standby).await.unwrap().err(), Some(BindError::Closed));
    }
    drop(active);
    assert_eq!(broker.line_up("q", 1).await.err(), Some(BindError::Closed));
}

#[tokio::test]
async fn each_queue_has_a_line_of_its_own() {
    let broker = open_new(vec![queue("q", &["t"]), queue("r", &["t"])]);
    let _active = broker.bind("q", 1).unwrap();
    let mut behind = Box::pin(broker.line_up("q", 1));

    assert!(is_served(&mut Box::pin(broker.line_up("r", 1))));
    assert!(!is_served(&mut behind));
}

#[tokio::test]
async fn of_a_crowd_only_the_one_is_woken_whose_turn_has_come() {
    let broker = open_one();
    let active = broker.bind("q", 1).unwrap();
    let mut crowd: Vec<_> = (0..CROWD).map(|_| (Box::pin(broker.line_up("q", 1)), Arc::new(Bell::default()))).collect();
    for (standby, bell) in &mut crowd {
        let waker = Waker::from(Arc::clone(bell));
        assert!(standby.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }

    drop(active);

    let rung: Vec<usize> = crowd.iter().map(|(_, bell)| bell.0.load(Ordering::SeqCst)).collect();
    assert_eq!((rung[0], rung.iter().sum::<usize>()), (1, 1));
}

#[tokio::test]
async fn a_crowd_is_served_in_the_order_in_which_it_came_whoever_leaves_meanwhile() {
    let broker = open_one();
    let active = broker.bind("q", 1).unwrap();
    let (served, mut turns) = mpsc::unbounded_channel();
    let crowd: Vec<_> = (0..CROWD).map(|name| stand_by(&broker, name, &served)).collect();
    drop(active);

    // The odd ones leave while they wait.
    let (mut staying, mut leaving) = (Vec::new(), Vec::new());
    for (name, task) in crowd.into_iter().enumerate() {
        if name % 2 == 0 { staying.push((name, task)) } else { leaving.push(task) }
    }
    for task in leaving {
        end(task).await;
    }
    for (name, task) in staying {
        assert_eq!(within("the next turn", turns.recv()).await, Some(name));
        assert!(turns.try_recv().is_err(), "one flow at a time");
        end(task).await;
    }
    assert_eq!(stats_of(&broker, "q").consumers, 0);
}

/// Consumers on several threads that give up in line, or with the flow in hand, at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_gives_up_whenever_there_is_one_consumer_at_a_time_and_no_message_is_settled_twice() {
    let broker = open_one();
    publish_all(&broker, "t", 0..500).await;
    let (bound, settled) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));

    let consumers: Vec<_> = (0..20)
        .map(|seed| tokio::spawn(come_and_go(broker.clone(), seed, Arc::clone(&bound), Arc::clone(&settled))))
        .collect();

    for consumer in consumers {
        within("a consumer", consumer).await.unwrap();
    }
    let mut settled = std::mem::take(&mut *settled.lock().unwrap());
    settled.sort_unstable();
    assert_eq!(settled, (0..500).collect::<Vec<_>>());
    assert_eq!((bound.load(Ordering::SeqCst), stats_of(&broker, "q").consumers), (0, 0));
}

/// Stands in line again and again, each time with little patience, until nothing is left.
async fn come_and_go(broker: Broker, seed: u64, bound: Arc<AtomicUsize>, settled: Arc<Mutex<Vec<u64>>>) {
    let mut random = fastrand::Rng::with_seed(seed);
    while depth_of(&broker, "q") > 0 {
        let patience = Duration::from_micros(random.u64(0..300));
        let Ok(Ok(mut flow)) = tokio::time::timeout(patience, broker.line_up("q", 10)).await else { continue };
        assert_eq!(bound.fetch_add(1, Ordering::SeqCst), 0, "two consumers of one queue");
        if let Ok(got) = tokio::time::timeout(patience, flow.next_batch(5)).await {
            let got = got.expect("open");
            let kept = &got[..random.usize(..=got.len())];
            settled.lock().expect("no consumer panics with the lock").extend(numbers(kept));
            flow.acknowledge(&ids(kept));
        }
        bound.fetch_sub(1, Ordering::SeqCst);
    }
}
