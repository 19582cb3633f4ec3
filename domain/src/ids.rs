//! Identifiers of stores, cashiers, transactions, customers and receipts in their one canonical form.
//! Does not know how many stores a chain has: the rules compare the number with their settings.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// No chain has more stores, no store more cashiers: the bound keeps every topic within 250 bytes.
pub(crate) const MAX_NUMBER: u32 = 999_999;

/// Longest [`Identifier`].
pub(crate) const MAX_IDENTIFIER: usize = 48;

/// Longest row of digits behind `STORE_` or `CASHIER_`, leading zeros included.
pub(crate) const MAX_DIGITS: usize = 48;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// A store is `STORE_<n>` with n from 1.
    #[error("must be `STORE_<n>` with ASCII digits, n from 1")]
    Store,
    /// A cashier is `CASHIER_<n>` with n from 1.
    #[error("must be `CASHIER_<n>` with ASCII digits, n from 1")]
    Cashier,
    /// A transaction is any text form of a UUID.
    #[error("must be a UUID")]
    Transaction,
    /// Something that goes into a topic.
    #[error("must be 1 to {MAX_IDENTIFIER} of `A-Z a-z 0-9 _ . : -`")]
    Identifier,
}

macro_rules! numbered_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $error:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u32);

        impl $name {
            /// The number behind the prefix; never 0.
            pub const fn number(self) -> u32 {
                self.0
            }

            /// Builds the identifier of a number; `None` for 0 and above 999,999.
            pub const fn from_number(number: u32) -> Option<Self> {
                if number == 0 || number > MAX_NUMBER { None } else { Some(Self(number)) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix).and_then(ascii_number).and_then(Self::from_number).ok_or($error)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

numbered_id!(
    /// A store, `STORE_<n>`; `STORE_01` and `STORE_1` are one store.
    StoreId,
    "STORE_",
    InvalidId::Store
);
numbered_id!(
    /// A cashier, `CASHIER_<n>`.
    CashierId,
    "CASHIER_",
    InvalidId::Cashier
);

/// ASCII digits without sign, leading zeros allowed.
fn ascii_number(digits: &str) -> Option<u32> {
    // `parse` alone would take a plus sign.
    let plain = digits.len() <= MAX_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// A transaction's UUID, printed in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransactionId(Uuid);

impl TransactionId {
    /// Wraps a UUID.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The UUID.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl FromStr for TransactionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(text).map(Self).map_err(|_| InvalidId::Transaction)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_hyphenated())
    }
}

/// Text of a till that goes into a topic: 1 to 48 of `A-Z a-z 0-9 _ . : -`, so one level and never a wildcard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Box<str>);

impl Identifier {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Identifier {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fits = !text.is_empty() && text.len() <= MAX_IDENTIFIER && text.bytes().all(is_topic_safe);
        if fits { Ok(Self(text.into())) } else { Err(InvalidId::Identifier) }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a byte may stand in a topic level.
pub(crate) const fn is_topic_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_identifier_however_it_is_written() {
        let parsed = |text: &str| text.parse::<StoreId>().map(StoreId::number);
        assert_eq!(parsed("STORE_7"), parsed("STORE_0007"));
        assert_eq!(parsed("STORE_999999"), Ok(999_999));
        for bad in ["STORE_", "STORE_0", "STORE_000", "STORE_1000000", "STORE_4294967297", "STORE_+7", "STORE_7 "] {
            assert_eq!(parsed(bad), Err(InvalidId::Store), "{bad}");
        }
        assert_eq!((StoreId::from_number(0), CashierId::from_number(1_000_000)), (None, None));
    }

    #[test]
    fn every_text_form_of_a_uuid_is_one_transaction() {
        let canonical = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
        let forms = [
            "3FA85F64-5717-4562-B3FC-2C963F66AFA6",
            "3fa85f6457174562b3fc2c963f66afa6",
            "urn:uuid:3fa85f64-5717-4562-b3fc-2c963f66afa6",
        ];
        for form in forms {
            assert_eq!(form.parse::<TransactionId>().unwrap().to_string(), canonical, "{form}");
        }
        assert_eq!("3fa85f64".parse::<TransactionId>(), Err(InvalidId::Transaction));
    }
}
