//! The AppRoles: one per reader of secrets and one for operators; their rights, and the files with which they log in.
//! Does not log in; whoever owns the files does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tillstream_domain::SecretReader;

use crate::client::Client;
use crate::error::SetUpError;
use crate::policies::SERVER_CERTIFICATE;
use crate::private;

/// The role of people who look after the secrets.
pub const OPERATOR: &str = "operator";

/// File with the name of a role, no secret.
const ROLE_ID: &str = "role_id";
/// File with the secret id, or with a token that gives it out once; whoever reads it tells them apart by their form.
const SECRET_ID: &str = "secret_id";

/// Operators work in moments.
const OPERATOR_TOKEN_TTL: Duration = Duration::from_secs(15 * 60);

/// How long what a role gets holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// A secret id, from when it was issued.
    pub secret_id: Duration,
    /// A token, from its last renewal.
    pub token: Duration,
    /// A token, however often it is renewed.
    pub token_max: Duration,
}

/// How secret ids reach their owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As they are.
    Plain,
    /// As a token that gives it out once, within this time: who comes second knows that somebody was there before.
    Wrapped(Duration),
}

/// The files of one role.
#[derive(Debug, Clone)]
pub struct RoleFiles {
    role: &'static str,
    directory: PathBuf,
}

/// What the server knows of a secret id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Unknown, used up or expired.
    Invalid,
    /// Holds until then, and did for so long from the beginning.
    Until(DateTime<Utc>, Duration),
    /// Holds for ever.
    Endless,
}

/// All roles.
pub fn names() -> impl Iterator<Item = &'static str> {
    SecretReader::ALL.map(SecretReader::name).into_iter().chain([OPERATOR])
}

// === the method ===

/// Whether roles can log in at all.
pub async fn is_enabled(administrator: &Client) -> Result<bool, SetUpError> {
    let methods = administrator.get("sys/auth").await?.ok()?;
    Ok(methods.at("/data/approle~1/type") == Some(&Value::from("approle")))
}

/// Lets roles log in.
pub async fn enable(administrator: &Client) -> Result<(), SetUpError> {
    administrator.post("sys/auth/approle", json!({ "type": "approle" })).await?.ok().map(drop)
}

// === a role ===

/// What a role is to be; the keys are the server's own names, so that its answer can be compared.
fn wanted(role: &str, lifetimes: Lifetimes) -> Value {
    let (token, token_max) = match role {
        OPERATOR => (OPERATOR_TOKEN_TTL, OPERATOR_TOKEN_TTL),
        _ => (lifetimes.token, lifetimes.token_max),
    };
    json!({
        "bind_secret_id": true,
        "secret_id_num_uses": 0,
        "secret_id_ttl": lifetimes.secret_id.as_secs(),
        "token_max_ttl": token_max.as_secs(),
        "token_no_default_policy": true,
        "token_policies": policies_of(role),
        "token_ttl": token.as_secs(),
    })
}

/// Who serves HTTP may also ask for a certificate.
fn policies_of(role: &str) -> Vec<&str> {
    let serves = ["validation-service", "aggregation-service", "reporting-service", "pos-service", "tillstream"];
    let certificate = serves.contains(&role).then_some(SERVER_CERTIFICATE);
    std::iter::once(role).chain(certificate).collect()
}

/// Whether the role is as it is to be.
pub async fn is_there(administrator: &Client, role: &str, lifetimes: Lifetimes) -> Result<bool, SetUpError> {
    let Some(answer) = administrator.get(&place(role, "")).await?.found()? else { return Ok(false) };
    let wanted = wanted(role, lifetimes);
    let Value::Object(wanted) = wanted else { return Ok(false) };
    let theirs = answer.at("/data").unwrap_or(&Value::Null);
    Ok(wanted.iter().all(|(key, value)| sorted(&theirs[key.as_str()]) == sorted(value)))
}

/// Servers give policies back in an order of their own.
fn sorted(value: &Value) -> Value {
    let Some(list) = value.as_array() else { return value.clone() };
    let mut texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    texts.sort_unstable();
    json!(texts)
}

/// Makes the role as it is to be.
pub async fn write(administrator: &Client, role: &str, lifetimes: Lifetimes) -> Result<(), SetUpError> {
    administrator.post(&place(role, ""), wanted(role, lifetimes)).await?.ok().map(drop)
}

fn place(role: &str, below: &str) -> String {
    format!("auth/approle/role/{role}{below}")
}

// === impl RoleFiles ===

impl RoleFiles {
    /// Those of `role`, in a directory of its own below `all`.
    pub fn new(all: &Path, role: &'static str) -> Self {
        Self { role, directory: all.join(role) }
    }

