//! Single rules of the protocol: limits, what is malformed, and what becomes of what is not understood.
//! Frames are written by hand, because no peer sends them.

mod common;

use bytes::BytesMut;
use common::{cut, frame, request_bytes, wire};
use tillstream_smf::*;

const LIMITS: Limits = Limits { max_header: 100, max_control: 200, max_message: 1000 };

fn error_of(notation: &str) -> Option<FrameError> {
    cut(&[&wire(notation)], &LIMITS).1.err()
}

fn decode(notation: &str) -> Result<Request, Fault> {
    Request::decode(&frame(&wire(notation)))
}

fn malformed(notation: &str) -> Malformed {
    match decode(notation) {
        Err(Fault::Malformed(malformed)) => malformed,
        other => panic!("not malformed: {other:?}"),
    }
}

fn parameter(list: List, kind: u16) -> Parameter {
    Parameter { list, kind }
}

#[test]
fn whoever_does_not_speak_smf_is_found_out_by_the_first_bytes() {
    assert_eq!(error_of("\"GET / HTTP/1.1\""), Some(FrameError::Version(7)));
    assert_eq!(error_of("16 03 01 02 00 01 00 01 fc 03 03 00"), Some(FrameError::Version(6)));
}

#[test]
fn lengths_that_cannot_be_end_the_connection() {
    let short = FrameError::Lengths { header: 11, total: 12 };
    assert_eq!(error_of("03 8b 00 01 0000000b 0000000c"), Some(short));
    let inside_out = FrameError::Lengths { header: 20, total: 19 };
    assert_eq!(error_of("03 8b 00 01 00000014 00000013"), Some(inside_out));
}

#[test]
fn a_frame_may_be_as_long_as_its_limit_and_no_longer() {
    assert_eq!(error_of("03 8b 00 01 00000064 000000c8"), None);
    let header = FrameError::HeaderTooLong { found: 101, limit: 100 };
    assert_eq!(error_of("03 8b 00 01 00000065 00000065"), Some(header));
    let control = FrameError::FrameTooLong { found: 201, limit: 200 };
    assert_eq!(error_of("03 8b 00 01 0000000c 000000c9"), Some(control));
    assert_eq!(error_of("03 8d 00 01 0000000c 000003e8"), None);
    let message = FrameError::FrameTooLong { found: 1001, limit: 1000 };
    assert_eq!(error_of("03 8d 00 01 0000000c 000003e9"), Some(message));
}

#[test]
fn every_error_says_what_becomes_of_the_connection() {
    let stream = error_of("03 8b 00 01 00000065 00000065").expect("too long");
    assert!(stream.to_string().ends_with("close the connection"), "{stream}");
    let frame = Fault::from(malformed("03 09 00 01 0000000c 00000012  03 05 00000006"));
    assert_eq!(frame.to_string(), "flow id is missing, close the connection");
}

#[test]
fn a_list_may_have_as_many_parameters_as_the_limit_and_no_more() {
    let with = |count: usize| {
        let header = 12 + 3 * count as u32;
        let mut bytes = vec![3, 0x8b, 0, 1];
        bytes.extend(header.to_be_bytes());
        bytes.extend(header.to_be_bytes());
        bytes.extend([3, 3, 4].repeat(count));
        Request::decode(&common::frame(&bytes))
    };
    assert!(with(MAX_PARAMETERS).is_ok());
    assert!(matches!(with(MAX_PARAMETERS + 1), Err(Fault::Malformed(Malformed::TooMany(List::Header)))));
}

#[test]
fn a_parameter_that_runs_past_its_list_is_malformed() {
    let header = Malformed::CutShort(List::Header);
    assert_eq!(malformed("03 8b 00 01 0000000e 0000000e  03 04"), header);
    assert_eq!(malformed("03 8b 00 01 0000000e 0000000e  03 01"), header);
    assert_eq!(malformed("03 8b 00 01 00000012 00000012  03 00 00000005"), header);
    assert_eq!(malformed("03 8b 00 01 00000012 00000012  03 00 ffffffff"), header);
    assert_eq!(malformed("03 8b 00 01 0000000d 0000000d  23"), Malformed::CutShort(List::Light));
    let ad_ctrl = Malformed::CutShort(List::AdCtrl);
    assert_eq!(malformed("03 09 00 01 0000000c 00000012  03 05 00000007"), ad_ctrl);
    assert_eq!(malformed("03 09 00 01 0000000c 00000014  03 05 00000008 86 06"), ad_ctrl);
    // The long form of AdCtrl, which is described in two ways.
    assert_eq!(malformed("03 09 00 01 0000000c 0000001c  03 05 00000010 86 00 00000008 00000004"), ad_ctrl);
    assert_eq!(malformed("03 09 00 01 0000000c 0000000f  02 50 00"), ad_ctrl);
    let client_ctrl = Malformed::CutShort(List::ClientCtrl);
    assert_eq!(malformed("03 8c 00 01 0000000c 00000017  81 00 0000000b 05 00000006"), client_ctrl);
    assert_eq!(malformed("03 8f 00 01 0000000c 00000012  80 00000007 0c"), Malformed::CutShort(List::Smp));
}

