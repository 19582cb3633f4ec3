//! The authority of this installation for server certificates: the mount `pki`, a root that never leaves it, a role.
//! Issues nothing; whoever serves HTTPS asks for its own certificate.

use serde_json::{Value, json};

use crate::client::Client;
use crate::error::SetUpError;

/// Ten years: the root is what clients trust.
const ROOT_TTL: &str = "87600h";
/// A server's certificate is renewed long before.
const LEAF_MAX_TTL_SECONDS: u64 = 30 * 24 * 3_600;
const LEAF_TTL_SECONDS: u64 = 24 * 3_600;

const ROLE: &str = "pki/roles/tillstream";

/// Whether the mount is there.
pub async fn is_mounted(administrator: &Client) -> Result<bool, SetUpError> {
    let mounts = administrator.get("sys/mounts").await?.ok()?;
    Ok(mounts.at("/data/pki~1/type") == Some(&Value::from("pki")))
}

/// Makes the mount.
pub async fn mount(administrator: &Client) -> Result<(), SetUpError> {
    let order = json!({
        "type": "pki",
        "description": "server certificates of tillstream",
        "config": { "max_lease_ttl": ROOT_TTL },
    });
    administrator.post("sys/mounts/pki", order).await?.ok().map(drop)
}

/// Whether there is a root.
pub async fn has_root(administrator: &Client) -> Result<bool, SetUpError> {
    Ok(administrator.get("pki/issuers?list=true").await?.found()?.is_some())
}

/// Makes the root; its key stays inside the server.
pub async fn make_root(administrator: &Client) -> Result<(), SetUpError> {
    let order = json!({ "common_name": "tillstream authority", "ttl": ROOT_TTL, "key_type": "ec", "key_bits": 256 });
    administrator.post("pki/root/generate/internal", order).await?.ok().map(drop)
}

const DOMAINS: &str = "allowed_domains";

/// What the role is to be, in the server's own words.
fn wanted(domains: &[String]) -> Value {
    json!({
        "allow_any_name": false,
        "allow_bare_domains": true,
        "allow_ip_sans": true,
        "allow_localhost": true,
        "allow_subdomains": true,
        "allow_wildcard_certificates": false,
        DOMAINS: domains,
        "client_flag": false,
        "key_bits": 256,
        "key_type": "ec",
        "max_ttl": LEAF_MAX_TTL_SECONDS,
        "server_flag": true,
        "ttl": LEAF_TTL_SECONDS,
    })
}

/// Whether the role is as it is to be.
pub async fn has_role(administrator: &Client, domains: &[String]) -> Result<bool, SetUpError> {
    let Some(answer) = administrator.get(ROLE).await?.found()? else { return Ok(false) };
    let Value::Object(wanted) = wanted(&[]) else { return Ok(false) };
    let theirs = answer.at("/data").unwrap_or(&Value::Null);
    let mut others = wanted.iter().filter(|(key, _)| *key != DOMAINS);
    let has = |domain: &String| served(theirs).contains(domain);
    Ok(domains.iter().all(has) && others.all(|(key, value)| theirs[key.as_str()] == *value))
}

/// The domains for which the role serves already.
fn served(role: &Value) -> Vec<String> {
    let domains = role[DOMAINS].as_array().map(Vec::as_slice).unwrap_or_default();
    domains.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Makes the role as it is to be; domains that it serves already stay, because certificates are renewed for them.
pub async fn write_role(administrator: &Client, domains: &[String]) -> Result<(), SetUpError> {
    let before = administrator.get(ROLE).await?.found()?;
    let mut all = before.and_then(|role| role.at("/data").map(served)).unwrap_or_default();
    all.extend(domains.iter().filter(|domain| !all.contains(domain)).cloned().collect::<Vec<_>>());
    administrator.post(ROLE, wanted(&all)).await?.ok().map(drop)
}
