//! Whether a key signed a token, by `jsonwebtoken`.
//! Judges no claim: the library knows only the system's clock, and takes a list where one issuer must stand.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode};

use crate::algorithm::SignatureAlgorithm;
use crate::error::Refusal;
use crate::key::Key;
use crate::object::Object;

/// The claims of a token that this key signed with this algorithm.
pub fn proven_claims(token: &str, key: &Key, algorithm: SignatureAlgorithm) -> Result<Object, Refusal> {
    let mut validation = Validation::new(algorithm.in_library());
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = decode::<Object>(token, key.decoding(), &validation);
    // The library's own texts quote the token.
    decoded.map(|token| token.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Refusal::Algorithm,
        _ => Refusal::Malformed,
    })
}
