//! The policies of `vault/policies`, one per reader of secrets, one for operators, one for whoever serves HTTPS.
//! Their texts are the files; that they say what the role matrix says is a test.

use serde_json::json;

use crate::client::Client;
use crate::error::SetUpError;

/// The policy of whoever serves HTTPS with a certificate of this installation's authority.
pub const SERVER_CERTIFICATE: &str = "server-certificate";

/// Name and text of one policy.
pub type Policy = (&'static str, &'static str);

/// All of them.
pub const POLICIES: [Policy; 9] = [
    ("validation-service", include_str!("../policies/validation-service.hcl")),
    ("aggregation-service", include_str!("../policies/aggregation-service.hcl")),
    ("reporting-service", include_str!("../policies/reporting-service.hcl")),
    ("pos-service", include_str!("../policies/pos-service.hcl")),
    ("otel-collector", include_str!("../policies/otel-collector.hcl")),
    ("message-broker", include_str!("../policies/message-broker.hcl")),
    ("tillstream", include_str!("../policies/tillstream.hcl")),
    ("operator", include_str!("../policies/operator.hcl")),
    (SERVER_CERTIFICATE, include_str!("../policies/server-certificate.hcl")),
];

/// Whether the server has it, word by word.
pub async fn is_there(administrator: &Client, (name, text): Policy) -> Result<bool, SetUpError> {
    let answer = administrator.get(&format!("sys/policies/acl/{name}")).await?.found()?;
    Ok(answer
        .is_some_and(|answer| answer.text("/data/policy").is_ok_and(|theirs| theirs.trim_end() == text.trim_end())))
}

/// Writes it.
pub async fn write(administrator: &Client, (name, text): Policy) -> Result<(), SetUpError> {
    administrator.put(&format!("sys/policies/acl/{name}"), json!({ "policy": text })).await?.ok().map(drop)
}

#[cfg(test)]
mod tests;
