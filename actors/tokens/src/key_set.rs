//! All keys that an issuer publishes at one moment, and which of them a token means.
//! Does not read them and does not know how old they are.

use std::collections::BTreeSet;
use std::fmt;

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::SignatureAlgorithm;
use crate::error::{FetchError, Refusal};
use crate::key::Key;

/// More keys than this is no key set.
const MOST_KEYS: usize = 256;

/// The usable keys of a JWKS.
pub struct KeySet {
    keys: Vec<Key>,
    /// Those that cannot be used here: for encryption, too short, of another algorithm.
    unused: usize,
}

/// A JWKS whose keys are looked at one by one, so that one of an unknown kind does not spoil the others.
#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// The keys of a document that may verify one of these algorithms.
    ///
    /// # Errors
    /// It is no JWKS.
    pub fn parse(document: &[u8], allowed: &[SignatureAlgorithm], from: &str) -> Result<Self, FetchError> {
        let unreadable = |reason| FetchError::Unreadable { from: from.to_owned(), expected: "JWKS", reason };
        let document: Document = serde_json::from_slice(document).map_err(|error| unreadable(place_of(&error)))?;
        if document.keys.len() > MOST_KEYS {
            return Err(unreadable(format!("more than {MOST_KEYS} keys")));
        }
        let listed = document.keys.len();
        let jwks = document.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        let keys: Vec<_> = jwks.filter_map(|jwk| Key::of(&jwk, allowed)).collect();
        Ok(Self { unused: listed - keys.len(), keys })
    }

    /// The one key that can have signed a token with this header.
    pub fn choose(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Result<&Key, Refusal> {
        let mut fitting = self.keys.iter().filter(|key| key.fits(id, algorithm));
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(Refusal::UnknownKey),
            (Some(key), None) => Ok(key),
            // One try per token: who may try all keys makes a guess of each.
            (Some(_), Some(_)) => Err(Refusal::AmbiguousKey),
        }
    }

    /// Whether one of them has this name.
    pub fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id() == Some(id))
    }

    /// How many can be used.
    pub const fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none can be used.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many were listed that cannot be used.
    pub const fn unused(&self) -> usize {
        self.unused
    }

    /// Their names.
    pub fn ids(&self) -> BTreeSet<&str> {
        self.keys.iter().filter_map(Key::id).collect()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("ids", &self.ids()).field("unused", &self.unused).finish()
    }
}

/// Where a document is wrong, without what it says there.
pub fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}
