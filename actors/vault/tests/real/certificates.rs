//! Certificates from a public key infrastructure of Vault.
//! What is in them is checked where they are used.

use std::time::Duration;

use chrono::Utc;
use secrecy::ExposeSecret;
use serde_json::json;
use tillstream_messages::{CertificateError, IssueCertificate, IssuedCertificate};

use crate::support::{Bench, House, PATIENCE, locally, on_order, shared};

async fn authority(house: &House<'_>) {
    let mount = format!("pki-{}", house.number);
    let made = [
        house.bao.post(&format!("sys/mounts/{mount}"), json!({"type": "pki"})).await,
        house.bao.post(&format!("{mount}/root/generate/internal"), json!({"common_name": "shop", "ttl": "24h"})).await,
        house
            .bao
            .post(
                &format!("{mount}/roles/server"),
                json!({"allowed_domains": ["shop.example"], "allow_subdomains": true}),
            )
            .await,
    ];
    assert!(made.iter().all(|(status, _)| *status < 300), "{made:?}");
}

async fn issue(
    bench: &Bench,
    house: &House<'_>,
    role: &str,
    name: &str,
) -> Result<IssuedCertificate, CertificateError> {
    let wish = IssueCertificate {
        mount: format!("pki-{}", house.number),
        role: role.to_owned(),
        common_name: name.to_owned(),
        alt_names: vec!["till.shop.example".to_owned()],
        ip_sans: vec!["127.0.0.1".parse().unwrap()],
        ttl: Duration::from_secs(3_600),
    };
    bench.secrets.ask(wish, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn a_certificate_comes_with_its_chain_its_key_and_its_end() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        authority(&house).await;
        let bench = Bench::start(&house, on_order()).await;

        let issued = issue(&bench, &house, "server", "service.shop.example").await.unwrap();

        assert!(issued.chain_pem.matches("-----BEGIN CERTIFICATE-----\n").count() >= 2, "{}", issued.chain_pem);
        assert!(issued.chain_pem.ends_with("-----END CERTIFICATE-----\n"));
        assert!(issued.key_pem.expose_secret().starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(!format!("{issued:?}").contains("PRIVATE KEY"));
        let left = issued.expires_at - Utc::now();
        assert!(left.num_minutes() > 50 && left.num_minutes() <= 60, "{left}");
        assert!(bench.wiring.first_tree().await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_name_that_the_authority_does_not_allow_is_refused_with_what_to_do() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        authority(&house).await;
        let bench = Bench::start(&house, on_order()).await;
        let refused = issue(&bench, &house, "server", "somebody.else").await.err().unwrap().to_string();
        assert!(refused.contains("let that role allow"), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_missing_policy_for_certificates_does_not_hold_up_the_secrets() {
    locally(async {
        let house = House::on(shared().await, 2).await;
        authority(&house).await;
        let bench = Bench::start(&house, on_order()).await;
        let logins = house.logins();
        for _ in 0..10 {
            let refused = issue(&bench, &house, "another", "service.shop.example").await.err().unwrap().to_string();
            assert!(refused.contains("issue/another"), "{refused}");
            assert!(bench.refresh().await.is_ok());
        }
        assert!(house.logins() <= logins + 4, "{} logins", house.logins() - logins);
    })
    .await;
}
