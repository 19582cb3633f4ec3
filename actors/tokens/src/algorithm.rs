//! The signatures that a token may carry: public keys only.
//! Has no word for `none` or for a shared secret, so that no setting can allow them.

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve};
use serde::{Deserialize, Serialize};

/// How a token may be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    /// RSA, PKCS #1 1.5, SHA-256.
    RS256,
    /// RSA, PKCS #1 1.5, SHA-384.
    RS384,
    /// RSA, PKCS #1 1.5, SHA-512.
    RS512,
    /// RSA-PSS, SHA-256.
    PS256,
    /// RSA-PSS, SHA-384.
    PS384,
    /// RSA-PSS, SHA-512.
    PS512,
    /// ECDSA on P-256, SHA-256.
    ES256,
    /// ECDSA on P-384, SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl SignatureAlgorithm {
    const OF_RSA: [Self; 6] = [Self::RS256, Self::RS384, Self::RS512, Self::PS256, Self::PS384, Self::PS512];

    /// Those that a key of this type and curve can have made.
    pub(crate) const fn of(key: &AlgorithmParameters) -> &'static [Self] {
        match key {
            AlgorithmParameters::RSA(_) => &Self::OF_RSA,
            AlgorithmParameters::EllipticCurve(point) => match point.curve {
                EllipticCurve::P256 => &[Self::ES256],
                EllipticCurve::P384 => &[Self::ES384],
                _ => &[],
            },
            AlgorithmParameters::OctetKeyPair(pair) if matches!(pair.curve, EllipticCurve::Ed25519) => &[Self::EdDSA],
            // A shared secret among public keys is a mistake of the issuer, and the way to forge tokens.
            _ => &[],
        }
    }

    /// As the library calls it.
    pub(crate) const fn in_library(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }

    /// Its name in a token's header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}
