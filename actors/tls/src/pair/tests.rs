use rcgen::{CertificateParams, KeyPair};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::EncodePrivateKey;
use tokio::time::advance;

use super::*;
use crate::testing::{Authority, pem};

fn parse(chain: &str, key: &str) -> Result<ServerPair, TlsError> {
    ServerPair::parse(chain.as_bytes(), &key.to_owned().into())
}

fn self_signed(key: &KeyPair) -> String {
    CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(key).unwrap().pem()
}

#[test]
fn a_key_of_an_elliptic_curve_is_read_in_both_usual_forms() {
    let key = KeyPair::generate().unwrap();
    let chain = self_signed(&key);
    // The short form stands at the end of the long one.
    let whole = key.serialize_der();
    let start = whole.windows(4).position(|bytes| bytes == [2, 1, 1, 4]).unwrap() - 2;
    assert!(parse(&chain, &key.serialize_pem()).is_ok());
    assert!(parse(&chain, &pem("EC PRIVATE KEY", &whole[start..])).is_ok());
}

#[test]
fn a_key_of_rsa_is_read_in_both_usual_forms() {
    let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).unwrap();
    let (long, short) = (key.to_pkcs8_der().unwrap(), key.to_pkcs1_der().unwrap());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&long.as_bytes().into(), &rcgen::PKCS_RSA_SHA256).unwrap();
    let chain = self_signed(&pair);
    assert!(parse(&chain, &pem("PRIVATE KEY", long.as_bytes())).is_ok());
    assert!(parse(&chain, &pem("RSA PRIVATE KEY", short.as_bytes())).is_ok());
}

#[test]
fn halves_of_two_pairs_half_a_file_and_other_things_are_told_apart() {
    let authority = Authority::new();
    let (one, another) = (authority.issue("one"), authority.issue("another"));
    let half = &one.chain[..one.chain.len() / 2];
    assert!(parse(&one.chain, &one.key).is_ok());
    assert_eq!(parse(&one.chain, &another.key).unwrap_err(), TlsError::Mismatch);
    assert!(matches!(parse(half, &one.key), Err(TlsError::Unreadable(_))));
    assert!(matches!(parse("", &one.key), Err(TlsError::Unreadable(_))));
    assert_eq!(parse(&one.chain, "").unwrap_err(), TlsError::Key);
    assert_eq!(parse(&one.chain, &one.chain).unwrap_err(), TlsError::Key);
}

#[test]
fn no_text_about_a_pair_shows_its_key() {
    let issued = Authority::new().issue("localhost");
    let inside = issued.key.lines().nth(1).unwrap().to_owned();
    let pair = issued.parse();
    assert!(!format!("{pair:?}").contains(&inside));
    let broken = parse(&issued.chain, &format!("{inside}\n{inside}")).unwrap_err();
    assert!(!format!("{broken} {broken:?}").contains(&inside));
}

#[test]
fn a_pair_that_lies_about_ends_by_its_date_and_soon_is_a_sixth_of_its_life() {
    let now = Utc::now();
    let pair = Authority::new().issue_until("localhost", now + TimeDelta::hours(1)).parse();
    assert!(!pair.ends_soon(now));
    assert!(pair.ends_soon(now + TimeDelta::minutes(51)));
    assert!(pair.remaining(now + TimeDelta::minutes(61)) < TimeDelta::zero());
    assert_eq!(pair.renew_at(), None);
}

#[tokio::test(start_paused = true)]
async fn a_pair_that_was_issued_is_fresh_then_whatever_the_wall_clocks_say() {
    let issued = Authority::new().issue_until("localhost", Utc::now() + TimeDelta::hours(1)).issued();
    let wanted = PkiSettings { ttl: Duration::from_secs(60), ..PkiSettings::default() };
    let pair = ServerPair::issued_now(&issued, &wanted).unwrap();
    let skewed = Utc::now() + TimeDelta::days(1);
    assert_eq!(pair.remaining(skewed), TimeDelta::seconds(60));
    assert_eq!(pair.renew_at(), Some(Instant::now() + Duration::from_secs(40)));
    advance(Duration::from_secs(55)).await;
    assert!(pair.ends_soon(skewed));
    assert_eq!(pair.remaining(skewed), TimeDelta::seconds(5));
}
