//! Certificates made for one test and kept nowhere, a service that shows them, and clients that believe it.
//! Knows nothing of what a certificate is worth to the service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Setup, TestApp};

/// Somebody who vouches for others.
pub struct Authority {
    /// Its certificate in PEM.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Certificate and key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// In PEM.
    pub chain: String,
    /// In PEM.
    pub key: String,
}

/// How a client speaks TLS.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Whom it believes, in PEM.
    pub authority: String,
    /// What it shows.
    pub shown: Option<Pair>,
}

impl Trust {
    /// Believes this authority and shows nothing.
    pub const fn of(authority: String) -> Self {
        Self { authority, shown: None }
    }
}

impl Authority {
    /// A new one, which nobody knows.
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// For a server of this machine.
    pub fn server(&self) -> Pair {
        self.issue(&["localhost", "127.0.0.1"])
    }

    /// With these alternative names, for an hour.
    pub fn issue(&self, names: &[&str]) -> Pair {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = (SystemTime::now() - Duration::from_secs(60)).into();
        params.not_after = (SystemTime::now() + Duration::from_secs(3_600)).into();
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { chain, key: key.serialize_pem() }
    }

    /// Whoever believes this authority, and shows this.
    pub fn believed(&self, shown: Option<&Pair>) -> Trust {
        Trust { authority: self.pem.clone(), shown: shown.cloned() }
    }
}

impl Pair {
    /// The certificate as a handshake shows it.
    pub fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()
    }

    /// Certificate and key in one file's text.
    pub fn whole(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }
}

impl Trust {
    /// A client's configuration that offers these protocols.
    pub fn config(&self, protocols: &[&[u8]]) -> ClientConfig {
        install_cryptography();
        let mut store = RootCertStore::empty();
        store.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(store);
        let mut config = match &self.shown {
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![pair.certificate()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config
    }
}

impl Setup {
    /// Over TLS in this mode, with a pair of this authority; the test's own clients believe the authority and show a pair of it
    /// where it is asked for.
    pub fn over_tls(self, mode: &str, authority: &Authority) -> Self {
        let files = [("certificate", "tls.crt"), ("key", "tls.key"), ("client_ca", "clients.crt")];
        std::fs::write(self.home().join("clients.crt"), &authority.pem).unwrap();
        self.show(&authority.server());
        let mut setup = self.setting("tls.mode", mode).setting("tls.reload", "200ms");
        for (key, file) in files {
            let file = setup.home().join(file);
            setup = setup.setting(&format!("tls.{key}"), file.to_str().unwrap());
        }
        let shown = (mode == "mutual").then(|| authority.issue(&["tester"]));
        setup.believing(authority.believed(shown.as_ref()))
    }

    /// Over TLS with certificates that the server of secrets issues for so long.
    pub fn over_tls_from_vault(self, ttl: &str) -> Self {
        let setup = self.setting("tls.mode", "on").setting("tls.source", "pki").setting("tls.pki.ttl", ttl);
        setup.setting("tls.pki.common_name", "localhost").setting("tls.pki.ip_sans", "[\"127.0.0.1\"]")
    }

    /// The test's own clients speak TLS like this.
    pub fn believing(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Replaces the pair on disk: the key first, so that for a moment the two do not fit.
    pub fn show(&self, pair: &Pair) {
        for (file, text) in [("tls.key", &pair.key), ("tls.crt", &pair.chain)] {
            let draft = self.home().join("draft");
            std::fs::write(&draft, text).unwrap();
            std::fs::rename(draft, self.home().join(file)).unwrap();
        }
    }

    /// A file of this text beside the data folder.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.home().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// How an address of the service begins.
    pub fn scheme(&self) -> &'static str {
        if self.trust.is_some() { "https" } else { "http" }
    }

    /// A client of the service.
    pub fn client(&self) -> reqwest::ClientBuilder {
        install_cryptography();
        let client = reqwest::Client::builder();
        match &self.trust {
            Some(trust) => client.tls_backend_preconfigured(trust.config(&[])),
            None => client,
        }
    }
}

impl TestApp {
    /// Clients speak TLS from now on.
    pub fn speaks_tls(&mut self, trust: &Trust) {
        self.setup = self.setup.clone().believing(trust.clone());
        self.http = self.setup.client().build().unwrap();
    }

    /// A connection whose handshake this client believes to be finished.
    pub async fn handshake(&self, trust: &Trust, protocols: &[&[u8]]) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).await?;
        let connector = TlsConnector::from(Arc::new(trust.config(protocols)));
        connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
    }

    /// The certificate that a new connection sees.
    pub async fn shows(&self, trust: &Trust) -> CertificateDer<'static> {
        let stream = self.handshake(trust, &[]).await.expect("a handshake");
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    }
}

/// The library wants a provider even where it is not used.
pub fn install_cryptography() {
    // An error says that it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
