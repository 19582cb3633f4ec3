//! What an operator does day by day with its own login: rotate a password, renew the files of all roles.
//! Has no administrator's rights: it changes neither policies nor roles.

use std::path::Path;

use secrecy::ExposeSecret;
use serde_json::json;
use tillstream_secrets::random_password;

use crate::administrator::revoke_self;
use crate::approles::{Delivery, RoleFiles};
use crate::client::{Client, ServerAddress};
use crate::error::SetUpError;
use crate::kv::Kv;

/// An operator who is logged in.
pub struct Operator {
    client: Client,
    kv: Kv,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Which path.
    pub path: String,
    /// Its version now; `None` where the mount keeps none.
    pub version: Option<u64>,
}

impl Operator {
    /// Logs in with the files of the operator's role.
    ///
    /// # Errors
    /// There are none, or they do not hold any more.
    pub async fn log_in(server: &ServerAddress, approles: &Path) -> Result<Self, SetUpError> {
        let client = log_in(&Client::new(server)?, &RoleFiles::operator(approles)).await?;
        let kv = Kv::visible(&client).await?;
        Ok(Self { client, kv })
    }

    /// Gives a path a fresh random password; its other keys stay.
    ///
    /// # Errors
    /// The path has no password, or somebody else changed it at the same time.
    pub async fn rotate(&self, path: &str) -> Result<Rotated, SetUpError> {
        let path = path.trim_start_matches("kv/");
        let no_password = || SetUpError::NoPassword(path.to_owned());
        let mut entry = self.kv.read(&self.client, path).await?.ok_or_else(no_password)?;
        if !entry.values.contains_key("password") {
            return Err(no_password());
        }
        entry.values.insert("password".to_owned(), json!(random_password()?.expose_secret()));
        let version = self.kv.write(&self.client, path, entry).await?;
        Ok(Rotated { path: path.to_owned(), version: (self.kv == Kv::Two).then_some(version) })
    }

    /// Renews the files that do not hold any more, or have lived half of their life; answers whose, and whether.
    ///
    /// # Errors
    /// A role is gone, or a file cannot be written.
    pub async fn renew(&self, approles: &Path, delivery: Delivery) -> Result<Vec<(&'static str, bool)>, SetUpError> {
        let mut renewed = Vec::new();
        for files in RoleFiles::all(approles) {
            let are_good = files.are_good(&self.client, delivery).await?;
            if !are_good {
                files.make(&self.client, delivery).await?;
            }
            renewed.push((files.role(), !are_good));
        }
        Ok(renewed)
    }

    /// Gives the token back.
    ///
    /// # Errors
    /// The server does not answer; the token ends by itself soon.
    pub async fn log_out(self) -> Result<(), SetUpError> {
        revoke_self(&self.client).await
    }

    /// The server as this operator.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

async fn log_in(client: &Client, files: &RoleFiles) -> Result<Client, SetUpError> {
    let directory = files.directory().to_owned();
    let Some((role_id, secret_id)) = files.credentials()? else {
        return Err(SetUpError::NoOperator(directory));
    };
    let order = json!({ "role_id": role_id, "secret_id": secret_id.expose_secret() });
    let answer = client.post("auth/approle/login", order).await?;
    if matches!(answer.status, 400 | 403) {
        return Err(SetUpError::OperatorRefused { directory, status: answer.status });
    }
    Ok(client.with_token(answer.ok()?.secret("/auth/client_token")?))
}
