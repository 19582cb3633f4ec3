//! The set-up as a machine of states: whatever it finds, it goes on from there to `Configured`.
//! Prints nothing; a watcher hears of every step, and may stop it as a kill would.

use std::ops::ControlFlow;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::administrator;
use crate::approles::{Delivery, Lifetimes};
use crate::client::{Client, ServerAddress};
use crate::error::SetUpError;
use crate::keys::Keys;
use crate::kv::Kv;
use crate::server::{self, Condition, Shares};
use crate::steps::{self, Step};

/// How the server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has no storage yet.
    Uninitialised,
    /// It has, and nobody has opened it.
    Sealed,
    /// It is open and knows nothing of this system.
    Unconfigured,
    /// It has so many of so many pieces.
    HalfConfigured {
        /// What is there.
        there: usize,
        /// What is to be there.
        of: usize,
    },
    /// It has all.
    Configured,
}

/// Who may change the configuration.
#[derive(Debug, Clone)]
pub enum Administration {
    /// Whoever has the unseal keys: a token is made for this run and revoked at its end.
    UnsealKeys,
    /// Whoever has this token, which is left as it is.
    Token(SecretString),
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made now.
    Done,
    /// Nothing had to be done.
    WasThere,
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The server was found like this.
    Found(State),
    /// A step is over.
    Step {
        /// What it was about.
        subject: String,
        /// What became of it.
        outcome: Outcome,
    },
}

/// Hears of every step; says whether to go on.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct SetUp {
    /// Where it is.
    pub server: ServerAddress,
    /// Where unseal keys are kept.
    pub keys: Keys,
    /// How many unseal keys a first run makes.
    pub shares: u8,
    /// How many of them open the server.
    pub threshold: u8,
    /// Who makes the configuration.
    pub administration: Administration,
    /// Where the server writes who did what, if it has no audit device yet; `None` lets it be without.
    pub audit_file: Option<String>,
    /// The version of the mount `kv` where there is none yet.
    pub new_mount: Kv,
    /// A directory per role with the files for its login.
    pub approles: PathBuf,
    /// How long logins hold.
    pub lifetimes: Lifetimes,
    /// How secret ids reach their owners.
    pub delivery: Delivery,
    /// The domains for which the server issues certificates; `None` for no authority.
    pub authority_for: Option<Vec<String>>,
}

/// An administrator for one run.
struct Administrator {
    client: Client,
    /// Ours is revoked; a given one is not.
    is_ours: bool,
}

// === impl SetUp ===

impl SetUp {
    /// Brings the server from any state to `Configured`. Doing it again changes nothing.
    ///
    /// # Errors
    /// Says what is in the way; whatever was done until then stays, and the next run goes on from there.
    pub async fn run(&self, watch: &mut Watch<'_>) -> Result<(), SetUpError> {
        let client = Client::new(&self.server)?;
        let _lock = self.keys.lock().await?;
        let first_token = self.open(&client, watch).await?;
        let administrator = self.administrator(&client, first_token).await?;
        let outcome = self.configure(&administrator.client, watch).await;
        // A stop stands for a kill, which would not clean up either.
        if matches!(outcome, Err(SetUpError::Stopped)) || !administrator.is_ours {
            return outcome;
        }
        let revoked = revoke(&administrator.client).await;
        outcome.and(revoked)?;
        step(watch, "administrator's token revoked", Outcome::Done)
    }

    /// From any state to an open server; the answer is the root token of an initialisation that happened now.
    async fn open(&self, client: &Client, watch: &mut Watch<'_>) -> Result<Option<SecretString>, SetUpError> {
        let found = server::condition_soon(client).await?;
        let mut first_token = None;
        if found == Condition::Uninitialised {
            tell(watch, &Progress::Found(State::Uninitialised))?;
            let shares = Shares { shares: self.shares, threshold: self.threshold };
            first_token = Some(server::initialise(client, shares, &self.keys).await?);
        }
        step(watch, "initialised", if first_token.is_some() { Outcome::Done } else { Outcome::WasThere })?;
        if found == Condition::Sealed {
            tell(watch, &Progress::Found(State::Sealed))?;
        }
        let is_sealed = server::condition(client).await? == Condition::Sealed;
        if is_sealed {
            server::unseal(client, &self.keys).await?;
        }
        step(watch, "unsealed", if is_sealed { Outcome::Done } else { Outcome::WasThere })?;
        server::becomes_active(client).await?;
        Ok(first_token)
    }

    async fn administrator(&self, client: &Client, first: Option<SecretString>) -> Result<Administrator, SetUpError> {
        let (token, is_ours) = match (first, &self.administration) {
            (Some(first), _) => (first, true),
            (None, Administration::UnsealKeys) => (administrator::from_keys(client, &self.keys).await?, true),
            (None, Administration::Token(given)) => (given.clone(), false),
        };
        Ok(Administrator { client: client.with_token(token), is_ours })
    }

    /// Makes what is not there.
    async fn configure(&self, administrator: &Client, watch: &mut Watch<'_>) -> Result<(), SetUpError> {
        let steps = steps::all(self);
        tell(watch, &Progress::Found(self.survey(administrator, &steps).await?))?;
        for piece in steps {
            let is_there = piece.is_there(administrator, self).await?;
            if !is_there {
                piece.make(administrator, self).await?;
            }
            step(watch, &piece.subject(), if is_there { Outcome::WasThere } else { Outcome::Done })?;
        }
        Ok(())
    }

    /// The audit device is the server's own: it says nothing about this system.
    async fn survey(&self, administrator: &Client, steps: &[Step]) -> Result<State, SetUpError> {
        let (mut there, mut of) = (0, 0);
        for piece in steps.iter().filter(|piece| !matches!(piece, Step::Audit { .. })) {
            of += 1;
            there += usize::from(piece.is_there(administrator, self).await?);
        }
        Ok(match there {
            0 => State::Unconfigured,
            all if all == of => State::Configured,
            _ => State::HalfConfigured { there, of },
        })
    }
}

/// Revokes the token of this run and those of killed ones.
async fn revoke(administrator: &Client) -> Result<(), SetUpError> {
    let leftovers = administrator::revoke_leftovers(administrator).await;
    administrator::revoke_self(administrator).await?;
    leftovers.map(drop)
}

fn step(watch: &mut Watch<'_>, subject: &str, outcome: Outcome) -> Result<(), SetUpError> {
    tell(watch, &Progress::Step { subject: subject.to_owned(), outcome })
}

fn tell(watch: &mut Watch<'_>, progress: &Progress) -> Result<(), SetUpError> {
    match watch(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(SetUpError::Stopped),
    }
}
