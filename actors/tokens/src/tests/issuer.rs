//! An issuer: keys of every kind, tokens with whatever header and claims a test wants, and a book that believes it.
//! Speaks no HTTP.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use tillstream_domain::UserRole;
use tillstream_messages::WallClock;
use tillstream_supervision::Port;

use crate::book::TokenBook;
use crate::key_set::KeySet;
use crate::settings::{RoleName, TokenSettings};

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "tillstream";
/// When all of this happens.
pub const NOW: i64 = 1_800_000_000;

enum Signer {
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A key pair with its public half as a JWK.
pub struct TestKey {
    signer: Signer,
    pub algorithm: &'static str,
    pub id: String,
    pub jwk: Value,
}

impl TestKey {
    pub fn es256(id: &str) -> Self {
        Self::on_curve(id, &ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", "ES256")
    }

    pub fn es384(id: &str) -> Self {
        Self::on_curve(id, &ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", "ES384")
    }

    fn on_curve(id: &str, how: &'static EcdsaSigningAlgorithm, curve: &str, algorithm: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, document.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        let jwk = json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y), "kid": id, "use": "sig", "alg": algorithm});
        Self { signer: Signer::Ec(pair), algorithm, id: id.to_owned(), jwk }
    }

    pub fn ed25519(id: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        let x = encode(pair.public_key().as_ref());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": id, "use": "sig", "alg": "EdDSA"});
        Self { signer: Signer::Ed(pair), algorithm: "EdDSA", id: id.to_owned(), jwk }
    }

    /// One pair for all tests of a run: making one takes a second.
    pub fn rsa(id: &str) -> Self {
        static PAIR: OnceLock<rsa::RsaPrivateKey> = OnceLock::new();
        Self::of_rsa(id, PAIR.get_or_init(|| rsa_pair(2_048)))
    }

    pub fn short_rsa(id: &str) -> Value {
        rsa_jwk(id, &rsa_pair(1_024))
    }

    fn of_rsa(id: &str, pair: &rsa::RsaPrivateKey) -> Self {
        let der = pair.to_pkcs1_der().unwrap();
        let signer = Signer::Rsa(RsaKeyPair::from_der(der.as_bytes()).unwrap());
        Self { signer, algorithm: "RS256", id: id.to_owned(), jwk: rsa_jwk(id, pair) }
    }

    /// A good token of this key with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": self.algorithm, "kid": self.id, "typ": "JWT"}).to_string(), &claims.to_string())
    }

    /// A rightly signed token of any header and payload.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = self.signature(message.as_bytes(), header.contains("PS256"));
        format!("{message}.{}", encode(signature))
    }

    fn signature(&self, message: &[u8], is_pss: bool) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Signer::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let padding: &dyn ring::signature::RsaEncoding =
                    if is_pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

fn rsa_pair(bits: usize) -> rsa::RsaPrivateKey {
    rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).unwrap()
}

fn rsa_jwk(id: &str, pair: &rsa::RsaPrivateKey) -> Value {
    let (n, e) = (encode(pair.n().to_bytes_be()), encode(pair.e().to_bytes_be()));
    json!({"kty": "RSA", "n": n, "e": e, "kid": id, "use": "sig", "alg": "RS256"})
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Claims of a till whose token is good for five minutes.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "till-7", "scope": "openid tillstream:sell",
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300,
    })
}

/// The same with some of them changed; null takes a claim away.
pub fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

pub fn settings() -> TokenSettings {
    let role = |scope: &str, role| (format!("tillstream:{scope}"), RoleName(role));
    TokenSettings {
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        scopes: [role("sell", UserRole::Pos), role("read", UserRole::Reporting), role("run", UserRole::Admin)].into(),
        ..TokenSettings::default()
    }
}

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(NOW, 0).unwrap()
}

pub fn jwks(keys: &[&Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

pub fn key_set(keys: &[&Value], settings: &TokenSettings) -> KeySet {
    KeySet::parse(&jwks(keys), &settings.algorithms, "a test").unwrap()
}

/// A book with these keys, and how often it asked for others.
pub fn book_of(keys: &[&Value], settings: &TokenSettings) -> (TokenBook, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let keeper = Port::from_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let book = TokenBook::new(settings, WallClock::stopped_at(now()), keeper);
    publish(&book, keys, settings);
    (book, asked)
}

/// What the keeper does when it has read these keys.
pub fn publish(book: &TokenBook, keys: &[&Value], settings: &TokenSettings) {
    let shared = book.keys().unwrap();
    shared.take(shared.begin(), key_set(keys, settings));
}
