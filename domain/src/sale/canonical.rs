//! Reads a sale out of the one layout that validation writes, at a fraction of the general parser's cost.
//! Does not say what is wrong with any other text: there it gives way to the general parser, whose word counts.

use super::Essence;

/// The fields of a document laid out exactly as `ValidTransaction::to_payload` does, without an escape in a string.
///
/// `None` means no more than "some other layout". `Some` promises what the general parser would have read: the whole
/// document is walked through, so a text that is cut, continued or broken anywhere is never taken for a sale.
pub(super) fn read(payload: &[u8]) -> Option<Essence<'_>> {
    let mut rest = Scanner(payload);
    rest.literal(br#"{"transaction_id":"#)?;
    let transaction_id = rest.string()?;
    rest.literal(br#","timestamp":"#)?;
    let timestamp = rest.string()?;
    rest.literal(br#","store_id":"#)?;
    let store_id = rest.string()?;
    rest.literal(br#","cashier_id":"#)?;
    rest.skip_string()?;
    rest.literal(br#","items":["#)?;
    rest.skip_items()?;
    rest.literal(br#","total_amount":"#)?;
    let total_amount = rest.number()?;
    rest.literal(br#","payment_method":"#)?;
    rest.skip_string()?;
    rest.literal(br#","payment_status":"#)?;
    let payment_status = rest.string()?;
    rest.literal(br#","customer_id":"#)?;
    rest.skip_string()?;
    rest.literal(br#","loyalty_points_earned":"#)?;
    rest.number()?;
    rest.skip_receipt()?;
    rest.literal(br#","accepted_at":"#)?;
    let accepted_at = rest.string()?;
    rest.skip_corrections()?;
    rest.literal(b"}")?;
    let essence = Essence { transaction_id, timestamp, store_id, total_amount, payment_status, accepted_at };
    rest.0.is_empty().then_some(essence)
}

/// What is still to be read.
struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    fn literal(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// The list's elements and its closing bracket.
    fn skip_items(&mut self) -> Option<()> {
        loop {
            self.literal(br#"{"item_id":"#)?;
            self.skip_string()?;
            self.literal(br#","name":"#)?;
            self.skip_string()?;
            self.literal(br#","quantity":"#)?;
            self.number()?;
            self.literal(br#","price_per_unit":"#)?;
            self.number()?;
            self.literal(br#","total_price":"#)?;
            self.number()?;
            self.literal(b"}")?;
            if self.literal(b"]").is_some() {
                return Some(());
            }
            self.literal(b",")?;
        }
    }

    fn skip_receipt(&mut self) -> Option<()> {
        self.literal(br#","receipt":{"receipt_id":"#)?;
        self.skip_string()?;
        self.literal(br#","date":"#)?;
        self.skip_string()?;
        self.literal(br#","total_amount":"#)?;
        self.number()?;
        self.literal(br#","payment_method":"#)?;
        self.skip_string()?;
        self.literal(br#","transaction_id":"#)?;
        self.skip_string()?;
        self.literal(b"}")
    }

    /// There are some only where validation has corrected something.
    fn skip_corrections(&mut self) -> Option<()> {
        if self.literal(br#","corrections":["#).is_none() {
            return Some(());
        }
        loop {
            self.literal(br#"{"field":"#)?;
            self.skip_string()?;
            self.literal(br#","sent":"#)?;
            self.number()?;
            self.literal(br#","recorded":"#)?;
            self.number()?;
            self.literal(b"}")?;
            if self.literal(b"]").is_some() {
                return Some(());
            }
            self.literal(b",")?;
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.skip_string()?).ok()
    }

    /// A string without escapes, quotes included; what stands between them.
    fn skip_string(&mut self) -> Option<&'a [u8]> {
        let inner = self.0.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| byte == b'"' || byte == b'\\' || byte < b' ')?;
        let (text, rest) = inner.split_at(end);
        self.0 = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// A whole number or one with a fraction; never a leading zero, a sign or an exponent.
    fn number(&mut self) -> Option<&'a str> {
        let whole = digits(self.0);
        if whole == 0 || (whole > 1 && self.0[0] == b'0') {
            return None;
        }
        let end = match &self.0[whole..] {
            [b'.', fraction @ ..] => whole + 1 + Some(digits(fraction)).filter(|&count| count > 0)?,
            _ => whole,
        };
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        std::str::from_utf8(number).ok()
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::Sale;
    use crate::fixtures::SampleBody;

    /// Both ways must read the same, or say the same.
    fn assert_agrees(payload: &[u8]) -> Result<(), TestCaseError> {
        prop_assert_eq!(Sale::from_payload(payload), Sale::from_any_layout(payload), "{}", payload.escape_ascii());
        Ok(())
    }

    fn corrected() -> Vec<u8> {
        SampleBody { total: Some(crate::Money::from_cents(1)), ..SampleBody::default() }.payload()
    }

    #[test]
    fn what_validation_writes_takes_the_fast_path() {
        for payload in [SampleBody::default().payload(), corrected()] {
            assert!(read(&payload).is_some(), "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn a_name_with_an_escape_is_left_to_the_general_parser() {
        let payload = String::from_utf8(SampleBody::default().payload()).unwrap().replace("Bio-", r#"\"Bio\""#);
        assert!(read(payload.as_bytes()).is_none());
        assert!(Sale::from_payload(payload.as_bytes()).is_ok());
    }

    #[test]
    fn every_cut_and_every_single_wrong_byte_gives_the_general_parser_s_answer() {
        for payload in [SampleBody::default().payload(), corrected()] {
            for position in 0..payload.len() {
                assert_agrees(&payload[..position]).unwrap();
                for byte in *b"\"\\{}[],:.-0e1 \x00\x1f\x7f\x80\xc3\xff" {
                    let mut wrong = payload.clone();
                    wrong[position] = byte;
                    assert_agrees(&wrong).unwrap();
                }
            }
        }
    }

    #[test]
    fn whatever_follows_a_document_gives_the_general_parser_s_answer() {
        let payload = SampleBody::default().payload();
        for tail in [&b" "[..], b"\n", b"x", b"}", b",", b"\0", &payload] {
            assert_agrees(&[&payload, tail].concat()).unwrap();
        }
    }

    fn mutate(payload: &mut Vec<u8>, kind: u8, at: Index, other: Index, byte: u8) {
        let (from, to) = (at.index(payload.len()), other.index(payload.len()));
        match kind {
            0 => payload[from] = byte,
            1 => payload.insert(from, byte),
            2 => drop(payload.remove(from)),
            3 => payload.swap(from, to),
            4 => drop(payload.drain(from.min(to)..from.max(to))),
            _ => {
                let copy = payload[from.min(to)..from.max(to)].to_vec();
                payload.splice(from..from, copy);
            }
        }
    }

    proptest! {
        #[test]
        fn mutated_payloads_are_read_as_the_general_parser_reads_them(
            (is_corrected, mutations) in
                (any::<bool>(), prop::collection::vec((0_u8..6, any::<Index>(), any::<Index>(), any::<u8>()), 1..4)),
        ) {
            let mut payload = if is_corrected { corrected() } else { SampleBody::default().payload() };
            for (kind, at, other, byte) in mutations {
                if !payload.is_empty() {
                    mutate(&mut payload, kind, at, other, byte);
                }
            }
            assert_agrees(&payload)?;
        }

        #[test]
        fn values_of_any_text_are_read_as_the_general_parser_reads_them(
            id in "[0-9a-fA-F-]{30,40}|\\PC{0,40}",
            time in "20[0-9]{2}-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,12})?(Z|z|\\+02:00)?",
            store in "STORE_[0-9+]{0,8}",
            amount in "-?[0-9]{0,12}(\\.[0-9]{0,4})?(e[0-9])?|\"1\"|null|\\[\\]",
            name in "[^\"]{0,20}",
        ) {
            let payload = String::from_utf8(SampleBody::default().payload()).unwrap();
            let sample = SampleBody::default();
            let payload = payload
                .replace(&sample.id.to_string(), &id)
                .replace("2024-11-15T10:00:00Z", &time)
                .replace("STORE_1", &store)
                .replace("7.57", &amount)
                .replace("Bio-Vollmilch 1 l", &name);
            assert_agrees(payload.as_bytes())?;
        }

        #[test]
        fn arbitrary_bytes_are_read_as_the_general_parser_reads_them(bytes in any::<Vec<u8>>()) {
            assert_agrees(&bytes)?;
        }
    }
}
