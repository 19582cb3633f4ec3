//! Login and update of a client, and the answer to a login.
//! Does not check credentials and does not show a password to anybody who prints a login.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::BytesMut;
use secrecy::{ExposeSecret, SecretString};

use crate::capabilities::{Capabilities, ClientCapabilities};
use crate::client_ctrl::{self, Fields, MUST, kind, put_bytes, put_param, put_text};
use crate::fault::{List, Malformed, Parameter};
use crate::header::{self, Header};
use crate::put::{Written, some};

/// Clients pad; one that does not is understood.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The first request on every connection.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Who; absent where the scheme needs none.
    pub username: Option<String>,
    /// Never printed.
    pub password: Option<SecretString>,
    /// How it proves who it is; absent means by password.
    pub auth_scheme: Option<AuthScheme>,
    /// Unique in its message VPN.
    pub client_name: Option<String>,
    /// The message VPN; absent means whichever is the user's.
    pub message_vpn: Option<String>,
    /// Version of the client library.
    pub software_version: Option<String>,
    /// When it was built.
    pub software_date: Option<String>,
    /// What it was built for.
    pub platform: Option<String>,
    /// User, computer and process, for people.
    pub user_id: Option<String>,
    /// What the application says about itself.
    pub description: Option<String>,
    /// Whether it wants none of its own messages.
    pub no_local: Option<bool>,
    /// What it can do.
    pub capabilities: Option<ClientCapabilities>,
    /// It says something at least this often.
    pub keep_alive_seconds: Option<u32>,
}

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthScheme {
    /// By the certificate of its TLS connection.
    ClientCertificate,
    /// By a token.
    OAuth,
    /// In a way that is not known.
    Other(u8),
}

/// A client wants another name or description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Update {
    /// The name from now on.
    pub client_name: Option<String>,
    /// The description from now on.
    pub description: Option<String>,
}

/// What a client learns about the broker; empty beside a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoginAnswer {
    /// Version of the broker.
    pub software_version: Option<String>,
    /// When it was built.
    pub software_date: Option<String>,
    /// What it is.
    pub platform: Option<String>,
    /// The client's name.
    pub client_name: Option<String>,
    /// The client's message VPN.
    pub message_vpn: Option<String>,
    /// The client subscribes to everything below this topic.
    pub p2p_topic: Option<String>,
    /// Without it a client takes the broker to be able to do nothing.
    pub capabilities: Option<Capabilities>,
    /// Part of the names of inboxes.
    pub virtual_router: Option<String>,
    /// The broker's name.
    pub router_name: Option<String>,
}

// === impl Login ===

impl Login {
    pub(crate) fn of(header: &Header<'_>, fields: Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            username: header.username.map(|text| credential(header::kind::USERNAME, text)).transpose()?,
            password: header.password.map(|text| credential(header::kind::PASSWORD, text)).transpose()?.map(Into::into),
            auth_scheme: fields.auth_scheme,
            client_name: fields.client_name.map(str::to_owned),
            message_vpn: fields.message_vpn.map(str::to_owned),
            software_version: fields.software_version,
            software_date: fields.software_date,
            platform: fields.platform,
            user_id: fields.user_id,
            description: fields.description,
            no_local: fields.no_local,
            capabilities: fields.client_capabilities,
            keep_alive_seconds: fields.keep_alive_seconds,
        })
    }

    pub(crate) fn put_credentials(&self, out: &mut BytesMut) -> Written {
        let password = self.password.as_ref().map(ExposeSecret::expose_secret);
        for (kind, text) in [(header::kind::USERNAME, self.username.as_deref()), (header::kind::PASSWORD, password)] {
            some(text, |text| header::put(out, kind, BASE64.encode(text).as_bytes()))?;
        }
        Ok(())
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        client_ctrl::put(out, MUST, client_ctrl::message::LOGIN, |out| {
            put_text(out, kind::SOFTWARE_VERSION, self.software_version.as_deref())?;
            put_text(out, kind::SOFTWARE_DATE, self.software_date.as_deref())?;
            put_text(out, kind::PLATFORM, self.platform.as_deref())?;
            put_text(out, kind::USER_ID, self.user_id.as_deref())?;
            put_text(out, kind::DESCRIPTION, self.description.as_deref())?;
            put_text(out, kind::CLIENT_NAME, self.client_name.as_deref())?;
            put_text(out, MUST | kind::MESSAGE_VPN, self.message_vpn.as_deref())?;
            put_bytes(out, kind::NO_LOCAL, self.no_local.map(|no_local| [no_local.into()]))?;
            put_bytes(out, kind::AUTH_SCHEME, self.auth_scheme.map(|scheme| [scheme.byte()]))?;
            put_bytes(out, kind::CLIENT_CAPABILITIES, self.capabilities.map(ClientCapabilities::packed))?;
            put_bytes(out, kind::KEEP_ALIVE, self.keep_alive_seconds.map(u32::to_be_bytes))
        })
    }
}

