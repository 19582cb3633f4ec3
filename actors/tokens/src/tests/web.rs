//! A web server that answers every request to a path with the same words.
//! Knows as much HTTP as a client of keys needs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

type Pages = Arc<Mutex<BTreeMap<String, Page>>>;

/// What a path answers.
#[derive(Clone)]
pub struct Page {
    status: u16,
    head: String,
    body: Vec<u8>,
    after: Duration,
}

/// A server that lives as long as the test's runtime.
pub struct Web {
    pub address: SocketAddr,
    scheme: &'static str,
    pages: Pages,
    /// The authority behind an encrypted one.
    pub ca_cert: Option<PathBuf>,
    _directory: Option<TempDir>,
}

impl Page {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, head: String::new(), body: body.into(), after: Duration::ZERO }
    }

    pub fn status(status: u16, head: &str) -> Self {
        Self { status, head: head.to_owned(), body: b"{\"keys\":[]}".to_vec(), after: Duration::ZERO }
    }

    /// The end of the body comes after that long.
    pub fn slow(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

impl Web {
    pub async fn plain() -> Self {
        Self::serve("http", None, None, None).await
    }

    /// Behind a certificate for 127.0.0.1 of an authority made for this test.
    pub async fn encrypted() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca_cert = directory.path().join("ca.pem");
        std::fs::write(&ca_cert, authority.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![leaf.der().clone()], key).unwrap();
        Self::serve("https", Some(TlsAcceptor::from(Arc::new(config))), Some(ca_cert), Some(directory)).await
    }

    async fn serve(
        scheme: &'static str,
        acceptor: Option<TlsAcceptor>,
        ca_cert: Option<PathBuf>,
        directory: Option<TempDir>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, pages) = (listener.local_addr().unwrap(), Pages::default());
        let served = Arc::clone(&pages);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (pages, acceptor) = (Arc::clone(&served), acceptor.clone());
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else { return answer(socket, pages).await };
                    if let Ok(encrypted) = acceptor.accept(socket).await {
                        answer(encrypted, pages).await;
                    }
                });
            }
        });
        Self { address, scheme, pages, ca_cert, _directory: directory }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub fn put(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }
}

async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin, pages: Pages) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let page = pages.lock().unwrap().get(path).cloned().unwrap_or_else(|| Page::status(404, ""));
    let length = page.body.len();
    let start =
        format!("HTTP/1.1 {} X\r\n{}content-length: {length}\r\nconnection: close\r\n\r\n", page.status, page.head);
    // A client that has read enough hangs up.
    let (first, rest) = page.body.split_at(length / 2);
    let _ = socket.write_all(&[start.as_bytes(), first].concat()).await;
    sleep(page.after).await;
    let _ = socket.write_all(rest).await;
    let _ = socket.shutdown().await;
}
