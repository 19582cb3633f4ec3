//! The command line: what can be called and how it is explained.
//! Does not do anything; `commands` does.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tillstream_chaos::{FaultKind, Stores};
use tillstream_posting::Trust;
use tillstream_session::Backend;

use crate::roles::Roles;

mod vault;

pub use vault::{
    DeliveryArgs, LOCAL_CA, LoginArgs, PrepareArgs, RenewArgs, RotateArgs, ServerArgs, SetUpArgs, StatusArgs,
    VaultCommand,
};

const ABOUT: &str =
    "Takes sales from tills over HTTP, puts them on a durable queue and adds them up per store and time window.";
const LONG_ABOUT: &str = "\
Takes sales from tills over HTTP, puts them on a durable queue and adds them up per store and time window.

A 200 means that the sale is on disk. Every paid sale is counted exactly once, whatever is killed, retried or \
reordered. Called without a command, everything runs in this one process, with simulated tills that send sales.";
const EXAMPLES: &str = "\
Examples:
  tillstream                              run everything here; data and passwords go to ./data
  tillstream run --listen 127.0.0.1:0     the same on a free port, which is printed
  tillstream run --duration 30s           run for 30 seconds, stop cleanly and print the ledger
  tillstream run --roles validation,aggregation,reporting
                                          the same without simulated tills
  tillstream broker                       only the embedded broker, for clients of Solace libraries
  tillstream check                        say whether everything is in order to run
  tillstream replay sales.ndjson --url http://127.0.0.1:8080 --user pos-service_username --password-file pw
                                          send recorded sales, one JSON transaction per line
  tillstream chaos --url http://127.0.0.1:8080 --user admin --password-file pw --seed 1 --faults 100
                                          break a running service 100 times and prove that no sale is lost
  tillstream vault set-up                 put the secrets into a Vault or OpenBao server on this machine

Every setting also has a key in a file (--config) and a variable: http.listen is TILLSTREAM__HTTP__LISTEN.";

/// `tillstream`.
#[derive(Debug, Parser)]
#[command(name = "tillstream", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What can be called.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service (this is what happens without a command)
    Run(RunArgs),
    /// Send recorded transactions from a file to a running service
    Replay(ReplayArgs),
    /// Break a running service on purpose and prove that no sale is lost or counted twice
    #[command(long_about = CHAOS_ABOUT, after_long_help = CHAOS_PLAN)]
    Chaos(ChaosArgs),
    /// Run only the embedded broker, for clients of Solace libraries on this machine and for tests
    #[command(long_about = BROKER_ABOUT)]
    Broker(BrokerArgs),
    /// Say whether configuration, secrets, broker and limits are in order, one line each; or ask a process whether it is ready
    Check(CheckArgs),
    /// Make a Vault or OpenBao server ready for the secrets of this system, and look after them
    Vault {
        /// What to do.
        #[command(subcommand)]
        command: VaultCommand,
    },
    /// Print the OpenAPI document of the HTTP interface
    Openapi(ConfigArgs),
    /// Print the AsyncAPI document of topics, queues and messages
    Asyncapi(ConfigArgs),
}

/// Where settings come from, and the common ones.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// Read this TOML file over config/base.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Listen here; port 0 takes a free port and prints it [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Keep data and local secrets here [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which broker: embedded or solace [default: embedded]
    #[arg(long, value_name = "BROKER")]
    pub broker: Option<Backend>,
    /// Where secrets come from: local or vault [default: local]
    #[arg(long, value_name = "SOURCE", value_parser = ["local", "vault"])]
    pub secrets: Option<String>,
    /// Play only these roles: validation, aggregation, reporting, pos [default: all]
    #[arg(long, value_name = "ROLE,…")]
    pub roles: Option<Roles>,
    /// Let clients of Solace libraries reach the embedded broker here, such as 127.0.0.1:55555; port 0 takes a free port
    /// and prints it [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    pub smf: Option<SocketAddr>,
}

const BROKER_ABOUT: &str = "\
Run only the embedded broker, for clients of Solace libraries on this machine and for tests.

It keeps its queues in DIR/broker and speaks SMF: guaranteed publishing and flows on the durable queues of this system, \
direct messages, keepalive. Users, passwords and what each may publish and consume come from the secrets, \
DIR/secrets.toml if nothing else is set. It is for development, tests and the edge; it is not Solace: no TLS, no \
management, no replication, no temporary queues, selectors, browsers, transactions or replay.

A service on it: tillstream run --broker solace, with the same secrets and solace.host = \"tcp://127.0.0.1:55555\".";

