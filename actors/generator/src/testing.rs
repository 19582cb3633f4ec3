//! Test support: a small HTTP server on loopback that answers as a script says and remembers the bodies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Credentials, PosClient, RetryRules};

/// What the server does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Answers with this status and `Retry-After: 0`.
    Status(u16),
    /// Takes the request and cuts the connection.
    Cut,
    /// Takes the request and never answers.
    Silence,
}

type Script = dyn Fn(usize, &str) -> Reaction + Send + Sync;

/// A server that plays a script.
pub(crate) struct TestServer {
    pub(crate) url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl TestServer {
    /// The script gets the number of the request, from 0, and its body.
    pub(crate) async fn start(script: impl Fn(usize, &str) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (bodies, script): (Arc<Mutex<Vec<String>>>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let kept = bodies.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), script.clone()));
            }
        });
        Self { url, bodies }
    }

    /// The bodies so far, in the order in which they came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("not poisoned").clone()
    }

    /// A client of this server that does not wait long.
    pub(crate) fn client(&self, deadline: Option<Duration>) -> PosClient {
        let rules = RetryRules {
            request_timeout: Duration::from_millis(300),
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(5),
            deadline,
        };
        PosClient::new(&self.url, &credentials_for_test(), rules).expect("a client")
    }
}

pub(crate) fn credentials_for_test() -> Credentials {
    Credentials { user: "pos-service_username".to_owned(), password: "secret".into() }
}

async fn serve(mut stream: TcpStream, bodies: Arc<Mutex<Vec<String>>>, script: Arc<Script>) {
    let mut buffer = Vec::new();
    while let Some(body) = read_request(&mut stream, &mut buffer).await {
        let number = {
            let mut kept = bodies.lock().expect("not poisoned");
            kept.push(body.clone());
            kept.len() - 1
        };
        match script(number, &body) {
            Reaction::Cut => return,
            Reaction::Silence => std::future::pending().await,
            Reaction::Status(status) => {
                let answer = format!("HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{{}}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some((head, length)) = head_of(buffer)
            && buffer.len() >= head + length
        {
            let body = String::from_utf8(buffer[head..head + length].to_vec()).expect("text");
            buffer.drain(..head + length);
            return Some(body);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn head_of(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
    assert!(head.contains("authorization: basic "), "every request carries the credentials");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse().ok()?;
    Some((end, length))
}
