//! What the vendor's C library was seen to send, byte for byte: it is understood, and written the same way.
//! One capture, of the vendor's JavaScript client, is only understood: it says the same in another order.
//! The first captures are small enough to read; the others are a whole session of the Python API, which uses that library.

mod common;

use bytes::Bytes;
use common::{frame, request_bytes, wire};
use tillstream_smf::*;

/// The capture is that request, and that request is the capture.
fn holds(capture: &str, correlation: Option<[u8; 3]>, body: RequestBody) {
    let bytes = wire(capture);
    let expected = Request { correlation: correlation.map(CorrelationTag), body };

    let understood = Request::decode(&frame(&bytes)).expect("understood");
    let written = request_bytes(&expected);

    assert_eq!(format!("{understood:?}"), format!("{expected:?}"));
    assert_eq!(written, bytes);
    assert_eq!(request_bytes(&understood), bytes);
}

fn content(topic: &'static str, payload: &'static [u8]) -> Content {
    Content { topic: topic.into(), priority: Some(4), payload: Bytes::from_static(payload), ..Content::default() }
}

#[test]
fn a_login() {
    let capture = r#"
        03 8c 00 01 00000018 000000c1
        06 06 64513d3d
        07 06 63413d3d
        81 00 000000a9
        00 0000000e "7.33.0.3\0"
        01 0000001a "Apr 14 2025 11:58:57\0"
        02 00000020 "Linux26-x86_64_opt - C SDK\0"
        03 0000002f "'root'  Computer: 'vm'  Process ID: 15695\0"
        04 00000006 00
        05 00000009 "cli\0"
        86 0000000d "default\0"
        17 00000007 03e0
        18 00000009 00000003"#;
    let login = Login {
        username: Some("u".into()),
        password: Some("p".to_owned().into()),
        client_name: Some("cli".into()),
        message_vpn: Some("default".into()),
        software_version: Some("7.33.0.3".into()),
        software_date: Some("Apr 14 2025 11:58:57".into()),
        platform: Some("Linux26-x86_64_opt - C SDK".into()),
        user_id: Some("'root'  Computer: 'vm'  Process ID: 15695".into()),
        description: Some(String::new()),
        capabilities: Some(ClientCapabilities { unbind_ack: true, bind_error_ids: true, partitioned_queues: true }),
        keep_alive_seconds: Some(3),
        ..Login::default()
    };
    holds(capture, None, RequestBody::Login(login));
}

#[test]
fn an_update() {
    let capture = r#"038c0001 0000000c 0000001b 81 01 0000000f 05 00000009 "new\0""#;
    holds(capture, None, RequestBody::Update(Update { client_name: Some("new".into()), description: None }));
}

#[test]
fn the_opening_of_a_publishers_flow_in_the_old_form() {
    let capture = "
        03 09 00 01 0000000c 0000002c
        02 0008
        82 0a 0000000000000000
        81 0a 0000000000000000
        83 03 32
        0a 03 00  00 00 00";
    let open = OpenPubFlow {
        version: AdCtrlVersion::V2,
        last_acked: 0,
        last_sent: 0,
        window: Some(50),
        flow_name: String::new(),
    };
    holds(capture, None, RequestBody::OpenPubFlow(open));
}

#[test]
fn the_opening_of_a_publishers_flow_as_the_javascript_client_writes_it() {
    let capture = "
        03 09 00 01 00000010 0000002f
        23 000002
        03 00 0000001f
        81 0a 0000000000000000
        82 0a 0000000000000000
        83 03 32
        0a 02";

    let understood = Request::decode(&frame(&wire(capture))).expect("understood");

    assert_eq!(understood.correlation, Some(CorrelationTag([0, 0, 2])));
    let RequestBody::OpenPubFlow(open) = understood.body else { panic!("another request") };
    assert_eq!((open.flow_name.as_str(), open.window, open.version), ("", Some(50), AdCtrlVersion::V3));
}

