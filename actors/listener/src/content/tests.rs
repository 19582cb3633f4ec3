use std::sync::Arc;

use proptest::prelude::*;
use tillstream_smf::MessageFlags;

use super::*;

const ID: Uuid = Uuid::from_u128(0x0b9c4c0e_8e64_4d5e_9b0a_0123456789ab);

fn kept(message: OutboundMessage) -> Delivery {
    Delivery {
        id: 1,
        topic: Arc::from(message.topic),
        message_id: message.message_id,
        properties: message.properties,
        payload: message.payload,
        redelivered: false,
        delivery_count: 1,
    }
}

fn sale(payload: &[u8], summary: Option<&'static [u8]>) -> Content {
    Content {
        topic: "a/b".into(),
        content_summary: summary.map(Bytes::from_static),
        payload: Bytes::copy_from_slice(payload),
        ..Content::default()
    }
}

#[test]
fn the_broker_keeps_the_attachment_alone_and_knows_the_applications_message_id() {
    let mut payload = b"hello".to_vec();
    payload.extend_from_slice(&metadata::block(ID, None).unwrap());

    let message = to_outbound(sale(&payload, Some(b"\x22\x05\x42\x48")));

    assert_eq!((&message.payload[..], message.message_id), (&b"hello"[..], ID));
}

#[test]
fn a_payload_without_a_summary_is_all_attachment() {
    let message = to_outbound(sale(b"hello", None));
    assert_eq!((&message.payload[..], message.message_id), (&b"hello"[..], Uuid::nil()));
}

#[test]
fn a_payload_with_other_parts_or_other_lengths_stays_whole() {
    for summary in [
        &b"\x42\x05"[..],
        b"\x42\x02\x22\x03",
        b"\x22\x02\x42\x02",
        b"\x22\x05",
        b"\x22\x02\x42\x02\x62\x01",
        b"\x2f\x02",
        b"\x20",
        b"",
    ] {
        let message = to_outbound(sale(b"hello", Some(summary)));
        assert_eq!(&message.payload[..], b"hello", "{summary:x?}");
        assert_eq!(of_delivery(&kept(message)).content_summary.as_deref(), Some(summary));
    }
}

#[test]
fn a_message_of_this_process_is_delivered_as_a_client_library_would_have_sent_it() {
    let ours = OutboundMessage {
        topic: "a/b".to_owned(),
        message_id: ID,
        properties: Bytes::new(),
        payload: Bytes::from(vec![b'x'; 300]),
    };

    let content = of_delivery(&kept(ours));

    assert_eq!(content.content_summary.as_deref(), Some(&b"\x23\x01\x2c\x42\x48"[..]));
    let again = to_outbound(content);
    assert_eq!((again.payload.len(), again.message_id), (300, ID));
}

const TRACE: TraceNote<'_> = TraceNote { trace: 1 << 100 | 7, span: 8, flags: 1, state: "a=1" };

#[test]
fn the_trace_that_a_client_says_is_noted_in_front_of_all_else_and_its_bytes_come_back() {
    let block = metadata::block(ID, Some(&TRACE)).unwrap();
    let payload = [b"hello", &block[..]].concat();
    let length = u8::try_from(block.len()).unwrap();
    let sent = Content { content_summary: Some(Bytes::from(vec![0x22, 5, 0x42, length])), ..sale(&payload, None) };

    let message = to_outbound(sent.clone());

    assert_eq!((&message.payload[..], message.message_id), (&b"hello"[..], ID));
    let (trace, said) = TraceNote::split(&message.properties);
    assert_eq!((trace, said.first()), (Some(TRACE), Some(&1)));
    assert_eq!(of_delivery(&kept(message)), sent);
}

#[test]
fn a_message_without_a_trace_is_kept_as_before_there_were_any() {
    let payload = [b"hello", &metadata::block(ID, None).unwrap()[..]].concat();

    let message = to_outbound(sale(&payload, Some(b"\x22\x05\x42\x48")));

    assert_eq!(TraceNote::split(&message.properties), (None, &message.properties[..]));
    assert_eq!(message.properties[..4], [1, 1, 0, 0]);
}

