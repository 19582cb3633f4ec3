//! A till, a dashboard, an operator: whoever talks to the service over HTTP, with the passwords of its own secrets file.
//! Judges no answer except where a name says so (`accept`).

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use super::{Sale, TestApp, eventually};

/// How long a till tries again before the test calls the service stuck.
const ACCEPT_WITHIN: Duration = Duration::from_secs(60);

/// Where tills post.
pub const SALES: &str = "/api/v1/pos/validate_transaction";

/// User names and passwords by path.
#[derive(Debug, Clone, Default)]
pub struct Users(toml::Table);

impl Users {
    /// Reads the local secret tree.
    pub fn read(file: &Path) -> Self {
        Self(toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap())
    }

    /// Those of a tree of the same form.
    pub fn of(tree: toml::Table) -> Self {
        Self(tree)
    }

    /// Name and password of `pos-service`, `aggregation-service`, `reporting-service` or `admin`.
    pub fn named(&self, name: &str) -> (String, String) {
        let entry = &self.0[&format!("validation-service/creds/{name}")];
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        (text("username"), text("password"))
    }

    /// Every password in the tree.
    pub fn passwords(&self) -> Vec<String> {
        self.0.values().filter_map(|entry| entry.get("password")?.as_str().map(str::to_owned)).collect()
    }
}

/// Name and password that somebody shows; all who have a copy show others from the moment that one of them changes it.
#[derive(Debug, Clone)]
pub struct Badge(Arc<Mutex<(String, String)>>);

impl Badge {
    /// What a user shows now.
    pub fn of(user: &str, users: &Users) -> Self {
        Self(Arc::new(Mutex::new(users.named(user))))
    }

    /// This name and this password.
    pub fn new(name: &str, password: &str) -> Self {
        Self(Arc::new(Mutex::new((name.to_owned(), password.to_owned()))))
    }

    /// Another one with the same name.
    pub fn with(&self, password: &str) -> Self {
        Self::new(&self.shown().0, password)
    }

    /// Shows what the other one shows from now on.
    pub fn take(&self, other: &Self) {
        let shown = other.shown();
        *self.0.lock().unwrap() = shown;
    }

    fn shown(&self) -> (String, String) {
        self.0.lock().unwrap().clone()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in a {}: {}", self.status, self.text))
    }

    /// A header's text, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl TestApp {
    /// The passwords that it made.
    pub fn users(&self) -> &super::till::Users {
        &self.users
    }

    /// A request of `user` ("" for nobody).
    pub fn request(&self, method: &str, path: &str, user: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("{}{path}", self.url()));
        if user.is_empty() {
            return request;
        }
        let (name, password) = self.users.named(user);
        request.basic_auth(name, Some(password))
    }

    /// Sends a request; panics only if no answer comes.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        try_send(request).await.expect("an answer")
    }

    /// GET as `user`.
    pub async fn get(&self, path: &str, user: &str) -> Answer {
        self.send(self.request("GET", path, user)).await
    }

    /// POST of a JSON body as the till.
    pub async fn post(&self, body: impl Into<String>) -> Answer {
        let request = self.request("POST", SALES, "pos-service");
        self.send(request.header("content-type", "application/json").body(body.into())).await
    }

    /// Posts a sale once and says what came back, an error of the connection included.
    pub async fn try_post(&self, sale: &Sale) -> Result<Answer, String> {
        let request = self.request("POST", SALES, "pos-service");
        try_send(request.header("content-type", "application/json").body(sale.body())).await
    }

    /// A request of whoever shows this.
    pub fn as_shown(&self, badge: &Badge, method: Method, path: &str) -> RequestBuilder {
        let (name, password) = badge.shown();
        self.http.request(method, format!("{}{path}", self.url())).basic_auth(name, Some(password))
    }

    /// Whether the service knows who shows this, whatever that user may do.
    pub async fn is_known(&self, badge: &Badge) -> bool {
        match self.send(self.as_shown(badge, Method::GET, "/api/v1/actors")).await.status {
            200 | 403 => true,
            401 => false,
            other => panic!("a question for the actors was answered with {other}"),
        }
    }

    /// Makes the request that posts a sale, without the app: for tills on tasks of their own.
    pub fn till(&self, badge: &Badge) -> impl Fn(&Sale) -> RequestBuilder + Send + 'static {
        let (http, url, badge) = (self.http.clone(), self.url() + SALES, badge.clone());
        move |sale| {
            let (name, password) = badge.shown();
            let request = http.post(&url).basic_auth(&name, Some(&password));
            request.header("content-type", "application/json").body(sale.body())
        }
    }

    /// Posts a sale as a till does: again with the same id until it gets its 200.
    pub async fn accept(&self, sale: &Sale) -> Answer {
        eventually("a sale's 200", ACCEPT_WITHIN, async || match self.try_post(sale).await {
            Ok(answer) if answer.status == 200 => Ok(answer),
            Ok(answer) if answer.status == 503 => Err(answer.text),
            Ok(answer) => panic!("a good sale was answered with {}: {}", answer.status, answer.text),
            Err(error) => Err(error),
        })
        .await
    }
}

/// Sends a request; an error of the connection is no answer.
pub async fn try_send(request: RequestBuilder) -> Result<Answer, String> {
    let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
    Ok(Answer { status, headers, text })
}
