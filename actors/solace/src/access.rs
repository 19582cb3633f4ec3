//! Where to log in and as whom, put together from the settings and the secret tree; the newest is shared by all incarnations.
//! Never prints a password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tillstream_messages::SecretTree;

use crate::settings::SolaceSettings;

/// Says where the broker is when the settings do not.
const BROKER_PATH: &str = "message-broker/config";
/// The client library cuts off or refuses what is longer.
const MAX_PASSWORD_BYTES: usize = 128;
/// As above.
const MAX_USERNAME_BYTES: usize = 189;
/// As above.
const MAX_VPN_BYTES: usize = 32;
/// Room for more hosts than anybody lists; who writes more has mixed up something.
const MAX_HOST_BYTES: usize = 4096;

/// One user's way in.
#[derive(Clone)]
pub struct Access {
    host: String,
    vpn: String,
    username: String,
    password: SecretString,
    trust_store: Option<PathBuf>,
}

/// Settings and secrets do not say how to log in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Neither the settings nor the secret tree say it.
    #[error("set `solace.{setting}`, or key `{key}` of secret path `{BROKER_PATH}`")]
    Nowhere {
        /// The setting.
        setting: &'static str,
        /// The key of the secret tree.
        key: &'static str,
    },
    /// The user has no name or no password.
    #[error("secret path `{path}` lacks key `{key}`")]
    Missing {
        /// Where the user's credentials should be.
        path: String,
        /// What is not there.
        key: &'static str,
    },
    /// The library would take it for an address that never answers, and it would be tried for ever.
    #[error(
        "`{host}` is no address of a broker: write `tcp://HOST:PORT` or `tcps://HOST:PORT`, several with commas between them"
    )]
    Address {
        /// The one of the list.
        host: String,
    },
    /// No broker knows such a value.
    #[error("the broker's {what} is empty, longer than {limit} bytes or holds a NUL byte")]
    Unfit {
        /// What it is for.
        what: &'static str,
        /// How long it may be.
        limit: usize,
    },
}

/// The newest access of one user; every clone is the same book.
#[derive(Debug, Clone)]
pub struct AccessBook(Arc<ArcSwap<Access>>);

// === impl Access ===

impl Access {
    /// The way in for the user at `creds_path`.
    pub fn of(settings: &SolaceSettings, tree: &SecretTree, creds_path: &str) -> Result<Self, AccessError> {
        let credential = |key| {
            let entry = tree.entries.get(creds_path).and_then(|entry| entry.get(key));
            entry.ok_or_else(|| AccessError::Missing { path: creds_path.to_owned(), key })
        };
        let access = Self {
            host: without_blanks(&settings.host.clone().map_or_else(|| host_of(tree), Ok)?),
            vpn: settings.vpn.clone().map_or_else(|| broker_key(tree, "vpn", "msg_vpn").map(str::to_owned), Ok)?,
            username: credential("username")?.expose_secret().to_owned(),
            password: credential("password")?.clone(),
            trust_store: settings.trust_store.clone(),
        };
        access.checked()
    }

    /// The list of hosts, in the order in which they are tried.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The message VPN.
    pub fn vpn(&self) -> &str {
        &self.vpn
    }

    /// Who logs in.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// With what; the caller must not log it.
    pub const fn password(&self) -> &SecretString {
        &self.password
    }

    /// What is believed on `tcps`.
    pub fn trust_store(&self) -> Option<&Path> {
        self.trust_store.as_deref()
    }

    /// How many hosts are tried, one after the other.
    pub(crate) fn hosts(&self) -> u32 {
        u32::try_from(self.host.split(',').count()).unwrap_or(u32::MAX)
    }

    fn checked(self) -> Result<Self, AccessError> {
        fits("host list", &self.host, MAX_HOST_BYTES)?;
        self.host.split(',').try_for_each(is_address)?;
        fits("message VPN", &self.vpn, MAX_VPN_BYTES)?;
        fits("user name", &self.username, MAX_USERNAME_BYTES)?;
        fits("password", self.password.expose_secret(), MAX_PASSWORD_BYTES)?;
        Ok(self)
    }
}

impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        let open = |access: &Self| {
            (access.host.clone(), access.vpn.clone(), access.username.clone(), access.trust_store.clone())
        };
        open(self) == open(other) && self.password.expose_secret() == other.password.expose_secret()
    }
}

impl Eq for Access {}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, vpn, username, password: _, trust_store } = self;
        let mut shown = f.debug_struct("Access");
        shown.field("host", host).field("vpn", vpn).field("username", username).field("trust_store", trust_store);
        shown.finish_non_exhaustive()
    }
}

// === impl AccessBook ===

impl AccessBook {
    /// A book whose first entry this is.
    pub fn new(access: Access) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(access)))
    }

    /// The newest access.
    pub fn newest(&self) -> Arc<Access> {
        self.0.load_full()
    }

    /// Enters a newer one; says whether it differs from the last.
    pub fn enter(&self, access: Access) -> bool {
        let access = Arc::new(access);
        *self.0.swap(Arc::clone(&access)) != *access
    }
}

fn host_of(tree: &SecretTree) -> Result<String, AccessError> {
    let key = |key| broker_key(tree, "host", key);
    Ok(format!("{}://{}:{}", key("smf_protocol")?, key("smf_host")?, key("smf_port")?))
}

fn broker_key<'a>(tree: &'a SecretTree, setting: &'static str, key: &'static str) -> Result<&'a str, AccessError> {
    tree.expose(BROKER_PATH, key).ok_or(AccessError::Nowhere { setting, key })
}