#[test]
fn padding_ends_a_header_and_is_skipped_in_a_list_of_ad_ctrl() {
    let padded = decode("03 8b 00 01 00000010 00000010  00 ff ff ff").expect("understood");
    assert!(matches!(padded.body, RequestBody::KeepAlive(KeepAlive::V2)));
    let unbind = decode("03 09 00 01 0000000c 0000001b  03 05 0000000f  00 86 06 00000004 00 00").expect("understood");
    assert!(matches!(unbind.body, RequestBody::Unbind { flow_id: 4 }));
}

#[test]
fn a_value_of_the_wrong_size_or_without_a_meaning_is_malformed() {
    let size = Malformed::Size { parameter: parameter(List::AdCtrl, 6), found: 2 };
    assert_eq!(malformed("03 09 00 01 0000000c 00000016  03 05 0000000a  86 04 0004"), size);
    let tag = Malformed::Size { parameter: parameter(List::Light, 0), found: 2 };
    assert_eq!(malformed("03 8b 00 01 0000000f 0000000f  22 0001"), tag);
    let mode = Malformed::Value(parameter(List::Header, 0x10));
    assert_eq!(malformed("03 8d 00 ff 00000015 00000015  98 06 \"d/1\\0\"  10 03 07"), mode);
    let name = Malformed::Value(parameter(List::Light, 1));
    assert_eq!(malformed("03 8d 00 ff 00000015 00000015  98 06 \"d/1\\0\"  26 01 03"), name);
    let range = Malformed::Value(parameter(List::AdCtrl, 5));
    let backwards = "03 09 00 01 0000000c 0000002a  03 03 0000001e  86 06 00000004
        85 12 0000000000000002 0000000000000001";
    assert_eq!(malformed(backwards), range);
}

#[test]
fn a_text_needs_its_nul_and_only_that_one() {
    let topic = Malformed::Text(parameter(List::Header, 0x18));
    assert_eq!(malformed("03 8d 00 ff 00000011 00000011  98 05 \"d/1\""), topic);
    assert_eq!(malformed("03 8d 00 ff 00000012 00000012  98 06 \"d\\01\\0\""), topic);
    assert_eq!(malformed("03 8d 00 ff 00000010 00000010  98 04 ff 00"), topic);
}

#[test]
fn a_text_for_people_is_repaired_rather_than_refused() {
    let login = decode("03 8c 00 01 0000000c 0000001b  81 00 0000000f  04 00000009 6d fc 6c 00").expect("understood");
    let RequestBody::Login(login) = login.body else { panic!("no login") };
    assert_eq!(login.description.as_deref(), Some("m\u{fffd}l"));
}

#[test]
fn what_a_frame_cannot_do_without_is_named() {
    assert_eq!(malformed("03 8d 00 ff 0000000c 0000000c"), Malformed::Missing("topic"));
    assert_eq!(malformed("13 8d 00 ff 00000012 00000012  98 06 \"d/1\\0\""), Malformed::Missing("flow id"));
    assert_eq!(malformed("03 09 00 01 0000000c 00000012  03 03 00000006"), Malformed::Missing("flow id"));
}

#[test]
fn versions_of_payloads_that_nobody_knows_are_malformed() {
    let ad_ctrl = Malformed::Version { list: List::AdCtrl, found: 4 };
    assert_eq!(malformed("03 09 00 01 0000000c 00000012  04 05 00000006"), ad_ctrl);
    let client_ctrl = Malformed::Version { list: List::ClientCtrl, found: 2 };
    assert_eq!(malformed("03 8c 00 01 0000000c 00000012  82 00 00000006"), client_ctrl);
}