#[test]
fn the_resumption_of_a_publishers_flow_by_its_name() {
    let capture = r#"
        03 09 00 01 0000000c 00000040
        02 000d
        82 0a 0000000000000000
        81 0a 0000000000000002
        83 03 32
        0a 17 "poc/12/14/1795382748\0"  00 00 00"#;
    let open = OpenPubFlow {
        version: AdCtrlVersion::V2,
        last_acked: 0,
        last_sent: 2,
        window: Some(50),
        flow_name: "poc/12/14/1795382748".into(),
    };
    holds(capture, None, RequestBody::OpenPubFlow(open));
}

#[test]
fn a_subscription_that_begins_and_ends() {
    let subscription = |action, topic: &str| {
        RequestBody::Subscription(Subscription { action, flags: SubscriptionFlags::USUAL, topic: topic.into() })
    };
    let inbox = r##"038f0001 00000010 00000030  23 000001  80 00000020 0c "#P2P/v:poc/00000001/cli/>\0""##;
    holds(inbox, Some([0, 0, 1]), subscription(Action::Add, "#P2P/v:poc/00000001/cli/>"));
    let add = r#"038f0001 00000010 0000001a 23000002 80 0000000a 0c "d/>\0""#;
    holds(add, Some([0, 0, 2]), subscription(Action::Add, "d/>"));
    let remove = r#"038f0001 00000010 0000001a 23000003 81 0000000a 0c "d/>\0""#;
    holds(remove, Some([0, 0, 3]), subscription(Action::Remove, "d/>"));
}

#[test]
fn a_sign_of_life() {
    holds("03 8b 00 01 0000000c 0000000c", None, RequestBody::KeepAlive(KeepAlive::V2));
}

#[test]
fn a_direct_message() {
    let capture = r#"
        03 8d 00 ff 00000015 00000025
        98 06 "d/1\0"
        03 03 04
        "sixteen bytes..!""#;
    let published = Published { content: content("d/1", b"sixteen bytes..!"), guaranteed: None };
    holds(capture, None, RequestBody::Publish(published));
}

fn guaranteed(redelivered: bool) -> RequestBody {
    let content = Content {
        name_at: Some(NameAt { kind: NameKind::Topic, offset: 0, length: 4 }),
        delivery_mode: Some(DeliveryMode::Persistent),
        ..content("q1/a", b"msg 00000001....")
    };
    let ids = PublishIds {
        flow_id: 2,
        publisher_id: Some(2),
        message_id: 1,
        previous_id: 0,
        redelivered,
        ack_immediately: false,
    };
    RequestBody::Publish(Published { content, guaranteed: Some(ids) })
}

#[test]
fn a_guaranteed_message() {
    let capture = r#"
        13 8d 00 ff 0000003c 0000004c
        98 07 "q1/a\0"
        03 03 04
        90 03 01
        17 06 00000002
        01 06 00000002
        92 0a 0000000000000000
        91 0a 0000000000000001
        26 00 04
        "msg 00000001....""#;
    holds(capture, None, guaranteed(false));
}

#[test]
fn a_guaranteed_message_that_is_sent_again() {
    let capture = r#"
        13 8d 00 ff 0000003e 0000004e
        98 07 "q1/a\0"
        03 03 04
        90 03 01
        17 06 00000002
        01 06 00000002
        92 0a 0000000000000000
        91 0a 0000000000000001
        93 02
        26 00 04
        "msg 00000001....""#;
    holds(capture, None, guaranteed(true));
}

#[test]
fn a_guaranteed_message_to_a_queue_with_properties_behind_its_attachment() {
    let capture = r##"
        13 8d 00 ff 00000049 00000059
        98 0e "#P2P/QUE/q1\0"
        96 06 2210 4256
        03 03 04
        90 03 01
        17 06 00000002
        01 06 00000002
        92 0a 0000000000000006
        91 0a 0000000000000007
        2a 09 02
        "sixteen bytes..!""##;
    let content = Content {
        name_at: Some(NameAt { kind: NameKind::Queue, offset: 9, length: 2 }),
        delivery_mode: Some(DeliveryMode::Persistent),
        content_summary: Some(Bytes::from_static(&[0x22, 0x10, 0x42, 0x56])),
        ..content("#P2P/QUE/q1", b"sixteen bytes..!")
    };
    assert_eq!(content.destination(), Destination::Queue("q1"));
    let ids = PublishIds {
        flow_id: 2,
        publisher_id: Some(2),
        message_id: 7,
        previous_id: 6,
        redelivered: false,
        ack_immediately: false,
    };
    holds(capture, None, RequestBody::Publish(Published { content, guaranteed: Some(ids) }));
}

