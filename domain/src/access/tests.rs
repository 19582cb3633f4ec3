//! The matrix row by row, as the contract has it.
//! Does not ask a broker whether it obeys.

use std::collections::BTreeSet;

use super::*;
use crate::{StoreId, TopicPrefix};

const STORES: u32 = 2;

const KINDS: [TopicKind; 5] =
    [TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation, TopicKind::Late, TopicKind::Rejected];

/// One row: may publish, may consume, may subscribe directly.
#[track_caller]
fn assert_row(user: BrokerUser, publishes: &[TopicKind], consumes: &[&str], subscribes: &[TopicKind]) {
    for kind in KINDS {
        assert_eq!(user.publishes().contains(&kind), publishes.contains(&kind), "{user:?} publishes {kind:?}");
        assert_eq!(user.subscribes().contains(&kind), subscribes.contains(&kind), "{user:?} subscribes to {kind:?}");
    }
    let consumed: BTreeSet<_> = user.consumes(STORES).into_iter().collect();
    assert_eq!(consumed, consumes.iter().map(|queue| (*queue).to_owned()).collect(), "{user:?} consumes");
}

#[test]
fn validation_publishes_sales_failed_payments_and_windows_and_consumes_nothing() {
    assert_row(BrokerUser::Validation, &[TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation], &[], &[]);
}

#[test]
fn aggregation_consumes_sales_and_publishes_what_no_window_takes_but_no_window() {
    let queues = ["sale_pos_transaction_aggregation_service"];
    assert_row(BrokerUser::Aggregation, &[TopicKind::Late, TopicKind::Rejected], &queues, &[TopicKind::Receipt]);
}

#[test]
fn reporting_consumes_windows_and_the_ledgers_sales_and_publishes_rejections_only() {
    let queues = ["sale_pos_transaction_ledger.q", "sale_pos_transaction_reporting.q"];
    let reads = [TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation, TopicKind::Late];
    assert_row(BrokerUser::Reporting, &[TopicKind::Rejected], &queues, &reads);
}

#[test]
fn a_store_consumes_windows_and_publishes_nothing() {
    let queues = ["sale_pos_transaction_aggregations_store1.q", "sale_pos_transaction_aggregations_store2.q"];
    assert_row(BrokerUser::Store, &[], &queues, &[TopicKind::Aggregation]);
}

#[test]
fn an_operator_consumes_what_was_rejected_and_what_died_and_can_take_no_sale_away() {
    let queues = [
        "sale_pos_transaction_rejected.q",
        "sale_pos_transaction_rejected.q.dmq",
        "sale_pos_transaction_aggregations_store1.q.dmq",
        "sale_pos_transaction_aggregations_store2.q.dmq",
    ];
    assert_row(BrokerUser::Operator, &[], &queues, &[TopicKind::Rejected]);
}

#[test]
fn every_topic_has_a_publisher_and_what_makes_turnover_has_exactly_one() {
    let publishers = |kind| BrokerUser::ALL.into_iter().filter(|user| user.publishes().contains(&kind)).count();
    for kind in [TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation, TopicKind::Late] {
        assert_eq!(publishers(kind), 1, "{kind:?}");
    }
    assert_eq!(publishers(TopicKind::Rejected), 2);
}

#[test]
fn patterns_are_below_the_prefix_and_publishers_may_also_probe() {
    let topics = Topics::new("eu/west".parse().unwrap(), true);
    assert_eq!(
        BrokerUser::Aggregation.publish_patterns(&topics),
        ["eu/west/late/>", "eu/west/rejected/>", "eu/west/check/aggregation"]
    );
    assert!(BrokerUser::Store.publish_patterns(&topics).is_empty());
    assert_eq!(BrokerUser::Store.subscribe_patterns(&topics), ["eu/west/aggregations/>"]);
}

#[test]
fn a_probe_is_on_a_topic_that_no_queue_takes() {
    let topics = Topics::new(TopicPrefix::default(), true);
    let probe = topics.probe(BrokerUser::Validation);
    assert_eq!(probe, "sale/pos/transaction/check/validation");
    assert_eq!(topics.kind_of(&probe), TopicKind::Other);
    let store = StoreId::from_number(1).unwrap();
    assert!(!probe.starts_with(topics.store_aggregations(store).trim_end_matches('>')));
}

#[test]
fn everybody_has_credentials_of_their_own() {
    let paths: BTreeSet<_> = BrokerUser::ALL.map(BrokerUser::credentials_path).into();
    let names: BTreeSet<_> = BrokerUser::ALL.map(BrokerUser::name).into();
    assert_eq!((paths.len(), names.len()), (BrokerUser::ALL.len(), BrokerUser::ALL.len()));
    assert!(paths.iter().all(|path| path.starts_with("message-broker/creds/")));
}

#[test]
fn every_role_of_http_may_do_its_own_things_and_an_admin_everything() {
    let rows = [
        (UserRole::Pos, vec![Action::SendSale]),
        (UserRole::Aggregation, vec![Action::SendAggregate]),
        (UserRole::Reporting, vec![Action::ReadTurnover, Action::ReadJourney, Action::Watch]),
        (UserRole::Admin, Action::ALL.to_vec()),
    ];
    for (role, allowed) in rows {
        for action in Action::ALL {
            assert_eq!(role.may(action), allowed.contains(&action), "{role:?} {action:?}");
        }
        assert_eq!(UserRole::parse(role.name()), Some(role));
    }
    assert_eq!(UserRole::parse("root"), None);
}

#[test]
fn a_service_reads_its_own_credentials_and_nobody_elses() {
    for reader in [SecretReader::Aggregation, SecretReader::Reporting, SecretReader::Pos, SecretReader::OtelCollector] {
        assert!(!reader.may_read("message-broker/creds/login"), "{reader:?}");
        assert!(!reader.may_read("message-broker/creds/validation-service"), "{reader:?}");
    }
    assert!(!SecretReader::Reporting.may_read("validation-service/creds/pos-service"));
    assert!(!SecretReader::Pos.may_read("validation-service/creds/aggregation-service"));
    assert!(SecretReader::Validation.may_read("validation-service/creds/till-of-store-7"));
    assert!(!SecretReader::Validation.may_read("validation-service/creds/till/of-store-7"));
    assert!(!SecretReader::Validation.may_read("validation-service/creds/"));
    assert!(!SecretReader::Broker.may_read("validation-service/creds/admin"));
}

#[test]
fn one_process_with_all_roles_reads_what_its_roles_read() {
    let roles = [SecretReader::Validation, SecretReader::Aggregation, SecretReader::Reporting, SecretReader::Pos];
    for path in roles.iter().flat_map(|reader| reader.reads()) {
        let some = path.replace("/*", "/anything");
        assert!(SecretReader::Whole.may_read(&some), "{path}");
    }
}

#[test]
fn the_broker_knows_the_password_of_each_of_its_users() {
    assert!(BrokerUser::ALL.into_iter().all(|user| SecretReader::Broker.may_read(user.credentials_path())));
}
