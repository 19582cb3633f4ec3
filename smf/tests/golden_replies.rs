//! What a broker sent that the vendor's C library was content with, byte for byte, in both directions.
//! Does not prove that other bytes would not do.

mod common;

use bytes::Bytes;
use common::{frame, reply_bytes, wire};
use tillstream_smf::*;

/// The capture is that reply, and that reply is the capture.
fn holds(capture: &str, reply: &Reply) {
    let bytes = wire(capture);
    assert_eq!(&Reply::decode(&frame(&bytes)).expect("understood"), reply);
    assert_eq!(reply_bytes(reply), bytes);
}

fn answer(response: Response, body: AnswerBody) -> Reply {
    Reply::answer(None, response, body)
}

fn tagged(tag: u8, response: Response, body: AnswerBody) -> Reply {
    Reply::answer(Some(CorrelationTag([0, 0, tag])), response, body)
}

#[test]
fn the_answer_to_a_login() {
    let capture = r##"
        03 0c 00 01 00000014 000000cc
        08 08 000000c8 4f4b
        01 00 000000b8
        00 00000013 "10.99.0.1-poc\0"
        01 00000011 "Nov 22 2026\0"
        02 00000014 "PoC SMF Broker\0"
        05 00000009 "cli\0"
        06 0000000d "default\0"
        08 0000001d "#P2P/v:poc/00000001/cli\0"
        09 0000002b  1b 69c34100
           00 00000009 000003e8  01 00000006 00  02 00000009 01c9c380  03 00000009 04000000
        0a 0000000c "poc-vr\0"
        0c 00000010 "poc-router\0""##;
    use Capability::*;
    let flags = [
        Compression,
        GuaranteedConsume,
        GuaranteedPublish,
        Selectors,
        EndpointMessageTtl,
        QueueSubscriptions,
        NoLocal,
        ActiveFlowIndication,
        EndpointDiscard,
        SharedSubscriptions,
    ];
    let capabilities = Capabilities {
        flags: CapabilitySet::of(&flags),
        port_speed: Some(1000),
        port_type: Some(0),
        max_guaranteed: Some(30_000_000),
        max_direct: Some(67_108_864),
    };
    let login = LoginAnswer {
        software_version: Some("10.99.0.1-poc".into()),
        software_date: Some("Nov 22 2026".into()),
        platform: Some("PoC SMF Broker".into()),
        client_name: Some("cli".into()),
        message_vpn: Some("default".into()),
        p2p_topic: Some("#P2P/v:poc/00000001/cli".into()),
        capabilities: Some(capabilities),
        virtual_router: Some("poc-vr".into()),
        router_name: Some("poc-router".into()),
    };
    holds(capture, &answer(Response::OK, AnswerBody::Login(login)));
}

#[test]
fn the_shortest_answer_that_lets_a_client_in_and_the_flags_it_states() {
    let bytes = wire("030c0001 00000014 00000021 0808000000c84f4b  01 00 0000000d  09 00000007 08 28");

    let reply = Reply::decode(&frame(&bytes)).expect("understood");

    let Reply::Answer(Answer { body: AnswerBody::Login(login), .. }) = reply else { panic!("no login: {reply:?}") };
    let flags = CapabilitySet::of(&[Capability::GuaranteedConsume, Capability::GuaranteedPublish]);
    assert_eq!(login.capabilities, Some(Capabilities { flags, ..Capabilities::default() }));
    assert!(flags.has(Capability::GuaranteedPublish) && !flags.has(Capability::Jndi));
}

#[test]
fn a_refused_login() {
    let capture = r#"03 0c 00 01 0000001e 00000024  08 12 00000191 "Unauthorized"  01 00 00000006"#;
    holds(capture, &answer(Response::UNAUTHORIZED, AnswerBody::Login(LoginAnswer::default())));
}

#[test]
fn the_answer_to_an_update() {
    let capture = "030c0001 00000014 0000001a 0808000000c84f4b 01 01 00000006";
    holds(capture, &answer(Response::OK, AnswerBody::Update));
}

#[test]
fn an_opened_publishers_flow() {
    let capture = r#"
        03 09 00 01 00000014 00000048  08 08 000000c8 4f4b
        03 00 00000034
        82 0a 0000000000000000
        83 03 32
        86 06 00000002
        0a 15 "poc/1/2/1795382746\0"
        23 06 00000002"#;
    let flow = PubFlow {
        flow_id: 2,
        last_acked: 0,
        window: Some(50),
        flow_name: Some("poc/1/2/1795382746".into()),
        publisher_id: Some(2),
    };
    holds(capture, &answer(Response::OK, AnswerBody::OpenPubFlow(Some(flow))));
}

#[test]
fn a_publishers_flow_that_is_forgotten() {
    let capture = r#"030900010000002300000029 0817 00000190 "Unknown Flow Name" 03 00 00000006"#;
    holds(capture, &answer(Response::UNKNOWN_FLOW_NAME, AnswerBody::OpenPubFlow(None)));
}

#[test]
fn the_answers_to_subscriptions() {
    let of = |topic: &str| {
        let topic = topic.to_owned();
        AnswerBody::Subscription(Some(Subscription { action: Action::Add, flags: SubscriptionFlags::USUAL, topic }))
    };
    let inbox = r##"
        03 0f 00 01 00000018 00000038  23 000001  08 08 000000c8 4f4b
        80 00000020 0c "#P2P/v:poc/00000001/cli/>\0""##;
    holds(inbox, &tagged(1, Response::OK, of("#P2P/v:poc/00000001/cli/>")));
    let direct = r#"030f0001 00000018 00000022 23000002 0808000000c84f4b 80 0000000a 0c "d/>\0""#;
    holds(direct, &tagged(2, Response::OK, of("d/>")));
    let bare = "030f0001 00000018 00000018 23000002 0808000000c84f4b";
    holds(bare, &tagged(2, Response::OK, AnswerBody::Subscription(None)));
}