fn credential(kind: u8, text: &[u8]) -> Result<String, Malformed> {
    let meaningless = Malformed::Value(Parameter { list: List::Header, kind: u16::from(kind) });
    let bytes = BASE64.decode(text).map_err(|_| meaningless)?;
    String::from_utf8(bytes).map_err(|_| meaningless)
}

// === impl AuthScheme ===

impl AuthScheme {
    pub(crate) fn of_byte(byte: u8) -> Self {
        match byte {
            0x01 => Self::ClientCertificate,
            0x0a => Self::OAuth,
            other => Self::Other(other),
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::ClientCertificate => 0x01,
            Self::OAuth => 0x0a,
            Self::Other(other) => other,
        }
    }
}

// === impl Update ===

impl Update {
    pub(crate) fn of(fields: Fields<'_>) -> Self {
        Self { client_name: fields.client_name.map(str::to_owned), description: fields.description }
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        client_ctrl::put(out, MUST, client_ctrl::message::UPDATE, |out| {
            put_text(out, kind::DESCRIPTION, self.description.as_deref())?;
            put_text(out, kind::CLIENT_NAME, self.client_name.as_deref())
        })
    }
}

// === impl LoginAnswer ===

impl LoginAnswer {
    pub(crate) fn of(fields: Fields<'_>) -> Self {
        Self {
            software_version: fields.software_version,
            software_date: fields.software_date,
            platform: fields.platform,
            client_name: fields.client_name.map(str::to_owned),
            message_vpn: fields.message_vpn.map(str::to_owned),
            p2p_topic: fields.p2p_topic.map(str::to_owned),
            capabilities: fields.router_capabilities,
            virtual_router: fields.virtual_router.map(str::to_owned),
            router_name: fields.router_name.map(str::to_owned),
        }
    }

    pub(crate) fn put(&self, out: &mut BytesMut) -> Written {
        client_ctrl::put(out, 0, client_ctrl::message::LOGIN, |out| {
            put_text(out, kind::SOFTWARE_VERSION, self.software_version.as_deref())?;
            put_text(out, kind::SOFTWARE_DATE, self.software_date.as_deref())?;
            put_text(out, kind::PLATFORM, self.platform.as_deref())?;
            put_text(out, kind::CLIENT_NAME, self.client_name.as_deref())?;
            put_text(out, kind::MESSAGE_VPN, self.message_vpn.as_deref())?;
            put_text(out, kind::P2P_TOPIC, self.p2p_topic.as_deref())?;
            some(self.capabilities, |can| put_param(out, kind::ROUTER_CAPABILITIES, |out| can.put(out)))?;
            put_text(out, kind::VIRTUAL_ROUTER, self.virtual_router.as_deref())?;
            put_text(out, kind::ROUTER_NAME, self.router_name.as_deref())
        })
    }
}
