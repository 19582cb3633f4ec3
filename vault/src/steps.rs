//! What a configured server has, piece by piece in the order in which it is made; each can be looked at and made.
//! Each is made whole or not at all, so that a run may be killed between any two.

use tillstream_secrets::{missing_keys, tree_paths};

use crate::approles::{self, RoleFiles};
use crate::client::Client;
use crate::error::SetUpError;
use crate::kv::{Entry, Kv};
use crate::policies::{self, POLICIES, Policy};
use crate::set_up::SetUp;
use crate::{audit, authority};

/// One piece of the configuration.
#[derive(Debug, Clone)]
pub enum Step {
    /// The record of who did what.
    Audit { file: String },
    /// The mount of the secrets.
    Kv(Kv),
    /// The method by which services log in.
    AppRole,
    /// A policy.
    Policy(Policy),
    /// A role with its policies.
    Role(&'static str),
    /// A path of the tree with all its keys.
    Secret(&'static str),
    /// The mount of the authority.
    AuthorityMount,
    /// Its root.
    AuthorityRoot,
    /// Who may get certificates for which names.
    AuthorityRole { domains: Vec<String> },
    /// The files with which a role logs in.
    Files(RoleFiles),
}

/// All that a configured server has.
pub fn all(set_up: &SetUp) -> Vec<Step> {
    let mut steps = Vec::new();
    steps.extend(set_up.audit_file.clone().map(|file| Step::Audit { file }));
    steps.extend([Step::Kv(set_up.new_mount), Step::AppRole]);
    steps.extend(POLICIES.map(Step::Policy));
    steps.extend(approles::names().map(Step::Role));
    steps.extend(tree_paths().map(Step::Secret));
    if let Some(domains) = set_up.authority_for.clone() {
        steps.extend([Step::AuthorityMount, Step::AuthorityRoot, Step::AuthorityRole { domains }]);
    }
    steps.extend(RoleFiles::all(&set_up.approles).map(Step::Files));
    steps
}

// === impl Step ===

impl Step {
    /// What it is, in words.
    pub fn subject(&self) -> String {
        match self {
            Self::Audit { .. } => "audit device".to_owned(),
            Self::Kv(_) => "mount `kv`".to_owned(),
            Self::AppRole => "login method `approle`".to_owned(),
            Self::Policy((name, _)) => format!("policy `{name}`"),
            Self::Role(role) => format!("role `{role}`"),
            Self::Secret(path) => format!("secret `{path}`"),
            Self::AuthorityMount => "mount `pki`".to_owned(),
            Self::AuthorityRoot => "root certificate".to_owned(),
            Self::AuthorityRole { .. } => "role for server certificates".to_owned(),
            Self::Files(files) => format!("login of `{}` in `{}`", files.role(), files.directory().display()),
        }
    }

    /// Whether it is there as it is to be.
    pub async fn is_there(&self, administrator: &Client, set_up: &SetUp) -> Result<bool, SetUpError> {
        match self {
            Self::Audit { .. } => audit::is_there(administrator).await,
            Self::Kv(_) => Kv::mounted(administrator).await.map(|mount| mount.is_some()),
            Self::AppRole => approles::is_enabled(administrator).await,
            Self::Policy(policy) => policies::is_there(administrator, *policy).await,
            Self::Role(role) => approles::is_there(administrator, role, set_up.lifetimes).await,
            Self::Secret(path) => Ok(lacking(administrator, path).await?.is_some_and(|lack| lack.is_empty())),
            Self::AuthorityMount => authority::is_mounted(administrator).await,
            Self::AuthorityRoot => authority::has_root(administrator).await,
            Self::AuthorityRole { domains } => authority::has_role(administrator, domains).await,
            Self::Files(files) => files.are_good(administrator, set_up.delivery).await,
        }
    }

    /// Makes it as it is to be.
    pub async fn make(&self, administrator: &Client, set_up: &SetUp) -> Result<(), SetUpError> {
        match self {
            Self::Audit { file } => audit::enable(administrator, file).await,
            Self::Kv(version) => version.mount(administrator).await,
            Self::AppRole => approles::enable(administrator).await,
            Self::Policy(policy) => policies::write(administrator, *policy).await,
            Self::Role(role) => approles::write(administrator, role, set_up.lifetimes).await,
            Self::Secret(path) => complete(administrator, path).await,
            Self::AuthorityMount => authority::mount(administrator).await,
            Self::AuthorityRoot => authority::make_root(administrator).await,
            Self::AuthorityRole { domains } => authority::write_role(administrator, domains).await,
            Self::Files(files) => files.make(administrator, set_up.delivery).await,
        }
    }
}

/// What a path lacks. Has no `Debug`: these are secrets.
struct Lack {
    kv: Kv,
    entry: Entry,
    keys: Vec<(&'static str, secrecy::SecretString)>,
}

impl Lack {
    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// Nothing without a mount.
async fn lacking(administrator: &Client, path: &str) -> Result<Option<Lack>, SetUpError> {
    let Some(kv) = Kv::mounted(administrator).await? else { return Ok(None) };
    let entry = kv.read(administrator, path).await?;
    let entry = entry.unwrap_or_else(|| Entry { values: serde_json::Map::new(), version: 0 });
    let keys = missing_keys(path, |key| entry.values.contains_key(key))?;
    Ok(Some(Lack { kv, entry, keys }))
}

/// Adds the keys that a path lacks; what stands there stays.
async fn complete(administrator: &Client, path: &str) -> Result<(), SetUpError> {
    use secrecy::ExposeSecret;

    let Some(Lack { kv, mut entry, keys }) = lacking(administrator, path).await? else {
        return Err(SetUpError::ForeignMount);
    };
    entry.values.extend(keys.into_iter().map(|(key, value)| (key.to_owned(), value.expose_secret().into())));
    kv.write(administrator, path, entry).await.map(drop)
}
