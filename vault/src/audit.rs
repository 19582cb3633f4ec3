//! The audit device: who did what, without which nobody knows who read a password.
//! Vault takes one over its API; OpenBao only from its configuration, see `vault/server.hcl`.

use serde_json::{Value, json};

use crate::client::Client;
use crate::error::SetUpError;

/// Whether there is one.
pub async fn is_there(administrator: &Client) -> Result<bool, SetUpError> {
    let answer = administrator.get("sys/audit").await?.ok()?;
    Ok(answer.at("/data").and_then(Value::as_object).is_some_and(|devices| !devices.is_empty()))
}

/// Makes one that writes to `file`, a path on the server's machine.
pub async fn enable(administrator: &Client, file: &str) -> Result<(), SetUpError> {
    let order = json!({ "type": "file", "options": { "file_path": file } });
    let answer = administrator.put("sys/audit/file", order).await?;
    // OpenBao says 400 and means its configuration; a path that cannot be written is a 400 as well.
    if answer.status == 400 {
        return Err(SetUpError::NoAudit(answer.status));
    }
    answer.ok().map(drop)
}
