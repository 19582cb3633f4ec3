//! An administrator's token for one run: from the initialisation, made from unseal keys, or given by whoever calls.
//! A token of ours lives in memory only, is revoked at the end, and so are those that killed runs have left behind.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::SetUpError;
use crate::keys::Keys;

const ATTEMPT: &str = "sys/generate-root/attempt";
const UPDATE: &str = "sys/generate-root/update";

/// What the server writes as the origin of every token that was made with unseal keys.
const MADE_WITH_KEYS: &str = "auth/token/root";

/// Servers differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Makes a root token from the unseal keys.
pub async fn from_keys(client: &Client, keys: &Keys) -> Result<SecretString, SetUpError> {
    let known = keys.read()?;
    if known.is_empty() {
        return Err(SetUpError::KeysUnknown { keys: keys.directory().to_owned() });
    }
    let (nonce, one_time_password) = begin(client).await?;
    for key in &known {
        let part = json!({ "nonce": nonce, "key": key.expose_secret() });
        let answer = client.put(UPDATE, part).await?;
        if answer.at("/complete") == Some(&Value::Bool(true)) {
            return decode(answer.text("/encoded_token")?, one_time_password.expose_secret())
                .ok_or_else(|| answer.refused());
        }
    }
    let status = client.get("sys/seal-status").await?.ok()?;
    client.delete(ATTEMPT).await?;
    Err(SetUpError::KeysInsufficient { keys: keys.directory().to_owned(), needed: status.number("/t")? })
}

/// Begins an attempt; one that a killed run began is given up, nobody knows its one-time password any more.
async fn begin(client: &Client) -> Result<(String, SecretString), SetUpError> {
    let abandoned = client.delete(ATTEMPT).await?;
    if !abandoned.is_ok() {
        return Err(SetUpError::NoGenerateRoot(abandoned.status));
    }
    let begun = client.put(ATTEMPT, json!({})).await?;
    if !begun.is_ok() {
        return Err(SetUpError::NoGenerateRoot(begun.status));
    }
    Ok((begun.text("/nonce")?.to_owned(), begun.secret("/otp")?))
}

/// The server hides the token by exclusive-or with the one-time password.
fn decode(encoded: &str, one_time_password: &str) -> Option<SecretString> {
    let hidden = BASE64.decode(encoded).ok()?;
    if hidden.len() != one_time_password.len() {
        return None;
    }
    let bytes = hidden.iter().zip(one_time_password.bytes()).map(|(left, right)| left ^ right).collect();
    String::from_utf8(bytes).ok().map(SecretString::from)
}

/// Revokes every other token that was made with unseal keys: no run is alive that would need it. Answers how many.
pub async fn revoke_leftovers(administrator: &Client) -> Result<usize, SetUpError> {
    let own = administrator.get("auth/token/lookup-self").await?.ok()?;
    let own = own.text("/data/accessor")?;
    let all = administrator.get("auth/token/accessors?list=true").await?.ok()?;
    let mut revoked = 0;
    for accessor in all.texts("/data/keys")?.into_iter().filter(|accessor| *accessor != own) {
        let order = json!({ "accessor": accessor });
        let token = administrator.post("auth/token/lookup-accessor", order.clone()).await?;
        // Others expire while we look.
        if token.is_ok() && token.text("/data/path")? == MADE_WITH_KEYS {
            administrator.post("auth/token/revoke-accessor", order).await?.ok()?;
            revoked += 1;
        }
    }
    Ok(revoked)
}

/// Revokes the token that this client has.
pub async fn revoke_self(administrator: &Client) -> Result<(), SetUpError> {
    administrator.post("auth/token/revoke-self", json!({})).await?.ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_out_of_its_hiding_padded_or_not() {
        let hidden: Vec<u8> = b"s.abcd".iter().zip(b"QWERTZ").map(|(left, right)| left ^ right).collect();
        let padded = BASE64.encode(&hidden);
        for text in [padded.as_str(), padded.trim_end_matches('=')] {
            assert_eq!(decode(text, "QWERTZ").unwrap().expose_secret(), "s.abcd");
        }
        assert!(decode(&padded, "QWERT").is_none() && decode("?", "Q").is_none());
    }
}
