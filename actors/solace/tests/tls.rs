//! `tcps`: whom the library believes by the trust store, and what the leg says when it does not.
//! The broker behind the encryption is the scripted one.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod publishing;
mod scripted;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use publishing::{Bench, locally, quick, until};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use scripted::{Script, ScriptedBroker};
use tempfile::TempDir;
use tillstream_solace::SolaceSettings;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Signs what a broker shows; its own certificate lies in a trust store.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    trust_store: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let trust_store = tempfile::tempdir().unwrap();
        let own = params.self_signed(&key).unwrap();
        std::fs::write(trust_store.path().join("authority.pem"), own.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), trust_store }
    }

    fn server(&self, host: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let own = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![own.der().clone()], key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}

/// Encrypts in front of a broker, on a thread of its own; where it listens.
fn encrypted(acceptor: TlsAcceptor, broker: SocketAddr) -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let serve = async move {
        let listener = TcpListener::from_std(listener).unwrap();
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not believe the certificate hangs up.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut broker = TcpStream::connect(broker).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut broker).await;
            });
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    thread::spawn(move || runtime.block_on(serve));
    address
}

fn settings(address: SocketAddr, trust_store: &TempDir) -> SolaceSettings {
    SolaceSettings {
        host: Some(format!("tcps://localhost:{}", address.port())),
        trust_store: Some(trust_store.path().to_owned()),
        connect_within: Duration::from_secs(10),
        ..quick()
    }
}

#[tokio::test]
async fn a_broker_whose_certificate_the_trust_store_vouches_for_is_published_to() {
    locally(async {
        let authority = Authority::new("till authority");
        let broker = ScriptedBroker::start(Script::default());
        let address = encrypted(authority.server("localhost"), broker.address());
        let bench = Bench::with(Script::default(), settings(address, &authority.trust_store));

        bench.up().await;

        assert!(bench.publish_all(0..300).await.iter().all(Result::is_ok));
        assert_eq!((broker.count(), bench.broker.count()), (300, 0));
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_nobody_vouches_for_gets_no_password_and_the_leg_says_what_to_set() {
    locally(async {
        let (authority, other) = (Authority::new("till authority"), Authority::new("somebody"));
        let broker = ScriptedBroker::start(Script::default());
        let address = encrypted(other.server("localhost"), broker.address());
        let bench = Bench::with(Script::default(), settings(address, &authority.trust_store));

        until("the leg says what to set", || bench.is_down_with("solace.trust_store")).await;

        assert!(broker.logins().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_broker_under_another_name_than_its_certificates_gets_no_password() {
    locally(async {
        let authority = Authority::new("till authority");
        let broker = ScriptedBroker::start(Script::default());
        let address = encrypted(authority.server("elsewhere.example"), broker.address());
        let bench = Bench::with(Script::default(), settings(address, &authority.trust_store));

        until("the leg says why", || bench.is_down_with("solace.trust_store")).await;

        assert!(broker.logins().is_empty());
    })
    .await;
}
