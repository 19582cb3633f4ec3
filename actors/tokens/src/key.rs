//! One public key of an issuer, with the algorithms that it may be used for.
//! Cannot be made of a key for anything but signatures, of a shared secret, or of a key too short to be trusted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::algorithm::SignatureAlgorithm;

/// Bytes of an RSA modulus: 2048 to 8192 bits.
const RSA_MODULUS: std::ops::RangeInclusive<usize> = 256..=1_024;

/// A key that verifies.
pub struct Key {
    id: Option<String>,
    algorithms: Vec<SignatureAlgorithm>,
    decoding: DecodingKey,
}

impl Key {
    /// The key of a JWK, if it may verify something that is allowed.
    pub fn of(jwk: &Jwk, allowed: &[SignatureAlgorithm]) -> Option<Self> {
        let algorithms = algorithms_of(jwk, allowed);
        if algorithms.is_empty() || !is_for_signatures(&jwk.common) {
            return None;
        }
        Some(Self { id: jwk.common.key_id.clone(), algorithms, decoding: material(&jwk.algorithm)? })
    }

    /// Whether it may have signed a token that says so.
    pub fn fits(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> bool {
        self.algorithms.contains(&algorithm) && id.is_none_or(|id| self.id.as_deref() == Some(id))
    }

    /// Its name.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// As the library takes it.
    pub const fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

/// What its type can do, what it says itself, and what is allowed: all three.
fn algorithms_of(jwk: &Jwk, allowed: &[SignatureAlgorithm]) -> Vec<SignatureAlgorithm> {
    let own = jwk.common.key_algorithm.map(Algorithm::try_from);
    let says = |one: SignatureAlgorithm| own.as_ref().is_none_or(|own| own.as_ref().ok() == Some(&one.in_library()));
    let possible = SignatureAlgorithm::of(&jwk.algorithm).iter().copied();
    possible.filter(|one| says(*one) && allowed.contains(one)).collect()
}

fn is_for_signatures(common: &CommonParameters) -> bool {
    let is_use = common.public_key_use.as_ref().is_none_or(|said| *said == PublicKeyUse::Signature);
    let operations = common.key_operations.as_ref();
    is_use && operations.is_none_or(|said| said.contains(&KeyOperations::Verify))
}

fn material(parameters: &AlgorithmParameters) -> Option<DecodingKey> {
    match parameters {
        AlgorithmParameters::RSA(rsa) => {
            // Some issuers write the sign byte of their big integers, which `ring` refuses.
            let number = |text: &str| bytes(text).map(|all| all.into_iter().skip_while(|byte| *byte == 0).collect());
            let (modulus, exponent): (Vec<u8>, Vec<u8>) = (number(&rsa.n)?, number(&rsa.e)?);
            let is_usable = RSA_MODULUS.contains(&modulus.len()) && (1..=4).contains(&exponent.len());
            is_usable.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))
        }
        AlgorithmParameters::EllipticCurve(point) => {
            let length = if point.curve == EllipticCurve::P384 { 48 } else { 32 };
            let (x, y) = (bytes(&point.x)?, bytes(&point.y)?);
            let is_usable = x.len() == length && y.len() == length;
            is_usable.then(|| DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
        }
        AlgorithmParameters::OctetKeyPair(pair) => {
            bytes(&pair.x).filter(|x| x.len() == 32).map(|x| DecodingKey::from_ed_der(&x))
        }
        _ => None,
    }
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
