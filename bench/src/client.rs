//! A lean HTTP/1.1 client on one kept-alive connection, and the sales that it posts.
//! Knows only what this harness needs: POST and GET, `Content-Length` answers.

use anyhow::{Context, Result, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The amount of every sale of the harness, in cents.
pub const CENTS: u64 = 1444;

/// One connection.
pub struct Connection {
    stream: TcpStream,
    authorization: String,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: &str, authorization: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, authorization: authorization.to_owned(), buffer: Vec::with_capacity(4096) })
    }

    /// Posts a sale; the status of the answer.
    pub async fn post(&mut self, body: &str) -> Result<u16> {
        let (authorization, length) = (&self.authorization, body.len());
        let request = format!(
            "POST /api/v1/pos/validate_transaction HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        Ok(self.exchange(&request).await?.0)
    }

    /// Makes the actor at this path panic, without waiting for its recovery; the status of the answer.
    pub async fn kill(&mut self, actor: &str) -> Result<u16> {
        let (authorization, body) = (&self.authorization, r#"{"kind":"panic"}"#);
        let request = format!(
            "POST /api/v1/actors/{actor}/fault HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nPrefer: respond-async\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(self.exchange(&request).await?.0)
    }

    /// GET; status and body.
    pub async fn get(&mut self, path: &str) -> Result<(u16, String)> {
        let authorization = &self.authorization;
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\r\n");
        self.exchange(&request).await
    }

    async fn exchange(&mut self, request: &str) -> Result<(u16, String)> {
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        let head = loop {
            self.more().await?;
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).context("read a status")?;
        if text.contains("transfer-encoding: chunked") {
            return Ok((status, self.chunked(head).await?));
        }
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .unwrap_or("0")
            .trim()
            .parse::<usize>()?;
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        Ok((status, String::from_utf8_lossy(&self.buffer[head..head + length]).into_owned()))
    }

    async fn chunked(&mut self, head: usize) -> Result<String> {
        let (mut at, mut body) = (head, Vec::new());
        loop {
            let line_end = loop {
                if let Some(end) = self.buffer[at..].windows(2).position(|two| two == b"\r\n") {
                    break at + end;
                }
                self.more().await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[at..line_end])?.trim(), 16)?;
            while self.buffer.len() < line_end + 2 + size + 2 {
                self.more().await?;
            }
            body.extend_from_slice(&self.buffer[line_end + 2..line_end + 2 + size]);
            at = line_end + 2 + size + 2;
            if size == 0 {
                return Ok(String::from_utf8_lossy(&body).into_owned());
            }
        }
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// The body of sale `number` of a run, rung up at `time` in one of `stores`.
pub fn sale(run: u32, number: u64, stores: u64, time: DateTime<Utc>) -> String {
    let time = time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let (store, cashier, customer) = (number % stores + 1, number % 8 + 1, number % 500 + 1);
    let id = format!("{run:08x}-0000-4000-8000-{number:012x}");
    format!(
        r#"{{"transaction_id":"{id}","timestamp":"{time}","store_id":"STORE_{store}","cashier_id":"CASHIER_{cashier}","items":[{{"item_id":"milk-1l","name":"Bio-Vollmilch 3,8 % 1 l","quantity":2,"price_per_unit":1.29,"total_price":2.58}},{{"item_id":"bread-500","name":"Roggenmischbrot 500 g","quantity":1,"price_per_unit":3.49,"total_price":3.49}},{{"item_id":"apples-1k","name":"Äpfel Elstar 1 kg","quantity":3,"price_per_unit":2.79,"total_price":8.37}}],"total_amount":14.44,"payment_method":"credit_card","payment_status":"success","customer_id":"CUSTOMER_{customer}","loyalty_points_earned":3,"receipt":{{"receipt_id":"receipt-{number:012x}","date":"{time}","total_amount":14.44,"payment_method":"credit_card","transaction_id":"{id}"}}}}"#
    )
}

/// The sum of the samples of a metric whose line contains `label`.
pub fn metric(text: &str, name: &str, label: &str) -> f64 {
    let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}