    /// Those of operators.
    pub fn operator(all: &Path) -> Self {
        Self::new(all, OPERATOR)
    }

    /// Those of all roles.
    pub fn all(all: &Path) -> impl Iterator<Item = Self> {
        names().map(move |role| Self::new(all, role))
    }

    /// Whose they are.
    pub fn role(&self) -> &'static str {
        self.role
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Role id and secret id, if both are there.
    pub(crate) fn credentials(&self) -> Result<Option<(String, SecretString)>, SetUpError> {
        let role_id = private::read(&self.directory.join(ROLE_ID))?;
        let secret_id = private::read(&self.directory.join(SECRET_ID))?;
        Ok(role_id.zip(secret_id).map(|(role_id, secret_id)| (line(&role_id).to_owned(), line(&secret_id).into())))
    }

    /// Whether the role can log in with what is there, and will for a while.
    pub(crate) async fn are_good(&self, client: &Client, how: Delivery) -> Result<bool, SetUpError> {
        let Some(role_id) = self.role_id(client).await? else { return Ok(false) };
        if private::read(&self.directory.join(ROLE_ID))? != Some(role_id) {
            return Ok(false);
        }
        match self.delivery(how) {
            Delivery::Plain => Ok(self.validity(client).await?.lasts()),
            Delivery::Wrapped(_) => self.is_unopened(client).await,
        }
    }

    /// Writes the role's id and a fresh secret id.
    pub(crate) async fn make(&self, client: &Client, how: Delivery) -> Result<(), SetUpError> {
        private::directory(&self.directory)?;
        let role_id = self.role_id(client).await?.unwrap_or_default();
        private::write_if_other(&self.directory.join(ROLE_ID), &role_id)?;
        match self.delivery(how) {
            Delivery::Plain => self.issue(client).await,
            Delivery::Wrapped(ttl) => self.issue_wrapped(client, ttl).await,
        }
    }

    /// An operator's own is read by this program.
    fn delivery(&self, how: Delivery) -> Delivery {
        if self.role == OPERATOR { Delivery::Plain } else { how }
    }

    async fn issue(&self, client: &Client) -> Result<(), SetUpError> {
        let answer = client.post(&place(self.role, "/secret-id"), json!({})).await?.ok()?;
        let secret_id = answer.secret("/data/secret_id")?;
        private::write(&self.directory.join(SECRET_ID), secret_id.expose_secret())
    }

    async fn issue_wrapped(&self, client: &Client, ttl: Duration) -> Result<(), SetUpError> {
        let answer = client.post_wrapped(&place(self.role, "/secret-id"), json!({}), ttl).await?.ok()?;
        let token = answer.secret("/wrap_info/token")?;
        private::write(&self.directory.join(SECRET_ID), token.expose_secret())
    }

    async fn role_id(&self, client: &Client) -> Result<Option<String>, SetUpError> {
        let answer = client.get(&place(self.role, "/role-id")).await?.found()?;
        answer.map(|answer| answer.text("/data/role_id").map(str::to_owned)).transpose()
    }

    /// What the server says about the secret id that is there.
    pub(crate) async fn validity(&self, client: &Client) -> Result<Validity, SetUpError> {
        let Some(text) = private::read(&self.directory.join(SECRET_ID))? else { return Ok(Validity::Invalid) };
        let order = json!({ "secret_id": line(&text) });
        let answer = client.post(&place(self.role, "/secret-id/lookup"), order).await?.ok()?;
        // An unknown one is answered with 204 and nothing.
        let Some(end) = answer.at("/data/expiration_time").and_then(Value::as_str) else {
            return Ok(Validity::Invalid);
        };
        let Ok(end) = end.parse() else { return Err(answer.refused()) };
        let whole = Duration::from_secs(answer.number("/data/secret_id_ttl")?);
        // An end of 0, which is the year 1, stands for never.
        Ok(if whole.is_zero() { Validity::Endless } else { Validity::Until(end, whole) })
    }

    /// Whether nobody has taken the wrapped secret id yet, and still can.
    async fn is_unopened(&self, client: &Client) -> Result<bool, SetUpError> {
        let Some(token) = private::read(&self.directory.join(SECRET_ID))? else { return Ok(false) };
        let answer = client.post("sys/wrapping/lookup", json!({ "token": line(&token) })).await?;
        Ok(answer.is_ok())
    }
}

/// People's editors end a line.
fn line(text: &str) -> &str {
    text.trim()
}

// === impl Validity ===

impl Validity {
    /// Whether half of its life is still to come.
    fn lasts(self) -> bool {
        match self {
            Self::Invalid => false,
            Self::Endless => true,
            Self::Until(end, whole) => (end - Utc::now()).to_std().is_ok_and(|left| left > whole / 2),
        }
    }
}
