use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::*;
use crate::clients::Texts;
use crate::files::ClientFiles;
use crate::testing::{Authority, Pair};

type Ends = (client::TlsStream<DuplexStream>, server::TlsStream<DuplexStream>);

fn roots(authority: &Authority, revoked: Option<String>) -> ClientRoots {
    let files = ClientFiles { authorities: "ca".into(), revoked: Some("crl".into()) };
    let texts = Texts { authorities: authority.pem.clone().into(), revoked: revoked.map(Into::into) };
    ClientRoots::parse(texts, &files).unwrap()
}

/// A client that believes this authority and shows that pair.
fn client(authority: &Authority, shown: Option<&Pair>) -> ClientConfig {
    client_of(authority, shown, &VERSIONS)
}

fn client_of(
    authority: &Authority,
    shown: Option<&Pair>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(store);
    let Some(pair) = shown else { return builder.with_no_client_auth() };
    let chain = vec![CertificateDer::from_pem_slice(pair.chain.as_bytes()).unwrap()];
    builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()).unwrap()
}

/// A handshake and one byte there and back: a client hears of a refusal only when it reads.
async fn connect(server: &ServerConfig, client: ClientConfig) -> Result<Ends, String> {
    let (near, far) = duplex(64 * 1024);
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("localhost").unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server.clone()));
    let (client, server) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    let mut ends = (client.map_err(|e| e.to_string())?, server.map_err(|e| e.to_string())?);
    talk(&mut ends).await?;
    Ok(ends)
}

async fn talk(ends: &mut Ends) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    ends.1.write_all(b"x").await.map_err(text)?;
    ends.1.flush().await.map_err(text)?;
    ends.0.read_u8().await.map_err(text)?;
    ends.0.write_all(b"y").await.map_err(text)?;
    ends.0.flush().await.map_err(text)?;
    ends.1.read_u8().await.map(drop).map_err(text)
}

fn shown_by_server(ends: &Ends) -> CertificateDer<'static> {
    ends.0.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn both_versions_of_the_protocol_are_spoken() {
    let authority = Authority::new();
    let keyring = Keyring::new(authority.issue("localhost").parse(), None);
    let server = keyring.server_config().unwrap();
    for version in [&TLS12, &TLS13] {
        let ends = connect(&server, client_of(&authority, None, &[version])).await.unwrap();
        assert_eq!(ends.1.get_ref().1.protocol_version(), Some(version.version));
        assert_eq!(keyring.peer_of(ends.1.get_ref().1), None);
    }
}

#[tokio::test]
async fn an_exchanged_pair_is_seen_by_new_connections_and_old_ones_go_on() {
    let authority = Authority::new();
    let (first, second) = (authority.issue("localhost"), authority.issue("localhost"));
    let keyring = Keyring::new(first.parse(), None);
    let server = keyring.server_config().unwrap();
    let mut old = connect(&server, client(&authority, None)).await.unwrap();

    keyring.exchange(second.parse());

    let new = connect(&server, client(&authority, None)).await.unwrap();
    assert!(first.parse().is_of(&shown_by_server(&old)));
    assert!(second.parse().is_of(&shown_by_server(&new)));
    assert_eq!(talk(&mut old).await, Ok(()));
}

#[tokio::test]
async fn only_clients_of_the_authority_get_in_and_are_known_by_their_names() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let keyring = Keyring::new(authority.issue("localhost").parse(), Some(roots(&authority, None)));
    let server = keyring.server_config().unwrap();
    let (till, stranger) = (authority.issue("till-7"), foreign.issue("till-7"));
    for version in [&TLS12, &TLS13] {
        let as_client = |shown| client_of(&authority, shown, &[version]);
        let ends = connect(&server, as_client(Some(&till))).await.unwrap();
        assert_eq!(keyring.peer_of(ends.1.get_ref().1).unwrap().names, ["till-7"]);
        assert!(connect(&server, as_client(None)).await.is_err());
        assert!(connect(&server, as_client(Some(&stranger))).await.is_err());
    }
}

#[tokio::test]
async fn a_certificate_that_was_taken_back_or_has_expired_lets_nobody_in() {
    let authority = Authority::new();
    let (good, bad) = (authority.issue("till-7"), authority.issue("till-8"));
    let old = authority.issue_until("till-9", Utc::now() - TimeDelta::seconds(5));
    let roots = roots(&authority, Some(authority.revoke(&[bad.serial])));
    let server = Keyring::new(authority.issue("localhost").parse(), Some(roots)).server_config().unwrap();
    assert!(connect(&server, client(&authority, Some(&good))).await.is_ok());
    assert!(connect(&server, client(&authority, Some(&bad))).await.unwrap_err().contains("Revoked"));
    assert!(connect(&server, client(&authority, Some(&old))).await.unwrap_err().contains("xpired"));
}

#[tokio::test]
async fn other_authorities_judge_new_connections_even_of_a_client_that_was_here_before() {
    let (before, after) = (Authority::new(), Authority::new());
    let keyring = Keyring::new(before.issue("localhost").parse(), Some(roots(&before, None)));
    let server = keyring.server_config().unwrap();
    let known = client(&before, Some(&before.issue("till-7")));
    let mut old = connect(&server, known.clone()).await.unwrap();

    keyring.exchange_clients(roots(&after, None));

    // The same configuration would resume its session if it could.
    assert!(connect(&server, known).await.is_err());
    assert!(connect(&server, client(&before, Some(&after.issue("till-7")))).await.is_ok());
    assert_eq!(talk(&mut old).await, Ok(()));
}

#[tokio::test]
async fn a_process_knows_itself_by_its_own_pair_whatever_its_name_and_issuer() {
    let authority = Authority::new();
    let keyring = Keyring::new(authority.issue("shop.example.com").parse(), Some(roots(&Authority::new(), None)));
    let server = keyring.server_config().unwrap();
    for _ in 0..2 {
        let ends = connect(&server, keyring.client_config().unwrap()).await.unwrap();
        assert!(keyring.peer_of(ends.1.get_ref().1).unwrap().names.is_empty());
        keyring.exchange(authority.issue("shop.example.com").parse());
    }
}

#[tokio::test]
async fn a_process_does_not_take_another_of_the_same_authority_for_itself() {
    let authority = Authority::new();
    let (here, there) = (authority.issue("localhost"), authority.issue("localhost"));
    let here = Keyring::new(here.parse(), None);
    let there = Keyring::new(there.parse(), Some(roots(&Authority::new(), None)));
    assert!(connect(&there.server_config().unwrap(), here.client_config().unwrap()).await.is_err());
    assert!(connect(&here.server_config().unwrap(), there.client_config().unwrap()).await.is_err());
}