/// `broker`.
#[derive(Debug, Clone, Default, Args)]
pub struct BrokerArgs {
    /// Read this TOML file over config/base.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Listen for SMF here; port 0 takes a free port and prints it [default: 127.0.0.1:55555]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Keep queues and local secrets here [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where secrets come from: local or vault [default: local]
    #[arg(long, value_name = "SOURCE", value_parser = ["local", "vault"])]
    pub secrets: Option<String>,
}

/// `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Stop cleanly after this time, such as 30s, and print the ledger per store; exit 1 if it does not balance
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
}

/// `check`.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Check nothing but whether the process at this address, such as http://127.0.0.1:8080, says that it is ready: the health
    /// check of a container, which needs no shell
    #[arg(long, value_name = "URL")]
    pub ready: Option<String>,
    /// Whom to believe.
    #[command(flatten)]
    pub trust: TrustArgs,
}

/// Whom to believe that it is the service.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustArgs {
    /// Believe an https service by these authorities, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Show this certificate to a service that asks for one; the file holds its private key too, in PEM
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
}

/// `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// One JSON transaction per line; a store's sales are sent in file order, one at a time
    #[arg(value_name = "FILE.ndjson")]
    pub file: PathBuf,
    /// Where the service listens, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// User of role pos
    #[arg(long)]
    pub user: String,
    /// File with the user's password, nothing else
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
    /// Whom to believe.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// At most this many transactions per second [default: as fast as they are taken]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Stores that are sent side by side
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub concurrency: u16,
}

const CHAOS_ABOUT: &str = "\
Break a running service on purpose and prove that no sale is lost or counted twice.

Posts sales of its own to the service, makes actors, supervisors and the environment fail one after the other, and \
prints per fault how long it took until the failure was noticed and until the actor ran again. At the end every own \
sale is in a final window; then the own list of answered ids and amounts is compared with /turnover, store by store \
and window by window, and with the ledger. Exit 0 if every sale that was answered with 200 is counted exactly once \
and everything recovered, else 1.

The service's own simulated tills are silent meanwhile; no other till may sell in the same stores. Ctrl-C ends the \
faults early and still settles the account.";
const CHAOS_PLAN: &str = "\
A plan file (--plan) has load settings on top and one [[step]] per fault:

  load = 200                # like --load; likewise seed, stores, duration
  [[step]]
  at = \"5s\"                 # after the load began
  kind = \"block\"
  target = \"root.pipeline.windows.STORE_3\"
  seconds = 3
  [[step]]
  at = \"12s\"
  kind = \"clock\"
  seconds = -20             # how far
  hold_seconds = 5          # how long

Kinds of faults on actors and supervisors: panic (before the handler), panic_after (after it, before the reply), stop, \
hang (a future that never ends), block (its thread). On the environment: broker_stall, drop_acks, clock, disk_full, \
disk_readonly. To see the verdict fail: lose_sale, double_sale, misprice_sale.";

/// `chaos`.
#[derive(Debug, Clone, Args)]
pub struct ChaosArgs {
    /// Where the service listens, such as http://127.0.0.1:8080
    #[arg(long)]
    pub url: String,
    /// User of role admin
    #[arg(long)]
    pub user: String,
    /// File with the user's password, nothing else; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
    /// Whom to believe.
    #[command(flatten)]
    pub trust: TrustArgs,
    /// The same seed draws the same faults and the same sales [default: drawn and printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many faults; 0 with --duration is load and account only
    #[arg(long, value_name = "N", required_unless_present = "plan", conflicts_with = "plan")]
    pub faults: Option<usize>,
    /// Draw only these kinds of faults [default: all that falsify nothing]
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', conflicts_with = "plan")]
    pub kinds: Vec<FaultKind>,
    /// Hit only actors with these paths (* is any text) or of these kinds, such as root.pipeline.*,window; the
    /// environment is left alone then
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',', conflicts_with = "plan")]
    pub targets: Vec<String>,
    /// Own sales per second [default: 200]
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub load: Option<u32>,
    /// Own sales are of these stores, and no other till may sell there meanwhile [default: 1-10]
    #[arg(long, value_name = "A-B")]
    pub stores: Option<Stores>,
    /// Faults at given times from this file instead of drawn ones
    #[arg(long, value_name = "FILE.toml")]
    pub plan: Option<PathBuf>,
    /// Go on with the load at least this long, such as 60s; all faults are injected in any case
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Load without faults before the first drawn one, to compare with [default: 15s; with --plan: none]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "plan")]
    pub calm: Option<Duration>,
    /// Longest wait until all windows are final, before the first own sale and after the last
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5m")]
    pub settle_within: Duration,
    /// Write everything that was found to this file, as JSON
    #[arg(long, value_name = "FILE.json")]
    pub report: Option<PathBuf>,
    /// Write what came back in each second to this file, a JSON object a line
    #[arg(long, value_name = "FILE.ndjson")]
    pub timeline: Option<PathBuf>,
}

