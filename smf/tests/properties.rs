//! What holds for every frame and for every stream of bytes, tried on generated ones.
//! Single rules and captures have tests of their own.

mod common;
#[path = "../../fuzz/src/smf.rs"]
mod judgements;

use common::generate::{replies, requests};
use common::{LIMITS, cut, frame, reply_bytes, request_bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tillstream_smf::{Frame, Limits, Reply, Request};

/// The bytes of some frame of either side.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![requests().prop_map(|one| request_bytes(&one)), replies().prop_map(|one| reply_bytes(&one))]
}

/// The stream in pieces that end at those places.
fn pieces<'a>(stream: &'a [u8], ends: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = ends.iter().map(|end| end.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn a_request_is_understood_as_it_was_meant(request in requests()) {
        let bytes = request_bytes(&request);

        let understood = Request::decode(&frame(&bytes)).expect("understood");

        // A password is in the bytes and not in the text, and so is a payload.
        prop_assert_eq!(request_bytes(&understood), bytes);
        prop_assert_eq!(format!("{understood:?}"), format!("{request:?}"));
    }

    #[test]
    fn a_reply_is_understood_as_it_was_meant(reply in replies()) {
        prop_assert_eq!(Reply::decode(&frame(&reply_bytes(&reply))).expect("understood"), reply);
    }

    #[test]
    fn a_stream_gives_the_same_frames_in_whatever_pieces_it_arrives(
        sent in vec(frames(), 0..8),
        ends in vec(any::<Index>(), 0..40),
    ) {
        let stream = sent.concat();

        let (got, rest) = cut(&pieces(&stream, &ends), &LIMITS);

        prop_assert_eq!(got.iter().map(|frame| frame.bytes().to_vec()).collect::<Vec<_>>(), sent);
        prop_assert_eq!(rest, Ok(0));
    }

    #[test]
    fn the_start_of_a_stream_gives_its_first_frames_and_keeps_the_rest(
        sent in vec(frames(), 1..8),
        end in any::<Index>(),
    ) {
        let stream = sent.concat();
        let end = end.index(stream.len());

        let (got, rest) = cut(&[&stream[..end]], &LIMITS);

        let whole: Vec<Vec<u8>> = got.iter().map(|frame| frame.bytes().to_vec()).collect();
        prop_assert_eq!(&whole[..], &sent[..whole.len()]);
        let held = whole.concat().len();
        prop_assert_eq!(rest, Ok(end - held));
        prop_assert!(end - held < sent[whole.len()].len(), "a whole frame was kept back");
    }

    #[test]
    fn random_bytes_do_no_harm(input in vec(any::<u8>(), 0..400)) {
        judgements::smf_frame(&input);
    }

    #[test]
    fn random_bytes_in_a_frame_do_no_harm(
        head in (any::<u8>(), any::<u8>(), any::<[u8; 2]>()),
        params in vec(any::<u8>(), 0..60),
        payload in vec(any::<u8>(), 0..60),
    ) {
        judgements::smf_frame(&framed(head, &params, &payload));
    }

    #[test]
    fn flipped_bits_do_no_harm(sent in vec(frames(), 1..4), flips in vec((any::<Index>(), 0..8_u8), 1..12)) {
        let mut stream = sent.concat();
        for (place, bit) in flips {
            let place = place.index(stream.len());
            stream[place] ^= 1 << bit;
        }
        judgements::smf_frame(&stream);
    }

    #[test]
    fn damaged_frames_cost_little_more_memory_than_they_are_long(
        mut bytes in frames(),
        flips in vec((any::<Index>(), 0..8_u8), 0..12),
    ) {
        for (place, bit) in flips {
            // Behind the lengths, so that the frame stays one.
            let place = 12 + place.index(bytes.len().saturating_sub(12).max(1));
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << bit;
            }
        }
        let frame = frame(&bytes);

        for used in [
            allocation_counter::measure(|| drop(Request::decode(&frame))),
            allocation_counter::measure(|| drop(Reply::decode(&frame))),
        ] {
            prop_assert!(used.bytes_max <= most(bytes.len()), "{} bytes for {}", used.bytes_max, bytes.len());
        }
    }
}

/// A repaired text is up to three times as long, and whatever grows is copied once more while it does.
fn most(length: usize) -> u64 {
    8 * length as u64 + 1024
}

/// A frame that is one, around whatever parameters and payload.
fn framed((first, protocol, rest): (u8, u8, [u8; 2]), params: &[u8], payload: &[u8]) -> Vec<u8> {
    // Mostly a protocol that is known, and always the version.
    let known = [0x09, 0x0b, 0x0c, 0x0d, 0x0f, protocol & 0x3f][usize::from(protocol) % 6];
    let header = 12 + params.len() as u32;
    let total = header + payload.len() as u32;
    let fixed = [first & 0xf8 | 3, protocol & 0xc0 | known, rest[0], rest[1]];
    [&fixed[..], &header.to_be_bytes(), &total.to_be_bytes(), params, payload].concat()
}

#[test]
fn a_length_that_is_only_claimed_costs_nothing() {
    let limits = Limits::for_payload(u32::MAX as usize);
    let mut buffer = bytes::BytesMut::from(&[3, 0x8d, 0, 1, 0, 0, 0, 12, 0xff, 0xff, 0xff, 0xff, 1, 2, 3][..]);

    let used = allocation_counter::measure(|| {
        assert_eq!(Frame::take_from(&mut buffer, &limits), Ok(None));
    });

    assert_eq!((used.bytes_total, buffer.len()), (0, 15));
}