/// A bind with header parameter 0x05, of which nobody knows anything, and that wish in its first byte.
fn bind_with_unknown(handling: &str) -> Result<Request, Fault> {
    decode(&format!("03 09 00 01 00000012 00000018  23 000001 {handling} 02  03 04 00000006"))
}

#[test]
fn an_unknown_parameter_is_ignored_alone_if_its_sender_says_so() {
    let request = bind_with_unknown("05").expect("understood");
    assert!(matches!(request.body, RequestBody::Bind(_)));
    let update = decode("03 8c 00 01 0000000c 00000018  81 01 0000000c  7f 00000006 00").expect("understood");
    assert!(matches!(update.body, RequestBody::Update(_)));
}

#[test]
fn an_unknown_parameter_takes_its_message_with_it_if_its_sender_says_so() {
    let fault = bind_with_unknown("45").expect_err("ignored");
    let what = NotUnderstood::Parameter(parameter(List::Header, 5));
    assert!(matches!(fault, Fault::Ignored(found) if found == what), "{fault:?}");
}

#[test]
fn an_unknown_parameter_that_must_be_understood_is_answered_with_a_refusal_and_the_same_tag() {
    for must in ["85", "c5"] {
        let Err(Fault::Refused { reply, .. }) = bind_with_unknown(must) else { panic!("not refused: {must}") };
        let tag = Some(CorrelationTag([0, 0, 1]));
        assert_eq!(*reply, Reply::answer(tag, Response::SERVICE_UNAVAILABLE, AnswerBody::Bind(None)));
    }
    let login = decode("03 8c 00 01 0000000c 00000018  81 00 0000000c  ff 00000006 00");
    let Err(Fault::Refused { reply, .. }) = login else { panic!("not refused: {login:?}") };
    let body = AnswerBody::Login(LoginAnswer::default());
    assert_eq!(*reply, Reply::answer(None, Response::SERVICE_UNAVAILABLE, body));
}

#[test]
fn the_strictest_of_several_unknown_parameters_counts() {
    let fault = decode("03 09 00 01 00000010 0000001a  05 02 45 02  03 04 0000000a  bf 02 3f 02");
    let what = NotUnderstood::Parameter(parameter(List::AdCtrl, 0x3f));
    assert!(matches!(fault, Err(Fault::Refused { what: found, .. }) if found == what), "{fault:?}");
}

#[test]
fn a_guaranteed_message_is_never_dropped_in_silence_because_its_flow_would_stop() {
    for unknown in ["45 02", "85 02"] {
        let message = format!(
            "13 8d 00 ff 0000002e 0000002e 98 06 \"d/1\\0\" {unknown}
             17 06 00000002  92 0a 0000000000000006  91 0a 0000000000000007"
        );
        let fault = decode(&message).expect_err("rejected");
        let is_rejection = matches!(
            fault,
            Fault::Rejected { flow_id: 2, message_id: 7, previous_id: 6, what: NotUnderstood::Parameter(_) }
        );
        assert!(is_rejection, "{fault:?}");
    }
    let direct = decode("03 8d 00 ff 00000014 00000014 98 06 \"d/1\\0\" 85 02");
    assert!(matches!(direct, Err(Fault::Ignored(_))), "{direct:?}");
}

#[test]
fn an_unknown_extended_parameter_counts_like_any_other() {
    let known = decode("03 8d 00 ff 00000016 00000016 98 06 \"d/1\\0\" 1f 04 00 2c").expect("understood");
    assert!(matches!(known.body, RequestBody::Publish(_)));
    let must = decode("03 8d 00 ff 00000016 00000016 98 06 \"d/1\\0\" 1f 04 8f ff");
    let what = NotUnderstood::Parameter(parameter(List::Extended, 0xfff));
    assert!(matches!(must, Err(Fault::Ignored(found)) if found == what), "{must:?}");
}

