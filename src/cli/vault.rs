//! The command line of `tillstream vault`: how a Vault or OpenBao server is made ready and looked after.
//! Does not do anything; `commands::vault` does.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// Written by `prepare`, read by everybody else.
pub const LOCAL_CA: &str = "vault-data/tls/ca.pem";

/// Where `set-up` and others look for logins.
const APPROLES: &str = "vault-approles";

/// What can be called below `tillstream vault`.
#[derive(Debug, Clone, Subcommand)]
pub enum VaultCommand {
    /// Make what a server on this machine needs before its first start: a certificate and a directory for its storage
    Prepare(PrepareArgs),
    /// Bring a server from any state to one that holds the secrets of this system; doing it again changes nothing
    #[command(long_about = SET_UP_ABOUT, after_long_help = SET_UP_EXITS)]
    SetUp(Box<SetUpArgs>),
    /// Renew the secret ids that have lived half of their life, with the operator's login; for a timer
    Renew(RenewArgs),
    /// Give a path of the secrets a fresh random password, with the operator's login
    Rotate(RotateArgs),
    /// Say how the server and the logins are; exit 1 if something does not hold
    Status(StatusArgs),
}

const SET_UP_ABOUT: &str = "\
Bring a server from any state to one that holds the secrets of this system.

Initialises and unseals it if need be, makes the mount `kv`, the login method `approle`, a policy and a role per service, \
every path of the secret tree with random passwords, and files with which each role logs in. Prints a line per step: what \
was done, what was there. It may be killed at any moment and run again; what is there stays as it is, passwords above all. Only \
while a first run initialises the server nobody but the run has its keys: if it is killed then, the next one exits with 3 and says \
what to delete.

Unseal keys are written to --keys before they are used. The root token is written nowhere and is revoked at the end: a later \
run makes one for itself from the unseal keys.";

const SET_UP_EXITS: &str = "\
Exit codes:
  0  the server is ready
  1  it is not, and standard error says why
  3  nobody here can ever open it: it is initialised and no unseal key is in --keys, or it refuses to be initialised";

/// `vault prepare`.
#[derive(Debug, Clone, Args)]
pub struct PrepareArgs {
    /// Where vault/server.hcl looks
    #[arg(value_name = "DIR", default_value = "vault-data")]
    pub directory: PathBuf,
    /// A further name or address by which clients call the server, beside localhost, 127.0.0.1 and ::1; may be repeated
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,
    /// Write the authority of the certificate here too, for clients that must not see the key beside it
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
}

/// Which server.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// Where the server is
    #[arg(long, value_name = "URL", default_value = "https://127.0.0.1:8200")]
    pub address: String,
    /// The authority of its certificate, in PEM [default: vault-data/tls/ca.pem if it is there, else the system's]
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// A directory per role with the files for its login
    #[arg(long, value_name = "DIR", default_value = APPROLES)]
    pub approles: PathBuf,
}

/// How long logins hold.
#[derive(Debug, Clone, Args)]
pub struct LoginArgs {
    /// How long a secret id holds; it is renewed once half of that is over
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "24h")]
    pub secret_id_ttl: Duration,
    /// How long a token holds unless it is renewed
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "1h")]
    pub token_ttl: Duration,
    /// How long a token holds at most; then its owner logs in again
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "4h")]
    pub token_max_ttl: Duration,
}

/// How secret ids are handed over.
#[derive(Debug, Clone, Args)]
pub struct DeliveryArgs {
    /// Write tokens that give a secret id out once, within this time, instead of secret ids; not for the operator
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "5m")]
    pub wrapped: Option<Duration>,
}

/// `vault set-up`.
#[derive(Debug, Clone, Args)]
pub struct SetUpArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Logins.
    #[command(flatten)]
    pub logins: LoginArgs,
    /// Secret ids.
    #[command(flatten)]
    pub delivery: DeliveryArgs,
    /// Where unseal keys are kept; every file in it is read, one key a line
    #[arg(long, value_name = "DIR", default_value = "vault-keys")]
    pub keys: PathBuf,
    /// How many unseal keys a first run makes
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    pub key_shares: u8,
    /// How many of them open the server
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..))]
    pub key_threshold: u8,
    /// Use the administrator's token in this file instead of one made from the unseal keys; it is not revoked
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The version of the mount `kv` where there is none yet
    #[arg(long, value_name = "1|2", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub kv_version: u8,
    /// Where the server is to write who did what, if it has no audit device yet and takes one over its API
    #[arg(long, value_name = "FILE", default_value = "vault-data/audit.log")]
    pub audit_file: String,
    /// Go on although nobody writes who did what
    #[arg(long, conflicts_with = "audit_file")]
    pub without_audit: bool,
    /// Stay, and do it again whenever the server is found sealed, and every hour for the logins; ends on SIGTERM
    #[arg(long)]
    pub keep: bool,
    /// Make an authority that issues certificates for HTTPS
    #[arg(long)]
    pub pki: bool,
    /// Let it issue them for this domain and what is below; may be repeated [default: localhost and addresses only]
    #[arg(long, value_name = "DOMAIN", requires = "pki")]
    pub pki_domain: Vec<String>,
}

/// `vault renew`.
#[derive(Debug, Clone, Args)]
pub struct RenewArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Secret ids.
    #[command(flatten)]
    pub delivery: DeliveryArgs,
}

/// `vault rotate`.
#[derive(Debug, Clone, Args)]
pub struct RotateArgs {
    /// Such as validation-service/creds/pos-service
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

/// `vault status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Which server.
    #[command(flatten)]
    pub server: ServerArgs,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn set_up_for_test(more: &str) -> Result<Box<SetUpArgs>, clap::Error> {
        let line = format!("tillstream vault set-up{more}");
        match Cli::try_parse_from(line.split(' '))?.into_command() {
            Command::Vault { command: VaultCommand::SetUp(args) } => Ok(args),
            other => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn secret_ids_are_wrapped_for_five_minutes_unless_another_time_is_said() {
        let wrapped = |more: &str| set_up_for_test(more).unwrap().delivery.wrapped;
        assert_eq!(wrapped(""), None);
        assert_eq!(wrapped(" --wrapped"), Some(Duration::from_secs(300)));
        assert_eq!(wrapped(" --wrapped=90s"), Some(Duration::from_secs(90)));
    }

    #[test]
    fn an_audit_file_or_none_and_domains_only_with_an_authority() {
        assert!(set_up_for_test(" --without-audit").is_ok() && set_up_for_test(" --audit-file /x").is_ok());
        assert!(set_up_for_test(" --without-audit --audit-file /x").is_err());
        assert!(set_up_for_test(" --pki-domain shop.example").is_err());
        let args = set_up_for_test(" --pki --pki-domain a.example --pki-domain b.example").unwrap();
        assert_eq!(args.pki_domain, ["a.example", "b.example"]);
    }
}