/// `200` or `200/s`.
fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse();
    number
        .ok()
        .filter(|rate| (1..=100_000).contains(rate))
        .ok_or_else(|| "must be from 1 to 100000 per second".to_owned())
}

impl Cli {
    /// What was asked for.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.run))
    }
}

impl TrustArgs {
    /// What a client makes of it.
    pub fn trust(&self) -> Trust {
        Trust::new(self.ca_cert.clone(), self.client_cert.clone())
    }
}

impl ConfigArgs {
    /// The settings that the command line sets, by their keys.
    pub fn overrides(&self) -> Vec<(&'static str, String)> {
        let text = |value: Option<String>, key| value.map(|value| (key, value));
        [
            text(self.listen.map(|address| address.to_string()), "http.listen"),
            text(self.data_dir.as_ref().map(|path| path.to_string_lossy().into_owned()), "data_dir"),
            text(self.broker.map(|backend| backend.to_string()), "broker.backend"),
            text(self.secrets.clone(), "secrets.source"),
            text(self.roles.as_ref().map(ToString::to_string), "roles"),
            text(self.smf.map(|address| address.to_string()), "smf.listen"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl BrokerArgs {
    /// The same settings in the words of `run`: this broker is the embedded one, and it listens for SMF.
    pub fn config(&self) -> ConfigArgs {
        let Self { config, listen, data_dir, secrets } = self.clone();
        ConfigArgs { config, data_dir, secrets, smf: listen, broker: Some(Backend::Embedded), ..ConfigArgs::default() }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run_for_test(line: &str) -> RunArgs {
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        match cli.into_command() {
            Command::Run(run) => run,
            other => panic!("unexpected {other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_everything_runs() {
        assert!(run_for_test("tillstream").duration.is_none());
        let with = run_for_test("tillstream --listen 127.0.0.1:0 --duration 30s");
        assert_eq!(with.duration, Some(Duration::from_secs(30)));
    }

    #[test]
    fn every_option_of_run_is_a_setting_of_the_same_meaning() {
        let run = run_for_test(
            "tillstream run --listen [::1]:9 --data-dir /d --broker solace --secrets vault --roles pos --smf [::1]:8",
        );
        let expected = [
            ("http.listen", "[::1]:9"),
            ("data_dir", "/d"),
            ("broker.backend", "solace"),
            ("secrets.source", "vault"),
            ("roles", "pos"),
            ("smf.listen", "[::1]:8"),
        ];
        assert_eq!(run.config.overrides(), expected.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn the_broker_alone_listens_for_smf_and_not_for_http() {
        let line = "tillstream broker --listen 127.0.0.1:0 --data-dir /d --secrets local --config f";
        let Command::Broker(broker) = Cli::try_parse_from(line.split(' ')).unwrap().into_command() else {
            panic!("another command");
        };
        let expected = [
            ("data_dir", "/d"),
            ("broker.backend", "embedded"),
            ("secrets.source", "local"),
            ("smf.listen", "127.0.0.1:0"),
        ];
        assert_eq!(broker.config().overrides(), expected.map(|(key, value)| (key, value.to_owned())));
        assert_eq!(broker.config().config, Some("f".into()));
    }

    #[test]
    fn a_drill_needs_faults_or_a_plan_and_reads_rates_kinds_and_stores() {
        let base = "tillstream chaos --url u --user admin --password-file pw";
        let parse = |more: &str| Cli::try_parse_from(format!("{base}{more}").split(' '));
        assert!(parse("").is_err() && parse(" --faults 5 --plan p").is_err() && parse(" --faults 5 --load 0").is_err());
        let chaos = parse(" --faults 5 --load 300/s --kinds panic,hang --stores 2-3").unwrap().into_command();
        let Command::Chaos(args) = chaos else { panic!("unexpected {chaos:?}") };
        assert_eq!((args.faults, args.load), (Some(5), Some(300)));
        assert_eq!(args.kinds, [FaultKind::Panic, FaultKind::Hang]);
        assert_eq!(args.stores.map(|stores| stores.to_string()).as_deref(), Some("2-3"));
        assert!(parse(" --plan p.toml").is_ok());
    }

    #[test]
    fn a_wrong_role_or_duration_is_refused() {
        for line in ["tillstream run --roles cook", "tillstream run --duration soon", "tillstream run --secrets none"] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err());
        }
    }
}
