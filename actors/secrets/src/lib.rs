//! The local secret tree: a TOML file with one table per path, made on first start and watched for changes.
//! Does not know who uses a secret and never prints one: errors name files, lines, paths and keys.

mod actor;
mod audience;
mod defaults;
mod document;
mod error;
mod file;
mod inquirers;
mod last_good;
mod metrics;
mod settings;
mod users;
mod watch;

pub use actor::LocalSecrets;
pub use audience::{Audience, SecretsHolder};
pub use defaults::{missing_keys, needed_keys, random_password, tree_paths};
pub use document::Values;
pub use error::SecretsError;
pub use file::load_or_create;
pub use inquirers::Inquirers;
pub use last_good::LastGood;
pub use metrics::SECRETS_AGE_SECONDS;
pub use settings::{SecretsSettings, Source};
pub use users::{MAX_LOGIN, unusable};