#[test]
fn requests_of_unknown_kinds_are_refused_in_their_own_form() {
    let create = "03 09 00 01 00000010 00000016  23 000009  03 08 00000006";
    let Err(Fault::Refused { what, reply }) = decode(create) else { panic!("not refused") };
    assert_eq!(what, NotUnderstood::Kind { protocol: 9, kind: 8 });
    let mut out = BytesMut::new();
    reply.encode(&mut out).expect("fits");
    let expected = "03 09 00 01 00000029 0000002f  23 000009
        08 19 000001f7 \"Service Unavailable\"  03 08 00000006";
    assert_eq!(out.to_vec(), wire(expected));
    let for_a_queue = "03 8f 00 01 00000010 0000001f  23 000009  82 0000000f 0c 04 \"q1\\0\" 04 \"a/>\\0\"";
    let Err(Fault::Refused { reply, .. }) = decode(for_a_queue) else { panic!("not refused") };
    let Reply::Answer(answer) = *reply else { panic!("no answer") };
    assert_eq!(answer.response, Response::SUBSCRIPTION_PARSE_ERROR);
}

#[test]
fn an_unknown_protocol_is_answered_only_if_its_sender_wants_to_know() {
    assert!(matches!(decode("03 11 00 01 0000000c 0000000c"), Err(Fault::Ignored(NotUnderstood::Protocol(0x11)))));
    assert!(matches!(decode("03 91 00 01 0000000c 0000000c"), Err(Fault::Refused { .. })));
}

#[test]
fn a_window_beyond_one_byte_has_a_parameter_of_its_own() {
    let bind = RequestBody::Bind(Bind { window: Some(256), ..Bind::default() });
    let bytes = request_bytes(&Request { correlation: None, body: bind });
    assert_eq!(bytes, wire("03 09 00 01 0000000c 00000018  03 04 0000000c  8e 06 00000100"));
}

#[test]
fn a_value_that_does_not_fit_leaves_no_trace_of_its_frame() {
    let mut out = BytesMut::from(&b"before"[..]);
    let bind = |queue: String| Request {
        correlation: None,
        body: RequestBody::Bind(Bind { queue: Some(queue), ..Bind::default() }),
    };

    assert_eq!(bind("x".repeat(253)).encode(&mut out), Err(EncodeError::TooLong { found: 254, limit: 253 }));
    assert_eq!(bind("a\0b".to_owned()).encode(&mut out), Err(EncodeError::Nul));

    assert_eq!(&out[..], b"before");
    assert_eq!(bind("x".repeat(252)).encode(&mut out), Ok(()));
}

#[test]
fn a_password_is_read_and_never_printed() {
    let login =
        Login { username: Some("u".into()), password: Some("open-sesame".to_owned().into()), ..Login::default() };
    let bytes = request_bytes(&Request { correlation: None, body: RequestBody::Login(login) });
    let frame = frame(&bytes);

    let request = Request::decode(&frame).expect("understood");

    let RequestBody::Login(login) = &request.body else { panic!("no login") };
    let password = login.password.as_ref().map(secrecy::ExposeSecret::expose_secret);
    assert_eq!(password, Some("open-sesame"));
    let base64 = "b3Blbi1zZXNhbWU=";
    assert!(bytes.windows(base64.len()).any(|part| part == base64.as_bytes()));
    for printed in [format!("{request:?}"), format!("{frame:?}"), format!("{login:#?}")] {
        assert!(!printed.contains("open-sesame") && !printed.contains(base64), "{printed}");
    }
}

#[test]
fn a_payload_is_never_printed() {
    let request = decode("03 8d 00 ff 00000012 00000018 98 06 \"d/1\\0\" \"secret\"").expect("understood");
    assert!(!format!("{request:?}").contains("secret") && format!("{request:?}").contains("payload_bytes: 6"));
}

#[test]
fn a_credential_that_is_no_base64_is_malformed_and_one_without_padding_is_not() {
    let value = Malformed::Value(parameter(List::Header, 7));
    assert_eq!(malformed("03 8c 00 01 00000010 00000016  07 04 \"!!\"  81 00 00000006"), value);
    let login = decode("03 8c 00 01 00000010 00000016  06 04 \"dQ\"  81 00 00000006").expect("understood");
    assert!(matches!(login.body, RequestBody::Login(Login { username: Some(name), .. }) if name == "u"));
}

#[test]
fn only_a_topic_that_names_a_queue_goes_to_a_queue() {
    let to = |topic: &'static str| Content { topic: topic.into(), ..Content::default() };
    assert_eq!(to("#P2P/QUE/sales/1").destination(), Destination::Queue("sales/1"));
    assert_eq!(to("#P2P/v:x/1").destination(), Destination::Topic("#P2P/v:x/1"));
    assert_eq!(to("a/#P2P/QUE/q").destination(), Destination::Topic("a/#P2P/QUE/q"));
}
