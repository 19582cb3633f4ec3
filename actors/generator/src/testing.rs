//! Test support: a small HTTP server on loopback that answers as a script says and remembers what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tillstream_posting::Trust;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Credentials, PosClient, RetryRules};

/// What the server does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Answers with this status and `Retry-After: 0`.
    Status(u16),
    /// Answers as a balancer does that has no routes yet.
    NoRoute,
    /// Takes the request and cuts the connection.
    Cut,
    /// Takes the request and never answers.
    Silence,
}

type Script = dyn Fn(usize, &str) -> Reaction + Send + Sync;

/// What the server was sent.
#[derive(Debug, Clone)]
struct Request {
    /// What followed `authorization: `.
    authorization: String,
    /// What followed `traceparent: `.
    traceparent: String,
    body: String,
}

/// A server that plays a script.
pub(crate) struct TestServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl TestServer {
    /// The script gets the number of the request, from 0, and its body.
    pub(crate) async fn start(script: impl Fn(usize, &str) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (requests, script): (Arc<Mutex<Vec<Request>>>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), script.clone()));
            }
        });
        Self { url, requests }
    }

    /// The bodies so far, in the order in which they came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.body).collect()
    }

    /// The credentials so far, encoded as they came.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.authorization).collect()
    }

    /// Which spans the requests said they belong to; empty where they said nothing.
    pub(crate) fn traceparents(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.traceparent).collect()
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("not poisoned").clone()
    }

    /// A client of this server that does not wait long.
    pub(crate) fn client(&self, deadline: Option<Duration>) -> PosClient {
        let rules = RetryRules {
            request_timeout: Duration::from_millis(300),
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(5),
            deadline,
        };
        PosClient::new(&self.url, &Trust::default(), &credentials_for_test(), rules).expect("a client")
    }
}

pub(crate) fn credentials_for_test() -> Credentials {
    Credentials { user: "pos-service_username".to_owned(), password: "secret".into() }
}

async fn serve(mut stream: TcpStream, requests: Arc<Mutex<Vec<Request>>>, script: Arc<Script>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let body = request.body.clone();
        let number = {
            let mut kept = requests.lock().expect("not poisoned");
            kept.push(request);
            kept.len() - 1
        };
        match script(number, &body) {
            Reaction::Cut => return,
            Reaction::Silence => std::future::pending().await,
            Reaction::Status(status) => {
                let kind = "Content-Type: application/json";
                let answer =
                    format!("HTTP/1.1 {status} X\r\n{kind}\r\nRetry-After: 0\r\nContent-Length: 2\r\n\r\n{{}}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reaction::NoRoute => {
                let answer = "HTTP/1.1 404 X\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nno";
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some((head, length)) = head_of(buffer)
            && buffer.len() >= head + length
        {
            let authorization = header_of(&buffer[..head], "authorization");
            let traceparent = header_of(&buffer[..head], "traceparent");
            let body = String::from_utf8(buffer[head..head + length].to_vec()).expect("text");
            buffer.drain(..head + length);
            return Some(Request { authorization, traceparent, body });
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn head_of(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = header_of(&buffer[..end], "content-length").parse().ok()?;
    Some((end, length))
}

/// Empty where the header is not there.
fn header_of(head: &[u8], name: &str) -> String {
    let head = String::from_utf8_lossy(head);
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or_else(String::new, |(_, value)| value.to_owned())
}
