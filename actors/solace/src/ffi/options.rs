//! What a session is made of, and the library's properties for it.
//! Asks the library for nothing that waits and for nothing that is tried again behind our back.

use std::time::Duration;

use secrecy::ExposeSecret;
use solace_rs_sys as sys;

use super::error::Failure;
use super::properties::Properties;
use crate::access::Access;

/// What a session is made of besides where it logs in.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Unique at the broker; a second login of the same name is refused.
    pub client_name: String,
    /// How many publishes may wait for the broker's word, 1 to 255.
    pub publish_window: u8,
    /// How long one host of the list may take to answer.
    pub connect_within: Duration,
    /// After three of these without a byte the session is down.
    pub keep_alive: Duration,
}

// === impl SessionOptions ===

impl SessionOptions {
    /// For the library.
    pub(super) fn properties(&self, access: &Access) -> Result<Properties, Failure> {
        let mut list = Properties::default();
        list.set(sys::SOLCLIENT_SESSION_PROP_HOST, access.host())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_VPN_NAME, access.vpn())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_USERNAME, access.username())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_PASSWORD, access.password().expose_secret())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_CLIENT_NAME, self.client_name.as_str())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_PUB_WINDOW_SIZE, self.publish_window.max(1).to_string())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_CONNECT_TIMEOUT_MS, self.connect_within.as_millis().to_string())?;
        list.set(sys::SOLCLIENT_SESSION_PROP_KEEP_ALIVE_INT_MS, self.keep_alive.as_millis().to_string())?;
        // Nothing waits: every answer comes as an event.
        list.switch(sys::SOLCLIENT_SESSION_PROP_CONNECT_BLOCKING, false)?;
        list.switch(sys::SOLCLIENT_SESSION_PROP_SEND_BLOCKING, false)?;
        list.switch(sys::SOLCLIENT_SESSION_PROP_SUBSCRIBE_BLOCKING, false)?;
        // And nothing is tried again behind our back, where we could not say who still waits.
        list.set(sys::SOLCLIENT_SESSION_PROP_CONNECT_RETRIES, "0")?;
        list.set(sys::SOLCLIENT_SESSION_PROP_RECONNECT_RETRIES, "0")?;
        if let Some(folder) = access.trust_store() {
            list.set(sys::SOLCLIENT_SESSION_PROP_SSL_TRUST_STORE_DIR, folder.as_os_str().as_encoded_bytes())?;
        }
        list.switch(sys::SOLCLIENT_SESSION_PROP_SSL_VALIDATE_CERTIFICATE, true)?;
        list.switch(sys::SOLCLIENT_SESSION_PROP_SSL_VALIDATE_CERTIFICATE_HOST, true)?;
        Ok(list)
    }
}
