//! Every user of the broker against every kind of topic, every queue and every subscription, over the wire: the domain's
//! matrix as the listener keeps it.
//! How a user of the secrets comes by its rights is the process's business; here they are taken from the matrix itself.

use std::collections::{BTreeMap, BTreeSet};

use tillstream_domain::{BrokerUser, TopicKind, TopicPrefix, Topics};
use tillstream_listener::{Account, Consume, Rights};
use tillstream_smf::Response;

use crate::bench::Bench;
use crate::client::{Client, direct, login};
use crate::in_tree;

const STORES: u32 = 2;
const KINDS: [TopicKind; 5] =
    [TopicKind::Receipt, TopicKind::Failed, TopicKind::Aggregation, TopicKind::Late, TopicKind::Rejected];

fn topics() -> Topics {
    Topics::new(TopicPrefix::default(), true)
}

fn rights(user: BrokerUser) -> Rights {
    Rights {
        publish: user.publish_patterns(&topics()),
        consume: Consume::Queues(user.consumes(STORES).into_iter().collect()),
        subscribe: user.subscribe_patterns(&topics()),
    }
}

fn queues() -> BTreeSet<String> {
    BrokerUser::ALL.into_iter().flat_map(|user| user.consumes(STORES)).collect()
}

/// Everybody is called by its role; `all` may listen to everything.
fn bench() -> Bench {
    let bench = Bench::with_queues(queues().iter().map(String::as_str), "sale/pos/transaction/>");
    let account = |rights| Account { password: "secret".into(), rights };
    let witness = Rights { subscribe: vec![">".to_owned()], ..Rights::default() };
    let users = BrokerUser::ALL.map(|user| (user.name().to_owned(), account(rights(user))));
    let witness = [("all".to_owned(), account(witness))];
    bench.accounts.replace(users.into_iter().chain(witness).collect::<BTreeMap<_, _>>());
    bench
}

async fn client(bench: &Bench, user: BrokerUser) -> Client {
    let mut client = Client::connect(bench.address, user.name()).await;
    assert_eq!(client.ask_login(login(user.name(), user.name(), "secret")).await, Response::OK);
    client
}

/// One topic of each kind.
fn topic(kind: TopicKind) -> String {
    topics().all(kind).replace('>', "STORE_1")
}

#[test]
fn each_user_publishes_guaranteed_messages_of_its_kinds_and_no_other() {
    in_tree(async {
        let bench = bench();
        for user in BrokerUser::ALL {
            for kind in KINDS {
                let mut client = client(&bench, user).await;
                let mut publisher = client.open_publisher(1).await;
                client.send_all([publisher.message(&topic(kind), "x")]).await;
                let (_, answer) = client.publish_answer().await;
                let expected =
                    if user.publishes().contains(&kind) { Response::OK } else { Response::PUBLISH_ACL_DENIED };
                assert_eq!(answer, expected, "{user:?} publishes {kind:?}");
            }
        }
    });
}

#[test]
fn nobody_writes_into_a_queue_by_its_name_or_past_the_prefix() {
    in_tree(async {
        let bench = bench();
        let queues = queues();
        let by_name = queues.iter().map(|queue| format!("#P2P/QUE/{queue}"));
        let past = ["other", "sale", "sale/pos/transaction", "sale/pos/transactions/receipt/STORE_1", ">"];
        let topics: Vec<_> = by_name.chain(past.map(str::to_owned)).collect();
        for user in BrokerUser::ALL {
            for topic in &topics {
                let mut client = client(&bench, user).await;
                let mut publisher = client.open_publisher(1).await;
                client.send_all([publisher.message(topic, "x")]).await;
                let (_, answer) = client.publish_answer().await;
                assert_eq!(answer, Response::PUBLISH_ACL_DENIED, "{user:?} publishes to {topic}");
            }
        }
    });
}

#[test]
fn each_users_direct_messages_go_out_on_its_kinds_and_no_other() {
    in_tree(async {
        let bench = bench();
        let mut witness = Client::login(bench.address, "witness").await;
        assert_eq!(witness.subscribe(">").await, Response::OK);
        for user in BrokerUser::ALL {
            let mut client = client(&bench, user).await;
            for kind in KINDS {
                client.send(direct(&topic(kind), user.name())).await;
                client.nothing_else().await;
                if user.publishes().contains(&kind) {
                    assert_eq!(&*witness.delivery().await.content.topic, topic(kind), "{user:?}");
                }
                witness.nothing_else().await;
            }
        }
    });
}

#[test]
fn each_user_binds_its_queues_and_no_other() {
    in_tree(async {
        let bench = bench();
        for user in BrokerUser::ALL {
            let own = user.consumes(STORES);
            let mut client = client(&bench, user).await;
            for queue in queues() {
                match client.bind(&queue, 1).await {
                    Ok(_) => assert!(own.contains(&queue), "{user:?} has bound {queue}"),
                    Err(refusal) => {
                        assert!(!own.contains(&queue), "{user:?} may not bind {queue}");
                        assert_eq!(refusal, Response::PERMISSION_NOT_ALLOWED, "{user:?} {queue}");
                    }
                }
            }
        }
    });
}

#[test]
fn each_user_subscribes_to_its_kinds_and_to_nothing_wider() {
    in_tree(async {
        let bench = bench();
        for user in BrokerUser::ALL {
            let mut client = client(&bench, user).await;
            for kind in KINDS {
                for subscription in [topics().all(kind), topic(kind)] {
                    let expected = if user.subscribes().contains(&kind) {
                        Response::OK
                    } else {
                        Response::SUBSCRIPTION_ACL_DENIED
                    };
                    assert_eq!(client.subscribe(&subscription).await, expected, "{user:?} {subscription}");
                }
            }
            for wider in [">", "*/>", "sale/>", "sale/pos/transaction/>", "sale/pos/transaction/*/STORE_1"] {
                assert_eq!(client.subscribe(wider).await, Response::SUBSCRIPTION_ACL_DENIED, "{user:?} {wider}");
            }
        }
    });
}
