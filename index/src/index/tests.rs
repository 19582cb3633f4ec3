use std::collections::HashMap;
use std::path::Path;

use proptest::prelude::*;

use super::*;

const HORIZON: Duration = Duration::from_secs(400);
/// Of a horizon of 400 s.
const SPAN: u64 = 100;

fn open_for_test(dir: &Path, now: u64) -> (Database, IdIndex) {
    let database = Database::builder(dir).worker_threads(1).open().unwrap();
    let index = IdIndex::open(&database, "ids", HORIZON, now).unwrap();
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

#[test]
fn an_id_is_remembered_for_the_whole_horizon_and_forgotten_soon_after() {
    let dir = tempfile::tempdir().unwrap();
    let (database, index) = open_for_test(dir.path(), 1_000);
    put_for_test(&database, &index, 1, 1);
    index.rotate(1_000 + HORIZON.as_secs()).unwrap();
    assert_eq!(value_of(&index, 1), Some(1));
    index.rotate(1_000 + HORIZON.as_secs() + SPAN).unwrap();
    assert_eq!(value_of(&index, 1), None);
    // Those that the two rotations have started.
    assert_eq!(database.keyspace_count(), 2);
}

#[test]
fn a_clock_that_goes_back_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (database, index) = open_for_test(dir.path(), 100_000);
    put_for_test(&database, &index, 1, 1);
    index.rotate(5).unwrap();
    put_for_test(&database, &index, 2, 2);
    assert_eq!((value_of(&index, 1), value_of(&index, 2)), (Some(1), Some(2)));
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

/// What the model demands: within the horizon the value is there; once a whole generation has passed on top, it is not.
fn check(index: &IdIndex, model: &HashMap<u8, (u8, u64)>, now: u64) {
    for (&id, &(value, at)) in model {
        let found = value_of(index, id.into());
        if at + HORIZON.as_secs() > now {
            assert_eq!(found, Some(value), "id {id} of {at} at {now}");
        }
        if at + HORIZON.as_secs() + SPAN <= now {
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
        let mut opened = Some(open_for_test(dir.path(), now));
        for step in steps {
            let (database, index) = opened.as_ref().unwrap();
            match step {
                Step::Put(id, value) => {
                    put_for_test(database, index, id.into(), value);
                    model.insert(id, (value, now));
                }
                Step::Pass(seconds) => {
                    now += seconds;
                    index.rotate(now).unwrap();
                }
                Step::Reopen => {
                    drop(opened.take());
                    opened = Some(open_for_test(dir.path(), now));
                }
            }
            check(&opened.as_ref().unwrap().1, &model, now);
        }
    }
}
