//! A name and a password in a frame of fixed size, so that comparing two takes the same time whatever differs.
//! Shows neither; there is no `Debug`.

use std::borrow::Cow;

use secrecy::zeroize::Zeroize;
use subtle::{Choice, ConstantTimeEq};

/// Longest `name:password`, a multiple of 3 so that its base64 has no rest; generated ones are far shorter.
pub const MAX_CREDENTIALS: usize = 384;
// `same` compares words of eight bytes and must not leave out a rest.
const _: () = assert!(MAX_CREDENTIALS.is_multiple_of(8));

/// `name:password`, and where the name ends: a name with a colon is another name.
#[derive(Clone)]
pub struct Credentials {
    bytes: [u8; MAX_CREDENTIALS],
    length: usize,
    name_length: usize,
}

// === impl Credentials ===

impl Credentials {
    /// `None` when both together are longer than what is compared.
    pub fn new(name: &str, password: &str) -> Option<Self> {
        let mut bytes = [0; MAX_CREDENTIALS];
        let length = name.len() + 1 + password.len();
        let frame = bytes.get_mut(..length)?;
        frame[..name.len()].copy_from_slice(name.as_bytes());
        frame[name.len()] = b':';
        frame[name.len() + 1..].copy_from_slice(password.as_bytes());
        Some(Self { bytes, length, name_length: name.len() })
    }

    /// The first `length` bytes, as the Basic scheme has them: the first colon ends the name. `None` without one.
    pub fn from_basic(mut bytes: [u8; MAX_CREDENTIALS], length: usize) -> Option<Self> {
        let name_length = bytes.get(..length)?.iter().position(|byte| *byte == b':')?;
        bytes[length..].fill(0);
        Some(Self { bytes, length, name_length })
    }

    /// Whose they are said to be.
    pub fn name(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.name_bytes())
    }

    /// The same as it came.
    pub fn name_bytes(&self) -> &[u8] {
        &self.bytes[..self.name_length]
    }

    /// What proves it; the caller must neither keep nor log it.
    pub fn password(&self) -> &[u8] {
        &self.bytes[self.name_length + 1..self.length]
    }

    /// Whether they are of that kind that lets nobody in: without a name or without a password.
    pub const fn are_blank(&self) -> bool {
        self.name_length == 0 || self.length == self.name_length + 1
    }

    /// Word by word: what is given is compared with everything, and byte by byte would be eight times the work.
    pub(crate) fn same(&self, other: &Self) -> Choice {
        let lengths = self.length.ct_eq(&other.length) & self.name_length.ct_eq(&other.name_length);
        self.words().zip(other.words()).fold(lengths, |same, (one, another)| same & one.ct_eq(&another))
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        self.bytes.as_chunks().0.iter().copied().map(u64::from_ne_bytes)
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.bytes[..self.length].zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(one: (&str, &str), other: (&str, &str)) -> bool {
        let of = |(name, password)| Credentials::new(name, password).unwrap();
        of(one).same(&of(other)).into()
    }

    #[test]
    fn only_the_same_name_with_the_same_password_is_the_same() {
        assert!(same(("till", "secret"), ("till", "secret")));
        for other in [("till", "secreT"), ("till", "secret\0"), ("till", ""), ("tilt", "secret"), ("til", "l:secret")] {
            assert!(!same(("till", "secret"), other), "{other:?}");
        }
        assert!(!same(("a", "b:c"), ("a:b", "c")));
    }

    #[test]
    fn what_does_not_fit_is_nobodys() {
        let longest = "x".repeat(MAX_CREDENTIALS - "till:".len());
        assert!(Credentials::new("till", &longest).is_some());
        assert!(Credentials::new("till", &(longest + "x")).is_none());
    }

    #[test]
    fn basic_credentials_end_their_name_at_the_first_colon() {
        let mut bytes = [b'!'; MAX_CREDENTIALS];
        bytes[..9].copy_from_slice(b"till:a:b\xff");
        let read = Credentials::from_basic(bytes, 8).unwrap();
        assert_eq!((&*read.name(), read.password()), ("till", &b"a:b"[..]));
        assert!(bool::from(read.same(&Credentials::new("till", "a:b").unwrap())));
        assert!(Credentials::from_basic(bytes, 4).is_none());
    }

    #[test]
    fn no_name_and_no_password_are_blank() {
        let blank = |name, password| Credentials::new(name, password).unwrap().are_blank();
        assert!(blank("", "secret") && blank("till", "") && blank("", ""));
        assert!(!blank("t", "s"));
    }
}
