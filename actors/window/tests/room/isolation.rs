//! What the death of one store's window actor costs the others: nothing, to the millisecond of the simulated clock.
//! The same seeded sales are counted twice, once undisturbed and once while STORE_1 is killed again and again.

use std::time::Duration;

use tillstream_supervision::Fault;

use crate::broker::Emission;
use crate::chaos::SUDDEN;
use crate::deadline::run;
use crate::receipts::Turnover;
use crate::sales::store;
use crate::tills::Tills;
use crate::world::World;

const VICTIM: &str = "windows.STORE_1";

/// Four minutes of sales.
const STEPS: usize = 480;

/// Kills the victim at every so many steps, at another moment of the step each time.
struct Killer {
    every: usize,
    faults: &'static [Fault],
}

struct Outcome {
    /// In the order of their times.
    emissions: Vec<Emission>,
    /// Count and cents of every window, late sales included.
    turnover: Turnover,
    restarts: u64,
}

impl Outcome {
    fn of_others(&self) -> Vec<&Emission> {
        self.emissions.iter().filter(|emission| emission.event.store_id != store(1)).collect()
    }
}

async fn count(seed: u64, killer: Option<Killer>) -> Outcome {
    let mut world = World::start_patient(1_000_000).await;
    let mut tills = Tills::new(seed);
    for step in 0..STEPS {
        tills.sell(&mut world);
        match &killer {
            Some(killer) if step % killer.every == 0 => {
                let turn = step / killer.every;
                let fault = killer.faults[turn % killer.faults.len()];
                world.step_with_fault(VICTIM, fault, turn % 40).await;
            }
            _ => world.step_with_fault("nobody", Fault::Stop, 0).await,
        }
    }
    tills.send_again(&mut world, true);
    world.settle().await;
    world.assert_everything_is_counted_once(&format!("seed {seed}"));
    let restarts = world.restarts(VICTIM);
    let mut emissions = std::mem::take(&mut world.broker().emissions);
    emissions.sort_by_key(|Emission { at, event, .. }| (*at, event.store_id, event.window_start, event.rank()));
    let turnover = world.broker().published.turnover(&mut Vec::new());
    Outcome { emissions, turnover, restarts }
}

fn compare(seeds: std::ops::Range<u64>, every: usize, faults: &'static [Fault]) {
    for seed in seeds {
        run(async {
            let undisturbed = count(seed, None).await;
            let disturbed = count(seed, Some(Killer { every, faults })).await;

            assert_eq!(undisturbed.restarts, 0);
            assert!(disturbed.restarts >= 40, "seed {seed}: {} restarts", disturbed.restarts);
            assert!(undisturbed.of_others().len() > 50, "seed {seed}: there is something to compare");
            let pairs = disturbed.of_others().into_iter().zip(undisturbed.of_others());
            pairs.for_each(|(one, other)| assert_eq!(one, other, "seed {seed}: an event of another store"));
            assert_eq!(disturbed.of_others().len(), undisturbed.of_others().len(), "seed {seed}: others' events");
            assert_eq!(disturbed.turnover, undisturbed.turnover, "seed {seed}: everybody's totals, the victim's too");
        });
    }
}

#[test]
fn a_window_actor_that_panics_and_stops_every_four_seconds_delays_no_other_store() {
    compare(1..9, 8, &SUDDEN);
}

#[test]
fn a_window_actor_that_fails_with_every_delivery_delays_no_other_store() {
    compare(11..14, 1, &[Fault::PanicAfter, Fault::Panic]);
}

/// The comparison sees a delay, so that its silence means something.
#[test]
fn a_flow_that_rests_for_two_seconds_would_be_seen_by_this_comparison() {
    run(async {
        let mut times = Vec::new();
        for rest in [false, true] {
            let mut world = World::start_patient(1_000_000).await;
            let mut tills = Tills::new(5);
            for step in 0..60 {
                tills.sell(&mut world);
                let connected = !(rest && (20..24).contains(&step));
                world.step(connected).await;
            }
            let emissions = std::mem::take(&mut world.broker().emissions);
            times.push(emissions.into_iter().map(|emission| emission.at).collect::<Vec<Duration>>());
        }
        assert_ne!(times[0], times[1]);
    });
}
