//! OAuth 2.0 bearer tokens: judges a JWT by the keys that its issuer publishes, and keeps those keys fresh.
//! Issues no token, knows no password, and does not decide what a role may do.

mod algorithm;
mod book;
mod claims;
mod error;
mod fetch;
mod header;
mod keeper;
mod key;
mod key_set;
mod keys;
mod metrics;
mod object;
mod origin;
mod provider;
mod rules;
mod settings;
mod signature;

#[cfg(test)]
mod tests;

pub use algorithm::SignatureAlgorithm;
pub use book::{TokenBook, TokenUser};
pub use error::{FetchError, Refusal, SourceError, TokenAnswer, TokenError, TokenSettingsError};
pub use fetch::KeySource;
pub use keeper::{FetchKeys, KeyKeeper};
pub use key_set::KeySet;
pub use settings::{RoleName, TokenSettings};
