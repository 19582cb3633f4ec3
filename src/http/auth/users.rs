//! The users of HTTP, as the secret tree has them, and the actor that keeps the two in step.
//! Knows how long an old password holds beside the new one; keeps no password but those that hold.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler};
use arc_swap::{ArcSwap, Guard};
use tillstream_domain::UserRole;
use tillstream_logins::{CredentialBook, Holder};
use tillstream_messages::{SecretTree, SecretsChanged};
use tillstream_supervision::{SupervisedContext, supervised};
use tracing::{info, warn};

use super::{Gate, now};

/// Below this path the secret tree holds one entry per HTTP user.
const CREDENTIALS_PATH: &str = "validation-service/creds/";
// What a reader of secrets takes for a user can log in.
const _: () = assert!(tillstream_secrets::MAX_LOGIN == tillstream_logins::MAX_CREDENTIALS);
/// How often the audit log is asked whether it still owes a count.
const AUDIT_EVERY: Duration = Duration::from_secs(1);

/// The users as every request sees them; clones share one book that a change of secrets swaps whole.
#[derive(Clone, Default)]
pub struct Users(Arc<ArcSwap<CredentialBook<UserRole>>>);

// === impl Users ===

impl Users {
    /// The users of a secret tree.
    pub fn from_tree(tree: &SecretTree) -> Self {
        let users = Self::default();
        users.replace(tree, Duration::ZERO);
        users
    }

    /// Takes over the users of a changed tree; a password that was changed holds for the overlap.
    pub fn replace(&self, tree: &SecretTree, overlap: Duration) {
        let paths = tree.entries.keys().filter(|path| path.starts_with(CREDENTIALS_PATH));
        let fresh: Vec<_> = paths.filter_map(|path| read_user(tree, path)).collect();
        self.0.store(Arc::new(self.0.load().succeeded_by(fresh, now(), overlap)));
    }

    pub(super) fn book(&self) -> Guard<Arc<CredentialBook<UserRole>>> {
        self.0.load()
    }
}

fn read_user(tree: &SecretTree, path: &str) -> Option<Holder<UserRole>> {
    let key = |name| tree.expose(path, name);
    let (Some(name), Some(password), Some(role)) =
        (key("username"), key("password"), key("role").and_then(UserRole::parse))
    else {
        warn!(secret.path = path, "secret `{path}` is no HTTP user: it needs username, password and a known role");
        return None;
    };
    // A name ends at the first colon of what is sent.
    let user = Holder::new(path, name, password, role).filter(|user| !user.name.contains(':'));
    if user.is_none() {
        warn!(
            secret.path = path,
            "secret `{path}` is no HTTP user: username or password is empty or too long, or the username has a colon"
        );
    }
    user
}

/// Keeps the users in step with the secrets, and the audit log up to date.
pub struct UserBook {
    /// Shared with the HTTP workers.
    gate: Gate,
    overlap: Duration,
}

// === impl UserBook ===

impl UserBook {
    /// A book that writes into the users of this gate; old passwords hold for the overlap.
    pub const fn new(gate: Gate, overlap: Duration) -> Self {
        Self { gate, overlap }
    }
}

supervised!(UserBook);

impl Actor for UserBook {
    type Context = SupervisedContext<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(AUDIT_EVERY, |book, _| book.gate.audit.flush(now()));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.gate.audit.count_rest();
    }
}

impl Handler<SecretsChanged> for UserBook {
    type Result = ();

    fn handle(&mut self, fact: SecretsChanged, _: &mut Self::Context) {
        self.gate.users.replace(&fact.tree, self.overlap);
        let users = fact.changed.iter().filter(|path| path.starts_with(CREDENTIALS_PATH)).count();
        if users > 0 {
            info!(users.changed = users, "users changed");
        }
    }
}
