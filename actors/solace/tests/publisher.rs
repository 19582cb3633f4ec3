//! Publishes and what becomes of them: the window, the broker's words, and what a message says on the wire.
//! Sessions that come and go are another file's.

mod publishing;
mod scripted;

use std::time::Duration;

use futures_util::future::join_all;
use publishing::{Bench, WITHIN, locally, numbers, quick, sale, until};
use scripted::{Script, Word, honest, is_probe};
use tillstream_messages::{LegState, PublishError, PublishMessage, TraceContext};
use tillstream_smf::{DeliveryMode, Response};
use tillstream_solace::SolaceSettings;
use tokio::time::sleep;
use uuid::Uuid;

#[tokio::test]
async fn a_sale_is_answered_once_the_broker_has_acknowledged_it_and_not_before() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, ..Script::default() });
        bench.up().await;

        let mut answer = std::pin::pin!(bench.publisher.ask(sale(1), WITHIN));
        tokio::select! {
            word = &mut answer => panic!("answered before the broker: {word:?}"),
            () = until("the broker has it", || bench.broker.count() == 1) => {}
        }
        sleep(Duration::from_millis(50)).await;
        tokio::select! {
            biased;
            word = &mut answer => panic!("answered before the broker: {word:?}"),
            () = std::future::ready(()) => bench.broker.release(),
        }

        assert_eq!(answer.await, Ok(Ok(())));
    })
    .await;
}

#[tokio::test]
async fn the_whole_window_is_used_and_the_rest_follows_in_order_as_words_come() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, ..Script::default() });
        bench.up().await;

        let publishes = bench.publish_all(0..1000);
        let script = async {
            until("a window of messages is on its way", || bench.broker.count() >= 255).await;
            sleep(Duration::from_millis(100)).await;
            assert_eq!((bench.broker.count(), bench.broker.most_unanswered()), (255, 255));
            bench.broker.release();
        };
        let (answers, ()) = tokio::join!(publishes, script);

        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(numbers(&bench.broker.messages()), (0..1000).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_grants_a_smaller_window_is_not_sent_more_and_everything_arrives() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, window: 10, ..Script::default() });
        bench.up().await;

        let publishes = bench.publish_all(0..200);
        let script = async {
            until("a window of messages is on its way", || bench.broker.count() >= 10).await;
            sleep(Duration::from_millis(100)).await;
            assert_eq!(bench.broker.count(), 10);
            bench.broker.release();
        };
        let (answers, ()) = tokio::join!(publishes, script);

        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(numbers(&bench.broker.messages()), (0..200).collect::<Vec<_>>());
        assert!(bench.broker.most_unanswered() <= 10);
    })
    .await;
}

#[tokio::test]
async fn over_the_bound_publishes_are_refused_at_once_and_the_others_are_stored() {
    locally(async {
        let script = Script { withhold: true, ..Script::default() };
        let bench = Bench::with(script, SolaceSettings { max_waiting: 300, ..quick() });
        bench.up().await;

        let waiting = bench.publish_all(0..300);
        let refused = async {
            until("a window of messages is on its way", || bench.broker.count() == 255).await;
            assert_eq!(bench.publish(300).await, Err(PublishError::Overloaded));
            bench.broker.release();
        };
        let (answers, ()) = tokio::join!(waiting, refused);

        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        assert_eq!(bench.publish(301).await, Ok(()));
        assert_eq!(bench.broker.count(), 301);
    })
    .await;
}