#[test]
fn a_bind() {
    let capture = r#"
        03 09 00 01 00000010 00000024  23 000001
        03 04 00000014
        87 05 "q1\0"
        83 03 ff
        0b 03 01
        21 03 01"#;
    let bind = Bind {
        queue: Some("q1".into()),
        window: Some(255),
        durable: Some(true),
        wants_flow_changes: Some(true),
        ..Bind::default()
    };
    holds(capture, Some([0, 0, 1]), RequestBody::Bind(bind));
}

#[test]
fn a_bind_after_a_reconnect_that_settles_and_follows_its_activity() {
    let capture = r#"
        03 09 00 01 00000010 00000031  23 000001
        03 04 00000021
        87 05 "q1\0"
        83 03 ff
        0b 03 01
        10 0a 0000000000000009
        92 03 03
        21 03 01"#;
    let bind = Bind {
        queue: Some("q1".into()),
        window: Some(255),
        durable: Some(true),
        last_received: Some(9),
        wants_flow_changes: Some(true),
        flow_type: Some(FlowType::Settling),
        ..Bind::default()
    };
    holds(capture, Some([0, 0, 1]), RequestBody::Bind(bind));
}

#[test]
fn an_acknowledgement_of_a_range() {
    let capture = "
        03 09 00 01 0000000c 00000037
        03 03 0000002b
        86 06 00000004
        82 0a 0000000000000003
        83 03 ff
        85 12 0000000000000000 0000000000000003";
    let settled = vec![Settlement { first: 0, last: 3, outcome: Outcome::Accepted }];
    let ack = FlowAck { flow_id: 4, received: Some(3), window: Some(255), settled };
    holds(capture, None, RequestBody::FlowAck(ack));
}

#[test]
fn an_acknowledgement_with_three_outcomes() {
    let capture = "
        03 09 00 01 0000000c 00000053
        03 03 00000047
        86 06 00000004
        83 03 ff
        85 12 0000000000000001 0000000000000001
        85 13 0000000000000002 0000000000000002 01
        85 13 0000000000000003 0000000000000004 03";
    let settled = vec![
        Settlement { first: 1, last: 1, outcome: Outcome::Accepted },
        Settlement { first: 2, last: 2, outcome: Outcome::Failed },
        Settlement { first: 3, last: 4, outcome: Outcome::Rejected },
    ];
    let ack = FlowAck { flow_id: 4, received: None, window: Some(255), settled };
    holds(capture, None, RequestBody::FlowAck(ack));
}

#[test]
fn an_unbind() {
    let capture = "03 09 00 01 0000000c 00000018  03 05 0000000c  86 06 00000004";
    holds(capture, None, RequestBody::Unbind { flow_id: 4 });
}

#[test]
fn the_answer_to_a_change_of_activity() {
    let capture = r#"
        03 89 00 01 00000014 00000023  08 08 000000c8 4f4b
        03 0c 0000000f
        86 06 00000004
        20 03 01"#;
    holds(capture, None, RequestBody::FlowChangeSeen(FlowChange { flow_id: 4, active: true }));
}

/// Connecting, publishing with every option of that API, reconnecting, consuming, settling, leaving.
#[test]
fn every_frame_of_a_session_of_the_python_api_is_understood_and_written_the_same_way() {
    for capture in include_str!("captures/python_api_1_11.txt").lines() {
        let bytes = wire(capture);

        let request = Request::decode(&frame(&bytes)).expect("understood");

        assert_eq!(hex(&request_bytes(&request)), capture, "{request:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
