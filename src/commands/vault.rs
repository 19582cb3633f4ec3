//! `tillstream vault`: makes a Vault or OpenBao server ready and looks after it, a line per step.
//! Prints what was done and never a secret.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use tillstream_vault_setup::{
    Administration, Condition, Delivery, Keys, Kv, Lifetimes, Operator, Outcome, Progress, ServerAddress, SetUp,
    SetUpError, State, status as look_at, write_certificate,
};

use super::{password, print};
use crate::cli::{
    DeliveryArgs, LOCAL_CA, LoginArgs, PrepareArgs, RenewArgs, RotateArgs, ServerArgs, SetUpArgs, StatusArgs,
    VaultCommand,
};
use crate::shutdown::StopSignals;

/// The server is set up from where it runs.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Does what is asked.
pub async fn vault(command: &VaultCommand) -> anyhow::Result<ExitCode> {
    match command {
        VaultCommand::Prepare(args) => prepare(args),
        VaultCommand::SetUp(args) => set_up(args).await,
        VaultCommand::Renew(args) => renew(args).await,
        VaultCommand::Rotate(args) => rotate(args).await,
        VaultCommand::Status(args) => status(args).await,
    }
}

fn prepare(args: &PrepareArgs) -> anyhow::Result<ExitCode> {
    let names = [LOCAL_NAMES.map(str::to_owned).to_vec(), args.names.clone()].concat();
    let certificate = write_certificate(&args.directory.join("tls"), &names)?;
    let raft = args.directory.join("raft");
    std::fs::create_dir_all(&raft).with_context(|| format!("make `{}`", raft.display()))?;
    print::line(&format!("{:<9} certificate `{}`", word(is_done(certificate.is_new)), certificate.server.display()));
    if let Some(copy) = &args.authority {
        let is_new = certificate.publish(copy)?;
        print::line(&format!("{:<9} its authority in `{}`", word(is_done(is_new)), copy.display()));
    }
    print::line(&format!("clients trust it by `{}`", certificate.authority.display()));
    Ok(ExitCode::SUCCESS)
}

// === set-up ===

