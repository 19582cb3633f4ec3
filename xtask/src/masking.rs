//! Blanks what is not code: comments and the insides of strings, byte for byte, so that positions stay true.
//! Is no parser; it knows just enough of Rust's lexical grammar to tell code from text.

/// The same text with comments and the contents of string and character literals replaced by blanks.
/// Quotes and line ends stay where they are.
pub fn mask(text: &str) -> String {
    let mut masker = Masker { bytes: text.as_bytes(), at: 0, out: Vec::with_capacity(text.len()) };
    while masker.at < masker.bytes.len() {
        masker.step();
    }
    String::from_utf8(masker.out).expect("blanks replace whole characters, everything else is copied")
}

struct Masker<'a> {
    bytes: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Masker<'_> {
    fn step(&mut self) {
        match self.bytes[self.at] {
            b'/' if self.peek(1) == b'/' => self.blank_while(|byte| byte != b'\n'),
            b'/' if self.peek(1) == b'*' => self.block_comment(),
            b'r' if !self.follows_a_name() && self.raw_hashes().is_some() => self.raw_string(),
            b'"' => self.string(),
            b'\'' => self.character(),
            _ => self.copy(1),
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn follows_a_name(&self) -> bool {
        let before = self.at.checked_sub(1).map_or(b' ', |index| self.bytes[index]);
        before != b'b' && (before.is_ascii_alphanumeric() || before == b'_')
    }

    fn copy(&mut self, count: usize) {
        let end = (self.at + count).min(self.bytes.len());
        self.out.extend_from_slice(&self.bytes[self.at..end]);
        self.at = end;
    }

    fn blank(&mut self, count: usize) {
        let end = (self.at + count).min(self.bytes.len());
        let blanks = self.bytes[self.at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' });
        self.out.extend(blanks);
        self.at = end;
    }

    fn blank_while(&mut self, goes_on: impl Fn(u8) -> bool) {
        while self.at < self.bytes.len() && goes_on(self.bytes[self.at]) {
            self.blank(1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => depth += 1,
                (b'*', b'/') => depth -= 1,
                _ if self.at >= self.bytes.len() => return,
                _ => {
                    self.blank(1);
                    continue;
                }
            }
            self.blank(2);
            if depth == 0 {
                return;
            }
        }
    }

    /// How many `#` open the raw string that starts here.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.bytes[self.at + 1..].iter().take_while(|byte| **byte == b'#').count();
        (self.peek(1 + hashes) == b'"').then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        let close = format!("\"{}", "#".repeat(hashes));
        self.copy(2 + hashes);
        while self.at < self.bytes.len() && !self.bytes[self.at..].starts_with(close.as_bytes()) {
            self.blank(1);
        }
        self.copy(close.len());
    }

    fn string(&mut self) {
        self.copy(1);
        while self.at < self.bytes.len() && self.bytes[self.at] != b'"' {
            let escape = self.bytes[self.at] == b'\\';
            self.blank(if escape { 2 } else { 1 });
        }
        self.copy(1);
    }

    /// A character literal, or a lifetime, which has no closing quote.
    fn character(&mut self) {
        let escaped = self.peek(1) == b'\\';
        let width = self.bytes[self.at + 1..].iter().skip(1).take_while(|byte| (**byte & 0xC0) == 0x80).count() + 1;
        if !escaped && self.peek(1 + width) != b'\'' {
            return self.copy(1);
        }
        self.copy(1);
        if escaped {
            self.blank(2);
        }
        self.blank_while(|byte| byte != b'\'' && byte != b'\n');
        self.copy(1);
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn comments_and_strings_are_blanked_and_code_is_not() {
        let text = "let a = \"x.unwrap()\"; // y.unwrap()\nz.unwrap() /* q.unwrap() */";
        let masked = mask(text);
        assert_eq!(masked.len(), text.len());
        assert_eq!(masked.matches("unwrap").count(), 1);
        assert!(masked.contains("z.unwrap()"));
    }

    #[test]
    fn raw_strings_escapes_characters_and_lifetimes_do_not_confuse_it() {
        let text = r###"fn f<'a>(x: &'a str) { g(r#"a " b"#, "\"", '"', '\'', 'ä', b'"'); h.unwrap() }"###;
        let masked = mask(text);
        assert!(masked.contains("h.unwrap()") && masked.contains("&'a str"), "{masked}");
        assert!(!masked.contains(" b\"") || !masked.contains("a \""), "{masked}");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        assert_eq!(mask("\"abc").len(), 4);
        assert_eq!(mask("/* abc").len(), 6);
        assert_eq!(mask("r#\"abc").len(), 6);
    }
}
