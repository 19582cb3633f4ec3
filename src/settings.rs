//! All settings of the process: each room's section, and the few that belong to no room.
//! Does not hold defaults of rooms; those stand in each room's own `settings.rs`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tillstream_audit::AuditSettings;
use tillstream_embedded::EmbeddedBrokerSettings;
use tillstream_generator::PosSettings;
use tillstream_listener::ListenerSettings;
use tillstream_reporting::ReportingSettings;
use tillstream_secrets::{SecretsSettings, Source};
use tillstream_supervision::WatchdogSettings;
use tillstream_tls::TlsSettings;
use tillstream_tokens::TokenSettings;
use tillstream_traces::TracesSettings;
use tillstream_validator::{RuleSettings, TopicSettings, ValidationSettings, ValidatorSettings};
use tillstream_vault::VaultSettings;
use tillstream_window::{DedupSettings, WindowSettings};

use crate::cli::ConfigArgs;
use crate::http::HttpSettings;
use crate::live::LiveSettings;
use crate::roles::Roles;
use crate::shutdown::ShutdownSettings;
use crate::telemetry::LogSettings;

mod layers;
#[cfg(not(feature = "solace"))]
mod solace;
mod supervision;

pub use layers::{BASE_FILE, ENV_PREFIX, Layers, SettingsError};
#[cfg(not(feature = "solace"))]
pub use solace::UnreadSolaceSettings as SolaceSettings;
pub use supervision::SupervisionSettings;
#[cfg(feature = "solace")]
pub use tillstream_solace::SolaceSettings;

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where data and local secrets are kept.
    pub data_dir: DataDir,
    /// What this process does.
    pub roles: Roles,
    /// The HTTP server.
    pub http: HttpSettings,
    /// Encryption of the HTTP port.
    pub tls: TlsSettings,
    /// What a transaction may say.
    pub rules: RuleSettings,
    /// What topics tell.
    pub topics: TopicSettings,
    /// The pool of validators.
    pub validation: ValidationSettings,
    /// The broker.
    pub broker: EmbeddedBrokerSettings,
    /// Where a Solace broker is, and the bounds of sessions on it.
    pub solace: SolaceSettings,
    /// The door of the embedded broker for clients of Solace libraries.
    pub smf: ListenerSettings,
    /// Windows.
    pub window: WindowSettings,
    /// Repetitions.
    pub dedup: DedupSettings,
    /// Turnover and ledger.
    pub reporting: ReportingSettings,
    /// The live page.
    pub live: LiveSettings,
    /// Simulated tills.
    pub pos: PosSettings,
    /// Where secrets come from.
    pub secrets: SecretsSettings,
    /// The server of secrets, where they come from one.
    pub vault: VaultSettings,
    /// Whose bearer tokens are believed.
    pub tokens: TokenSettings,
    /// How often actors may fail.
    pub supervision: SupervisionSettings,
    /// When actors and threads count as stuck.
    pub watchdog: WatchdogSettings,
    /// Whether faults may be injected.
    pub faults: FaultSettings,
    /// Bounds of metrics.
    pub metrics: MetricsSettings,
    /// How the process stops.
    pub shutdown: ShutdownSettings,
    /// Log lines.
    pub log: LogSettings,
    /// Which traces are kept and where their spans go.
    pub traces: TracesSettings,
    /// Records of who was refused, and more.
    pub audit: AuditSettings,
}

/// The directory of everything that must survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DataDir(pub PathBuf);

/// Section `[faults]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultSettings {
    /// Whether an admin may make actors fail on purpose.
    pub enabled: bool,
}

/// Section `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSettings {
    /// Stores with a label of their own; the rest is `other`.
    pub max_store_labels: usize,
}

// === impl Settings ===

impl Settings {
    /// Reads all layers for this command line.
    ///
    /// # Errors
    /// Names the key that is wrong and the file or variable that it stands in.
    pub fn load(args: &ConfigArgs) -> Result<Self, SettingsError> {
        let layers = Layers { file: args.config.clone(), ..Layers::default() };
        let settings: Self = layers.read(&args.overrides())?;
        settings.check()?;
        Ok(settings)
    }

    /// What no single section can see.
    fn check(&self) -> Result<(), SettingsError> {
        let refuse = |reason: &str| Err(SettingsError::Inconsistent(reason.to_owned()));
        if self.http.workers == 0 {
            return refuse("`http.workers` must be at least 1");
        }
        if self.http.max_body > self.broker.max_message_bytes {
            return refuse(
                "`http.max_body` must not be above `broker.max_message_bytes`: what is taken must be storable",
            );
        }
        if self.supervision.backoff_min > self.supervision.backoff_max {
            return refuse("`supervision.backoff_min` must not be above `supervision.backoff_max`");
        }
        if self.watchdog.every.is_zero() {
            return refuse("`watchdog.every` must be above zero");
        }
        if self.smf.max_unacked == 0 || self.smf.publish_window == 0 {
            return refuse("`smf.max_unacked` and `smf.publish_window` must be at least 1");
        }
        #[cfg(feature = "solace")]
        if self.solace.max_unacked == 0 || self.solace.publish_window == 0 {
            return refuse("`solace.max_unacked` and `solace.publish_window` must be at least 1");
        }
        #[cfg(feature = "solace")]
        if self.solace.backoff_min.is_zero() || self.solace.backoff_min > self.solace.backoff_max {
            return refuse("`solace.backoff_min` must be above zero and not above `solace.backoff_max`");
        }
        if self.secrets.source == Source::Vault {
            self.vault.check().map_err(|error| SettingsError::Inconsistent(error.to_string()))?;
        }
        self.audit.check().map_err(|error| SettingsError::Inconsistent(error.to_string()))?;
        self.live.check().map_err(|error| SettingsError::Inconsistent(error.to_string()))?;
        self.tokens.check().map_err(|error| SettingsError::Inconsistent(error.to_string()))?;
        self.tls.check().map_err(|error| SettingsError::Inconsistent(error.to_string()))?;
        self.window.rules().map(drop).map_err(|error| SettingsError::Inconsistent(error.to_string()))
    }

    /// What the validator's room wants to know.
    pub fn validator(&self) -> ValidatorSettings {
        let (rules, topics, validation) = (self.rules.clone(), self.topics.clone(), self.validation.clone());
        ValidatorSettings { rules, topics, validation }
    }

    /// The broker's files.
    pub fn broker_dir(&self) -> PathBuf {
        self.data_dir.0.join("broker")
    }

    /// The files of reporting.
    pub fn reporting_dir(&self) -> PathBuf {
        self.data_dir.0.join("reporting")
    }

    /// How spans tell this process from others: the machine (a container has its own name) and the port that it asked for.
    pub fn instance(&self) -> String {
        let machine = rustix::system::uname();
        format!("{}:{}", machine.nodename().to_string_lossy(), self.http.listen.port())
    }

    /// The files of the audit trail.
    pub fn audit_dir(&self) -> PathBuf {
        self.audit.directory.clone().unwrap_or_else(|| self.data_dir.0.join("audit"))
    }

    /// The local secrets file.
    pub fn secrets_file(&self) -> PathBuf {
        self.secrets.file.clone().unwrap_or_else(|| self.data_dir.0.join("secrets.toml"))
    }
}

impl Default for DataDir {
    fn default() -> Self {
        Self("./data".into())
    }
}

impl Default for FaultSettings {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self { max_store_labels: 100 }
    }
}

#[cfg(test)]
mod tests;