async fn set_up(args: &SetUpArgs) -> anyhow::Result<ExitCode> {
    if args.keep {
        return keep(args).await;
    }
    wanted(args)?.run(&mut tell).await?;
    let (keys, approles) = (args.keys.display(), args.server.approles.display());
    print::line(&format!(
        "the server is ready; logins are in `{approles}`, unseal keys in `{keys}`: keep those where the server is not"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Until a signal; what is as it was is not told every hour, and the same trouble only once.
async fn keep(args: &SetUpArgs) -> anyhow::Result<ExitCode> {
    let set_up = wanted(args)?;
    let mut signals = StopSignals::listen()?;
    let mut last = String::new();
    let mut trouble = |error: &SetUpError| {
        let text = format!("{error:#}");
        if text != last {
            print::error_line(&format!("waiting: {text}"));
        }
        last = text;
    };
    let mut changes = tell_changes;
    let signal = set_up.keep(&mut changes, &mut trouble, signals.next()).await;
    print::line(&format!("{signal} received, stopping"));
    Ok(ExitCode::SUCCESS)
}

fn tell_changes(progress: &Progress) -> ControlFlow<()> {
    match progress {
        Progress::Step { outcome: Outcome::WasThere, .. } => ControlFlow::Continue(()),
        _ => tell(progress),
    }
}

fn wanted(args: &SetUpArgs) -> anyhow::Result<SetUp> {
    let (shares, threshold) = (args.key_shares, args.key_threshold);
    let fits = threshold <= shares && (shares == 1) == (threshold == 1);
    ensure!(fits, "--key-threshold must be from 2 to --key-shares, or both must be 1");
    Ok(SetUp {
        server: server(&args.server),
        keys: Keys::new(&args.keys),
        shares,
        threshold,
        administration: administration(args.token_file.as_deref())?,
        audit_file: (!args.without_audit).then(|| args.audit_file.clone()),
        new_mount: if args.kv_version == 1 { Kv::One } else { Kv::Two },
        approles: args.server.approles.clone(),
        lifetimes: lifetimes(&args.logins),
        delivery: delivery(&args.delivery),
        authority_for: args.pki.then(|| args.pki_domain.clone()),
    })
}

fn administration(token_file: Option<&Path>) -> anyhow::Result<Administration> {
    let token = token_file.map(password::read).transpose()?;
    Ok(token.map_or(Administration::UnsealKeys, |token| Administration::Token(token.into())))
}

fn tell(progress: &Progress) -> ControlFlow<()> {
    match progress {
        Progress::Found(state) => print::line(&format!("{:<9} {}", "found", in_words(*state))),
        Progress::Step { subject, outcome } => print::line(&format!("{:<9} {subject}", word(*outcome))),
    }
    ControlFlow::Continue(())
}

fn in_words(state: State) -> String {
    match state {
        State::Uninitialised => "a server that is not initialised".to_owned(),
        State::Sealed => "a server that is sealed".to_owned(),
        State::Unconfigured => "nothing of this system".to_owned(),
        State::HalfConfigured { there, of } => format!("{there} of {of} pieces"),
        State::Configured => "everything as it is to be".to_owned(),
    }
}

const fn is_done(is_new: bool) -> Outcome {
    if is_new { Outcome::Done } else { Outcome::WasThere }
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::WasThere => "was there",
    }
}

// === an operator's day ===

async fn renew(args: &RenewArgs) -> anyhow::Result<ExitCode> {
    let operator = Operator::log_in(&server(&args.server), &args.server.approles).await?;
    let renewed = operator.renew(&args.server.approles, delivery(&args.delivery)).await;
    operator.log_out().await?;
    for (role, is_new) in renewed? {
        print::line(&format!("{:<9} login of `{role}`", word(is_done(is_new))));
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(args: &RotateArgs) -> anyhow::Result<ExitCode> {
    let operator = Operator::log_in(&server(&args.server), &args.server.approles).await?;
    let rotated = operator.rotate(&args.path).await;
    operator.log_out().await?;
    let rotated = rotated?;
    let version = rotated.version.map_or("a new password".to_owned(), |version| format!("version {version}"));
    print::line(&format!("`{}`: {version} is written", rotated.path));
    print::line(
        "services use it within `secrets.refresh`, or at once after POST /api/v1/secrets/refresh; the old password holds on for `secrets.overlap`",
    );
    Ok(ExitCode::SUCCESS)
}

async fn status(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let found = look_at(&server(&args.server), &args.server.approles).await?;
    print::line(&format!("server    {}", found.condition.name()));
    let mut is_well = found.condition == Condition::Active;
    match found.roles {
        Ok(roles) => {
            for role in roles {
                is_well &= role.is_valid;
                let until =
                    role.until.map_or(String::new(), |end| format!(" until {}", end.format("%Y-%m-%d %H:%M UTC")));
                let state = if role.is_valid { format!("holds{until}") } else { "does not hold".to_owned() };
                print::line(&format!("login     {:<20} {state}", role.role));
            }
        }
        Err(error) => {
            is_well = false;
            print::line(&format!("logins    {error}"));
        }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

// === options ===

fn server(args: &ServerArgs) -> ServerAddress {
    let local = || Some(LOCAL_CA.into()).filter(|file: &std::path::PathBuf| file.is_file());
    ServerAddress { url: args.address.clone(), ca_cert: args.ca_cert.clone().or_else(local) }
}

const fn lifetimes(args: &LoginArgs) -> Lifetimes {
    Lifetimes { secret_id: args.secret_id_ttl, token: args.token_ttl, token_max: args.token_max_ttl }
}

fn delivery(args: &DeliveryArgs) -> Delivery {
    args.wrapped.map_or(Delivery::Plain, Delivery::Wrapped)
}