#[test]
fn a_message_of_this_process_says_its_trace_as_a_client_library_would() {
    for id in [ID, Uuid::nil()] {
        let ours = OutboundMessage {
            topic: "a/b".to_owned(),
            message_id: id,
            properties: TRACE.alone(),
            payload: Bytes::from_static(b"hello"),
        };

        let content = of_delivery(&kept(ours));

        assert_eq!(content.payload[5..], metadata::block(id, Some(&TRACE)).unwrap());
        let again = to_outbound(content);
        assert_eq!((&again.payload[..], again.message_id), (&b"hello"[..], id));
        assert_eq!(TraceNote::split(&again.properties).0, Some(TRACE));
    }
}

#[test]
fn properties_that_nobody_can_read_do_not_stop_the_message() {
    for properties in [&b"\x02"[..], b"\x01\x63", b"\x01\x06\x00\x00\x00\x09x", b"\x01\x03\x09"] {
        let message =
            OutboundMessage { properties: Bytes::from_static(properties), ..to_outbound(sale(b"hello", None)) };
        assert_eq!(&of_delivery(&kept(message)).payload[..], b"hello", "{properties:x?}");
    }
    let noted = [&TRACE.alone()[..], b"\x09"].concat();
    let message = OutboundMessage { properties: noted.into(), ..to_outbound(sale(b"hello", None)) };
    let content = of_delivery(&kept(message));
    assert_eq!(content.payload[5..], metadata::block(Uuid::nil(), Some(&TRACE)).unwrap());
}

fn part() -> impl Strategy<Value = Option<Bytes>> {
    prop::option::of(prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from))
}

fn flags() -> impl Strategy<Value = MessageFlags> {
    any::<[bool; 4]>().prop_map(|[discard_indication, eliding_eligible, deliver_to_one, dmq_eligible]| MessageFlags {
        discard_indication,
        eliding_eligible,
        deliver_to_one,
        dmq_eligible,
    })
}

/// A summary in whatever width, that may or may not fit the payload.
fn summaries() -> impl Strategy<Value = Option<Bytes>> {
    let part = (0_u8..8, 1_usize..5, 0_u32..60).prop_map(|(kind, width, length)| {
        let mut entry = vec![kind << 4 | (width + 1) as u8];
        entry.extend_from_slice(&length.to_be_bytes()[4 - width..]);
        entry
    });
    prop::option::of(prop::collection::vec(part, 0..3).prop_map(|parts| Bytes::from(parts.concat())))
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_given_back_byte_for_byte(
        flags in flags(),
        (class_of_service, priority, queue) in (0_u8..16, any::<Option<u8>>(), any::<bool>()),
        time_to_live_ms in any::<Option<u64>>(),
        (user_data, extended) in (part(), part()),
        content_summary in summaries(),
        payload in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let kind = if queue { NameKind::Queue } else { NameKind::Topic };
        let sent = Content {
            topic: "some/topic".into(),
            name_at: Some(NameAt { kind, offset: 2, length: 3 }),
            flags,
            class_of_service,
            priority,
            delivery_mode: Some(DeliveryMode::NonPersistent),
            user_data,
            content_summary,
            time_to_live_ms,
            extended,
            payload: payload.into(),
        };

        prop_assert_eq!(of_delivery(&kept(to_outbound(sent.clone()))), sent);
    }

    #[test]
    fn an_attachment_with_metadata_is_told_apart_in_every_width(
        (attachment, metadata) in (0_usize..300, 0_usize..300),
        (first, second) in (2_usize..5, 2_usize..5),
    ) {
        let mut summary = Vec::new();
        for (kind, length, width) in [(ATTACHMENT, attachment, first), (METADATA, metadata, second)] {
            summary.push(kind << 4 | (width + 1) as u8);
            summary.extend_from_slice(&(length as u32).to_be_bytes()[4 - width..]);
        }
        let sent = Content { content_summary: Some(summary.into()), ..sale(&vec![7; attachment + metadata], None) };

        let message = to_outbound(sent.clone());

        prop_assert_eq!(message.payload.len(), attachment);
        prop_assert_eq!(of_delivery(&kept(message)), sent);
    }
}
