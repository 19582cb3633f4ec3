use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;

const HORIZON: Duration = Duration::from_secs(400);
/// Of a horizon of 400 s.
const SPAN: u64 = 100;

fn open_for_test(dir: &Path, now: u64) -> (Database, IdIndex) {
    let database = Database::builder(dir).worker_threads(1).open().unwrap();
    let index = IdIndex::open(&database, "ids", HORIZON, now, &WriteGate::default()).unwrap();
    (database, index)
}

fn put_for_test(database: &Database, index: &IdIndex, id: u128, value: u8) {
    let mut batch = database.batch();
    index.put(&mut batch, Uuid::from_u128(id), &[value]);
    batch.commit().unwrap();
}

fn value_of(index: &IdIndex, id: u128) -> Option<u8> {
    index.get(Uuid::from_u128(id)).unwrap().map(|value| value[0])
}

#[test]
fn an_id_is_visible_only_when_the_callers_batch_commits() {
    let dir = tempfile::tempdir().unwrap();
    let (database, index) = open_for_test(dir.path(), 0);
    let mut batch = database.batch();
    index.put(&mut batch, Uuid::from_u128(1), b"a");
    assert_eq!(value_of(&index, 1), None);
    batch.commit().unwrap();
    assert_eq!(value_of(&index, 1), Some(b'a'));
}

/// Lets time pass as the index sees it: somebody rotates it every now and then.
fn pass(index: &IdIndex, from: u64, to: u64) {
    for second in (from..=to).step_by(SPAN as usize / 4) {
        index.rotate_after(Duration::from_secs(second)).unwrap();
    }
    index.rotate_after(Duration::from_secs(to)).unwrap();
}

#[test]
fn an_id_is_remembered_for_the_whole_horizon_and_forgotten_soon_after() {
    let dir = tempfile::tempdir().unwrap();
    let (database, index) = open_for_test(dir.path(), 1_000);
    put_for_test(&database, &index, 1, 1);
    pass(&index, 0, HORIZON.as_secs());
    assert_eq!(value_of(&index, 1), Some(1));
    pass(&index, HORIZON.as_secs(), HORIZON.as_secs() + 2 * SPAN);
    assert_eq!(value_of(&index, 1), None);
    assert_eq!(database.keyspace_count(), KEPT + 1);
}

#[test]
fn a_clock_that_was_put_back_forgets_nothing_and_generations_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open_for_test(dir.path(), 100_000);
    put_for_test(&opened.0, &opened.1, 1, 1);
    drop(opened);
    let (database, index) = open_for_test(dir.path(), 5);
    put_for_test(&database, &index, 2, 2);
    pass(&index, 0, HORIZON.as_secs());
    assert_eq!((value_of(&index, 1), value_of(&index, 2)), (Some(1), Some(2)));
    pass(&index, HORIZON.as_secs(), HORIZON.as_secs() + 3 * SPAN);
    assert_eq!((value_of(&index, 1), value_of(&index, 2)), (None, None));
}

#[test]
fn an_index_that_is_opened_while_the_clock_is_years_ahead_forgets_nothing_before_its_horizon() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open_for_test(dir.path(), 1_000);
    put_for_test(&opened.0, &opened.1, 1, 1);
    pass(&opened.1, 0, SPAN);
    put_for_test(&opened.0, &opened.1, 2, 2);
    drop(opened);
    let (_database, index) = open_for_test(dir.path(), 300_000_000);
    assert_eq!((value_of(&index, 1), value_of(&index, 2)), (Some(1), Some(2)));
    pass(&index, 0, HORIZON.as_secs() - 1);
    assert_eq!((value_of(&index, 1), value_of(&index, 2)), (Some(1), Some(2)));
    pass(&index, HORIZON.as_secs(), HORIZON.as_secs() + 2 * SPAN);
    assert_eq!((value_of(&index, 1), value_of(&index, 2)), (None, None));
}

#[test]
fn a_clock_that_is_wrong_at_every_start_does_not_make_the_index_grow_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    for start in 0..3 * KEPT as u64 {
        let (database, _index) = open_for_test(dir.path(), start * 1_000_000);
        assert!(database.keyspace_count() <= KEPT + 1);
    }
}

#[test]
fn a_disk_that_takes_no_writes_starts_and_drops_no_generation_until_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let full = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&full);
    let gate = WriteGate::new(move || match asked.load(Ordering::Relaxed) {
        true => Err(io::ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    let database = Database::builder(dir.path()).worker_threads(1).open().unwrap();
    let index = IdIndex::open(&database, "ids", HORIZON, 1_000, &gate).unwrap();
    put_for_test(&database, &index, 1, 1);

    full.store(true, Ordering::Relaxed);
    let refused = index.rotate_after(Duration::from_secs(SPAN)).unwrap_err();
    let said_by_disk = |error: &IndexError| matches!(error, IndexError::Storage(fjall::Error::Io(error)) if error.kind() == io::ErrorKind::StorageFull);
    assert!(said_by_disk(&refused), "{refused}");
    assert_eq!((database.keyspace_count(), value_of(&index, 1)), (1, Some(1)));

    full.store(false, Ordering::Relaxed);
    index.rotate_after(Duration::from_secs(SPAN)).unwrap();
    assert_eq!(database.keyspace_count(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Put(u8, u8),
    Pass(u64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<u8>(), any::<u8>()).prop_map(|(id, value)| Step::Put(id % 24, value)),
        3 => (1_u64..250).prop_map(Step::Pass),
        1 => Just(Step::Reopen),
    ]
}

/// What the model demands: within the horizon the value is there; two generations later it is not.
fn check(index: &IdIndex, model: &HashMap<u8, (u8, u64)>, now: u64) {
    for (&id, &(value, at)) in model {
        let found = value_of(index, id.into());
        if at + HORIZON.as_secs() > now {
            assert_eq!(found, Some(value), "id {id} of {at} at {now}");
        }
        if at + HORIZON.as_secs() + 2 * SPAN <= now {
            assert_eq!(found, None, "id {id} of {at} at {now}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn agrees_with_a_map_over_puts_passing_time_and_reopening(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let (mut now, mut model) = (1_000_000, HashMap::new());
        let mut opened_at = now;
        let mut opened = Some(open_for_test(dir.path(), now));
        for step in steps {
            let (database, index) = opened.as_ref().unwrap();
            match step {
                Step::Put(id, value) => {
                    put_for_test(database, index, id.into(), value);
                    model.insert(id, (value, now));
                }
                Step::Pass(seconds) => {
                    pass(index, now - opened_at, now + seconds - opened_at);
                    now += seconds;
                }
                Step::Reopen => {
                    drop(opened.take());
                    opened = Some(open_for_test(dir.path(), now));
                    opened_at = now;
                }
            }
            check(&opened.as_ref().unwrap().1, &model, now);
        }
    }
}