/// People write a blank after a comma.
fn without_blanks(hosts: &str) -> String {
    hosts.split(',').map(str::trim).collect::<Vec<_>>().join(",")
}

/// Without a scheme it is `tcp`, without a port that scheme's usual one.
fn is_address(host: &str) -> Result<(), AccessError> {
    let (scheme, place) = host.split_once("://").unwrap_or(("tcp", host));
    let (_, port) = place.rsplit_once(':').filter(|_| !place.ends_with(']')).unwrap_or((place, "1"));
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let known = matches!(scheme, "tcp" | "tcps") && !place.is_empty() && !place.starts_with(':');
    let one_word = !place.contains(|letter: char| letter.is_whitespace() || letter == '/');
    if known && is_port && one_word { Ok(()) } else { Err(AccessError::Address { host: host.to_owned() }) }
}

fn fits(what: &'static str, text: &str, limit: usize) -> Result<(), AccessError> {
    let unfit = text.is_empty() || text.len() > limit || text.contains('\0');
    if unfit { Err(AccessError::Unfit { what, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tillstream_messages::SecretEntry;

    use super::*;

    const CREDS: &str = "message-broker/creds/validation-service";

    fn entry(keys: &[(&str, &str)]) -> SecretEntry {
        let keys: BTreeMap<_, _> =
            keys.iter().map(|(key, value)| ((*key).to_owned(), SecretString::from(*value))).collect();
        SecretEntry::new(1, chrono::DateTime::UNIX_EPOCH, keys)
    }

    fn tree(password: &str) -> SecretTree {
        let broker =
            entry(&[("smf_protocol", "tcps"), ("smf_host", "broker"), ("smf_port", "55443"), ("msg_vpn", "tills")]);
        let user = entry(&[("username", "till"), ("password", password)]);
        SecretTree { entries: [(BROKER_PATH.to_owned(), broker), (CREDS.to_owned(), user)].into() }
    }

    #[test]
    fn the_secret_tree_says_where_the_broker_is_unless_the_settings_do() {
        let of = |settings: &SolaceSettings| Access::of(settings, &tree("secret"), CREDS).unwrap();
        let told = of(&SolaceSettings::default());
        assert_eq!((told.host(), told.vpn(), told.username()), ("tcps://broker:55443", "tills", "till"));

        let host = Some("tcp://one:55555,tcp://two:55555".to_owned());
        let set = of(&SolaceSettings { host, vpn: Some("other".to_owned()), ..SolaceSettings::default() });

        assert_eq!((set.host(), set.vpn(), set.hosts()), ("tcp://one:55555,tcp://two:55555", "other", 2));
    }

    #[test]
    fn what_is_missing_or_unfit_is_named_and_a_password_is_never_shown() {
        let settings = SolaceSettings::default();
        let nowhere = SecretTree { entries: [(CREDS.to_owned(), entry(&[]))].into() };
        let set = SolaceSettings { host: Some("h".to_owned()), vpn: Some("v".to_owned()), ..settings.clone() };
        let error =
            |settings: &SolaceSettings, tree: &SecretTree| Access::of(settings, tree, CREDS).unwrap_err().to_string();

        assert!(error(&settings, &nowhere).contains("`solace.host`"));
        assert!(error(&set, &nowhere).contains("lacks key `username`"));
        let long = "hunter2".repeat(100);
        assert!(
            error(&settings, &tree(&long)).contains("password") && !error(&settings, &tree(&long)).contains("hunter2")
        );
        assert!(error(&settings, &tree("nul\0byte")).contains("password"));
        assert!(!format!("{:?}", Access::of(&settings, &tree("hunter2"), CREDS).unwrap()).contains("hunter2"));
    }

    #[test]
    fn an_address_that_the_library_would_try_for_ever_is_refused_and_named() {
        let of = |host: &str| {
            let settings = SolaceSettings { host: Some(host.to_owned()), ..SolaceSettings::default() };
            Access::of(&settings, &tree("secret"), CREDS).map(|_| ())
        };
        for good in
            ["tcp://one:55555", "tcps://one:55443,tcps://two:55443", "broker", "127.0.0.1:1", "tcp://[::1]:55555"]
        {
            assert_eq!(of(good), Ok(()), "{good}");
        }
        assert_eq!(of("tcp://[::1]"), Ok(()));
        for bad in [
            "http://one:80",
            "tpc://one:55555",
            "tcp://",
            "tcp://:55555",
            "tcp://one:0",
            "tcp://one:many",
            "tcp://one/",
        ] {
            assert_eq!(of(bad), Err(AccessError::Address { host: bad.to_owned() }));
            assert!(of(&format!("tcp://one:1,{bad}")).unwrap_err().to_string().contains(&format!("`{bad}`")));
        }
        assert!(of("tcp://one:1,,tcp://two:1").is_err());
        assert_eq!(of(" tcp://one:1, tcp://two:1"), Ok(()));
    }

    #[test]
    fn a_book_shows_its_newest_entry_to_everybody_and_says_whether_it_is_new() {
        let of = |password| Access::of(&SolaceSettings::default(), &tree(password), CREDS).unwrap();
        let book = AccessBook::new(of("first"));
        let other = book.clone();

        assert!(!book.enter(of("first")));
        assert!(book.enter(of("second")));

        assert_eq!(other.newest().password().expose_secret(), "second");
    }
}