#[tokio::test]
async fn every_way_in_which_a_broker_rejects_a_message_has_its_error_and_only_that_message_fails() {
    locally(async {
        let words = [
            Response::NO_SUBSCRIPTION_MATCH,
            Response::SPOOL_OVER_QUOTA,
            Response::QUEUE_NOT_FOUND,
            Response::QUEUE_SHUTDOWN,
            Response::PUBLISH_ACL_DENIED,
            Response::DOCUMENT_TOO_LARGE,
            Response::new(400, "Message Too Long"),
            Response::SERVICE_UNAVAILABLE,
            Response::new(500, "Disk Failure"),
        ];
        let mut next = words.clone().into_iter();
        let message = move |published: &_| match is_probe(published) {
            true => honest(published),
            false => next.next().map_or(Word::Acknowledge, Word::Reject),
        };
        let bench = Bench::new(Script { message: Box::new(message), ..Script::default() });
        bench.up().await;

        let answers = bench.publish_all(0..10).await;

        let topic = |number: u32| sale(number).topic;
        assert_eq!(answers[0], Err(PublishError::NoSubscriber(topic(0))));
        for (answer, reason) in answers[1..4].iter().zip(["Spool Over Quota", "Queue Not Found", "Queue Shutdown"]) {
            assert!(
                matches!(answer, Err(PublishError::Refused { reason: told, .. }) if told.contains(reason)),
                "{answer:?}"
            );
        }
        let denied = matches!(&answers[4], Err(PublishError::Refused { reason, .. }) if reason.contains(&topic(4)));
        assert!(denied, "{:?}", answers[4]);
        assert_eq!(answers[5..7], [Err(PublishError::TooLarge), Err(PublishError::TooLarge)]);
        for (answer, reason) in answers[7..9].iter().zip(["Service Unavailable", "Disk Failure"]) {
            assert!(matches!(answer, Err(PublishError::Storage(told)) if told.contains(reason)), "{answer:?}");
        }
        assert_eq!(answers[9], Ok(()));
        bench.up().await;
        assert_eq!(bench.broker.logins().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_can_never_be_sent_is_refused_without_harm_to_the_session() {
    locally(async {
        let bench = Bench::new(Script { max_message: Some(10_000), ..Script::default() });
        bench.up().await;

        let large = PublishMessage { payload: vec![b'x'; 20_000].into(), ..sale(1) };
        let long = PublishMessage { topic: "t/".repeat(200) + "x", ..sale(2) };
        let wild = PublishMessage { topic: "nul\0byte".to_owned(), ..sale(3) };
        let answers = [large, long.clone(), wild].map(|message| bench.publisher.ask(message, WITHIN));
        let [large, too_long, wild] = answers;

        assert_eq!(large.await.unwrap(), Err(PublishError::TooLarge));
        assert_eq!(too_long.await.unwrap(), Err(PublishError::NoSubscriber(long.topic)));
        assert_eq!(wild.await.unwrap(), Err(PublishError::NoSubscriber("nul\0byte".to_owned())));
        assert_eq!(bench.publish(4).await, Ok(()));
        assert_eq!(bench.broker.logins().len(), 1);
    })
    .await;
}

/// One entry of a structured data map: a name, then a text, each with type, length and a NUL at its end.
fn entry(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        // A long text needs a byte more for its length, and says so in its type.
        let head = match u8::try_from(text.len() + 3) {
            Ok(length) => vec![7 << 2, length],
            Err(_) => {
                [&[7 << 2 | 1][..], &u16::try_from(text.len() + 4).expect("a text of 64 KiB").to_be_bytes()].concat()
            }
        };
        [&head[..], text.as_bytes(), &[0]].concat()
    };
    [text(name), text(value)].concat()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_message_says_on_the_wire_what_it_is_to_the_byte() {
    locally(async {
        let bench = Bench::new(Script::default());
        bench.up().await;
        let id = Uuid::parse_str("1b4e28ba-2fa1-41d2-883f-0016d3cca427").unwrap();
        let payload: Vec<u8> = (0..=255).collect();
        let topic = "sale/pos/transaction/receipt/STORE_42/Ä".to_owned();
        let order = PublishMessage::new(topic, id, payload.clone(), 42);

        assert_eq!(bench.publisher.ask(order, WITHIN).await, Ok(Ok(())));

        let content = bench.broker.messages().remove(0).published.content;
        assert_eq!(content.topic, "sale/pos/transaction/receipt/STORE_42/Ä");
        assert_eq!(content.delivery_mode, Some(DeliveryMode::Persistent));
        assert!(content.flags.dmq_eligible && !content.flags.eliding_eligible && !content.flags.deliver_to_one);
        assert_eq!((content.time_to_live_ms, content.user_data, content.extended), (None, None, None));
        let (body, properties) = content.payload.split_at(payload.len());
        assert_eq!(body, payload);
        let header = [entry("mi", &id.to_string()), entry("ct", "application/json")];
        assert!(header.iter().all(|entry| contains(properties, entry)), "{properties:?}");
        assert!(properties.ends_with(&entry("JMSXGroupID", "42")), "{properties:?}");
        let summary = content.content_summary.expect("the parts are told");
        assert_eq!(summary[..3], [0x23, 0x01, 0x00], "a binary attachment of 256 bytes");
    })
    .await;
}

#[tokio::test]
async fn a_message_of_a_trace_says_on_the_wire_which_to_the_byte() {
    locally(async {
        let bench = Bench::new(Script::default());
        bench.up().await;
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (short, longest) = ("rojo=1,congo=t61", "a=".to_owned() + &"b".repeat(510));
        let traced = |state| PublishMessage { trace: TraceContext::parse(parent, state), ..sale(1) };

        for order in [traced(""), traced(short), traced(&longest)] {
            assert_eq!(bench.publisher.ask(order, WITHIN).await, Ok(Ok(())));
        }

        let properties = bench.broker.messages().into_iter().map(|seen| seen.published.content.payload.to_vec());
        let properties: Vec<_> = properties.collect();
        let of_parent = [entry("JMSXGroupID", "1"), entry("traceparent", parent)].concat();
        assert!(properties[0].ends_with(&of_parent), "{:?}", properties[0]);
        let of_state = [of_parent.clone(), entry("tracestate", short)].concat();
        assert!(properties[1].ends_with(&of_state), "{:?}", properties[1]);
        let of_longest = [of_parent, entry("tracestate", &longest)].concat();
        assert!(properties[2].ends_with(&of_longest), "{:?}", properties[2]);
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_answers_nothing_is_reported_until_it_does_and_no_publish_is_lost() {
    locally(async {
        let bench = Bench::new(Script { withhold: true, ..Script::default() });
        bench.up().await;

        let answer = bench.publisher.ask(sale(1), WITHIN);
        until("the leg says why", || bench.is_down_with("answered no publish")).await;
        // Longer than the library waits before it sends again what got no word.
        sleep(Duration::from_millis(1500)).await;
        bench.broker.release();

        assert_eq!(answer.await, Ok(Ok(())));
        bench.up().await;
        assert_eq!((numbers(&bench.broker.messages()), bench.broker.logins().len()), (vec![1], 1));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_reads_slowly_gets_everything_once_and_in_order() {
    locally(async {
        let bench = Bench::new(Script::default());
        bench.up().await;
        let large = |number| PublishMessage { payload: vec![b'x'; 100_000].into(), ..sale(number) };

        bench.broker.script().deaf = true;
        let publishes = join_all((0..400).map(|number| bench.publisher.ask(large(number), WITHIN)));
        let reading = async {
            // Sockets take some megabytes; what is behind them has to wait for room.
            sleep(Duration::from_millis(300)).await;
            bench.broker.script().deaf = false;
        };
        let (answers, ()) = tokio::join!(publishes, reading);

        assert!(answers.iter().all(|answer| *answer == Ok(Ok(()))), "{answers:?}");
        assert_eq!(numbers(&bench.broker.messages()), (0..400).collect::<Vec<_>>());
        assert_eq!(bench.broker.logins().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_leg_that_an_abandoned_incarnation_reports_late_is_soon_right_again() {
    locally(async {
        let bench = Bench::new(Script::default());
        bench.up().await;

        bench.health.set(tillstream_messages::Leg::Publish, LegState::Down("written by a blocked thread".to_owned()));

        bench.up().await;
    })
    .await;
}