#[test]
fn a_sign_of_life() {
    holds("03 8b 00 02 0000000c 0000000c", &Reply::KeepAlive(KeepAlive::V2));
}

#[test]
fn an_acknowledgement_of_published_messages_has_a_response_each_time() {
    let capture = "
        03 09 00 01 00000014 0000002d  08 08 000000c8 4f4b
        03 03 00000019
        86 06 00000002
        82 0a 0000000000000009
        83 03 ff";
    let ack = PublishAck { flow_id: 2, last_acked: 9, window: Some(255) };
    holds(capture, &answer(Response::OK, AnswerBody::PublishAck(ack)));
    let without_window = "
        03 09 00 01 00000014 0000002a  08 08 000000c8 4f4b
        03 03 00000016
        86 06 00000002
        82 0a 0000000000000009";
    holds(without_window, &Reply::acknowledged(2, 9));
}

#[test]
fn a_rejection_of_a_published_message() {
    let capture = r#"
        03 09 00 01 00000022 0000003b  08 16 000001f7 "Spool Over Quota"
        03 03 00000019
        86 06 00000002
        82 0a 0000000000000009
        83 03 ff"#;
    let ack = PublishAck { flow_id: 2, last_acked: 9, window: Some(255) };
    holds(capture, &answer(Response::SPOOL_OVER_QUOTA, AnswerBody::PublishAck(ack)));
    let Reply::Answer(rejection) = Reply::rejected(2, 9, Response::SPOOL_OVER_QUOTA) else { panic!("no answer") };
    assert!(rejection.response.refuses());
}

#[test]
fn a_bound_flow() {
    let capture = r#"
        03 09 00 01 00000018 0000006c  23 000001  08 08 000000c8 4f4b
        03 04 00000054
        86 06 00000004
        07 05 "q1\0"  02 0a 0000000000000000  83 03 ff  0c 03 01  0b 03 01  15 06 0000000f  11 06 00000000
        13 06 00001388  14 06 00989680  16 03 00  20 03 01  21 03 01  31 06 00002710  2a 03 00  2c 06 000000a2"#;
    let bound = Bound {
        flow_id: 4,
        queue: Some("q1".into()),
        last_acked: Some(0),
        window: Some(255),
        access: Some(Access::Exclusive),
        durable: Some(true),
        granted: Some(Permission::Delete),
        others: Some(Permission::None),
        quota_mb: Some(5000),
        max_message_size: Some(10_000_000),
        respects_ttl: Some(false),
        active: Some(true),
        flow_changes: Some(true),
        max_unacked: Some(10_000),
        max_redelivery: Some(0),
        endpoint_id: Some(162),
    };
    holds(capture, &tagged(1, Response::OK, AnswerBody::Bind(Some(bound))));
}

#[test]
fn a_refused_bind() {
    let capture = r#"
        03 09 00 01 00000023 00000029  23 000001  08 13 000001f7 "Unknown Queue"
        03 04 00000006"#;
    holds(capture, &tagged(1, Response::UNKNOWN_QUEUE, AnswerBody::Bind(None)));
}

fn delivered(redelivered: bool) -> Reply {
    let content = Content {
        topic: "q1/a".into(),
        name_at: Some(NameAt { kind: NameKind::Topic, offset: 0, length: 4 }),
        priority: Some(4),
        delivery_mode: Some(DeliveryMode::Persistent),
        payload: Bytes::from_static(b"msg 00000001...."),
        ..Content::default()
    };
    let ids = DeliveryIds { flow_id: 4, message_id: 2, previous_id: 0, redelivered };
    Reply::Deliver(Delivered { content, guaranteed: Some(ids) })
}

#[test]
fn a_delivered_message() {
    let capture = r#"
        13 0d 00 ff 00000036 00000046
        98 07 "q1/a\0"   03 03 04   26 00 04   10 03 01
        91 0a 0000000000000002
        92 0a 0000000000000000
        17 06 00000004
        "msg 00000001....""#;
    holds(capture, &delivered(false));
}

#[test]
fn a_message_that_is_delivered_again() {
    let capture = r#"
        13 0d 00 ff 00000038 00000048
        98 07 "q1/a\0"   03 03 04   26 00 04   10 03 01
        91 0a 0000000000000002
        92 0a 0000000000000000
        17 06 00000004
        13 02
        "msg 00000001....""#;
    holds(capture, &delivered(true));
}

#[test]
fn the_answer_to_an_unbind() {
    let capture = "
        03 09 00 01 00000014 00000020  08 08 000000c8 4f4b
        03 05 0000000c
        86 06 00000004";
    holds(capture, &answer(Response::OK, AnswerBody::Unbind { flow_id: 4 }));
}

#[test]
fn a_change_of_activity() {
    let capture = "
        03 09 00 01 0000000c 0000001b
        03 0c 0000000f
        86 06 00000004
        20 03 01";
    holds(capture, &Reply::FlowChange(FlowChange { flow_id: 4, active: true }));
}

#[test]
fn a_publishers_flow_that_the_broker_ends() {
    let capture = r#"
        03 09 00 01 00000025 00000031  08 19 000001f7 "Service Unavailable"
        03 07 0000000c
        86 06 00000002"#;
    holds(capture, &answer(Response::SERVICE_UNAVAILABLE, AnswerBody::ClosePubFlow { flow_id: 2 }));
}
