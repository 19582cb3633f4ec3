//! A validation service on loopback that answers as a script says and remembers what it was sent.
//! Checks nothing; the tests do.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the service does with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Answers with this status and body.
    Answer(u16, &'static str),
    /// Takes the request and cuts the connection.
    Cut,
    /// Takes the request and never answers.
    Silence,
}

/// What it was sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `POST /api/v1/pos/amount-per-store HTTP/1.1`.
    pub line: String,
    /// What followed `authorization: `.
    pub authorization: String,
    /// What followed `traceparent: `.
    pub traceparent: String,
    /// What followed `tracestate: `.
    pub tracestate: String,
    /// The event.
    pub body: String,
}

type Script = dyn Fn(usize, &Request) -> Reaction + Send + Sync;

/// The service.
pub struct Service {
    /// Where it listens.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Service {
    /// The script gets the number of the request, from 0, and the request.
    pub async fn start(script: impl Fn(usize, &Request) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (requests, script): (Arc<Mutex<Vec<Request>>>, Arc<Script>) = (Arc::default(), Arc::new(script));
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), script.clone()));
            }
        });
        Self { url, requests }
    }

    /// The requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, requests: Arc<Mutex<Vec<Request>>>, script: Arc<Script>) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let number = {
            let mut kept = requests.lock().unwrap();
            kept.push(request.clone());
            kept.len() - 1
        };
        match script(number, &request) {
            Reaction::Cut => return,
            Reaction::Silence => std::future::pending().await,
            Reaction::Answer(status, body) => {
                let head = format!("HTTP/1.1 {status} X\r\nRetry-After: 0\r\nContent-Length: {}\r\n\r\n", body.len());
                if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
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
            let text = String::from_utf8(buffer.drain(..head + length).collect()).unwrap();
            let line = text.lines().next().unwrap_or_default().to_owned();
            let authorization = header_of(&text[..head], "authorization");
            let trace = |name| header_of(&text[..head], name);
            let (traceparent, tracestate) = (trace("traceparent"), trace("tracestate"));
            return Some(Request { line, authorization, traceparent, tracestate, body: text[head..].to_owned() });
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn head_of(buffer: &[u8]) -> Option<(usize, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length = header_of(&String::from_utf8_lossy(&buffer[..end]), "content-length").parse().ok()?;
    Some((end, length))
}

/// Empty where the header is not there.
fn header_of(head: &str, name: &str) -> String {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or_else(String::new, |(_, value)| value.to_owned())
}
