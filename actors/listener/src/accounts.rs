//! Who may log in, and what each may publish, consume and subscribe to.
//! Does not read secrets; whoever does hands over the whole list of users when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use tillstream_logins::{CredentialBook, Credentials, Holder};
use tokio::sync::watch;
use tracing::warn;

use crate::topics::matches;

/// The users; clones share one book, so that a changed secret is known to the next login.
#[derive(Clone, Default)]
pub struct Accounts(Arc<Inner>);

#[derive(Default)]
struct Inner {
    book: ArcSwap<CredentialBook<Arc<Rights>>>,
    /// How often the book was changed; written after it.
    generation: AtomicU64,
    changed: watch::Sender<()>,
    is_closed: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
}

/// One user.
#[derive(Debug, Clone)]
pub struct Account {
    /// What it proves itself by.
    pub password: SecretString,
    /// What it may do.
    pub rights: Rights,
}

/// What a user may do. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// Topics that it may publish to, as subscriptions. A wildcard in the first level does not reach names that begin with
    /// `#`: who may write to a queue by its name needs `#P2P/QUE/…` here.
    pub publish: Vec<String>,
    /// Queues that it may consume from.
    pub consume: Consume,
    /// Topics that it may subscribe to, as subscriptions.
    pub subscribe: Vec<String>,
}

/// Which queues a user may consume from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consume {
    /// Every one.
    All,
    /// These.
    Queues(BTreeSet<String>),
}

// === impl Accounts ===

impl Accounts {
    /// Takes over changed users; a password that was changed is refused at once.
    pub fn replace(&self, accounts: BTreeMap<String, Account>) {
        self.rotate(accounts, Duration::ZERO);
    }

    /// Takes over changed users; a password that was changed holds beside the new one for the overlap. Whoever is logged in
    /// stays, unless its user is gone or has other rights now: then its connection ends, and a next login gets the new ones.
    pub fn rotate(&self, accounts: BTreeMap<String, Account>, overlap: Duration) {
        let fresh = accounts.into_iter().filter_map(|(user, account)| holder(&user, account));
        let now = tokio::time::Instant::now().into_std();
        self.0.book.store(Arc::new(self.0.book.load().succeeded_by(fresh, now, overlap)));
        self.0.generation.fetch_add(1, Ordering::Release);
        self.0.changed.send_replace(());
    }

    /// Lets nobody log in while this is so. The first call holds.
    pub fn fail_closed_when(&self, is_closed: impl Fn() -> bool + Send + Sync + 'static) {
        if self.0.is_closed.set(Box::new(is_closed)).is_err() {
            warn!("smf users were told a second time when to let nobody in, the first time holds");
        }
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.0.is_closed.get().is_some_and(|is_closed| is_closed())
    }

    /// The rights of the user whose credentials these are. An unknown user costs the same comparisons as a wrong password.
    pub(crate) fn admit(&self, given: &Credentials, now: Instant) -> Option<Arc<Rights>> {
        self.0.book.load().find(given, now).map(|holder| Arc::clone(&holder.what))
    }

    /// Whether there is such a user.
    pub(crate) fn knows(&self, user: &str) -> bool {
        self.0.book.load().knows(user.as_bytes())
    }

    /// The user's name as a log may have it: only of who exists.
    pub(crate) fn shown(&self, user: &str) -> String {
        self.0.book.load().shown(user).into_owned()
    }

    /// Whether a login of this user would still get these rights.
    pub(crate) fn still_has(&self, user: &str, rights: &Rights) -> bool {
        self.0.book.load().holders().any(|holder| &*holder.name == user && *holder.what == *rights)
    }

    /// Which book is in use. Whoever reads it before the book learns of every change of what was read there.
    pub(crate) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Says when the book was changed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }
}

fn holder(user: &str, account: Account) -> Option<Holder<Arc<Rights>>> {
    // A name is its user: there is nothing else to know it by when it changes.
    let holder = Holder::new(user, user, account.password.expose_secret(), Arc::new(account.rights));
    if holder.is_none() {
        warn!(user.name = user, "broker user `{user}` cannot log in: name or password is empty or too long");
    }
    holder
}

// === impl Rights ===

impl Rights {
    /// Whether a message may go to this topic.
    pub(crate) fn may_publish(&self, topic: &str) -> bool {
        self.publish.iter().any(|pattern| matches(pattern, topic))
    }

    /// Whether messages of this queue may be taken.
    pub(crate) fn may_consume(&self, queue: &str) -> bool {
        match &self.consume {
            Consume::All => true,
            Consume::Queues(queues) => queues.contains(queue),
        }
    }

    /// Whether everything that a subscription stands for is granted: read as a topic, it must match a granted one.
    pub(crate) fn may_subscribe(&self, subscription: &str) -> bool {
        self.subscribe.iter().any(|granted| matches(granted, subscription))
    }
}

// === impl Consume ===

impl Default for Consume {
    fn default() -> Self {
        Self::Queues(BTreeSet::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, password: &str, rights: Rights) -> BTreeMap<String, Account> {
        BTreeMap::from([(name.to_owned(), Account { password: password.into(), rights })])
    }

    fn book(name: &str, password: &str) -> Accounts {
        let accounts = Accounts::default();
        accounts.replace(user(name, password, Rights::default()));
        accounts
    }

    fn admits(accounts: &Accounts, name: &str, password: &str, now: Instant) -> bool {
        accounts.admit(&Credentials::new(name, password).unwrap(), now).is_some()
    }

    #[test]
    fn only_the_right_password_of_a_known_user_is_admitted() {
        let (accounts, now) = (book("till", "secret"), Instant::now());
        assert!(admits(&accounts, "till", "secret", now));
        for (user, password) in [("till", "secres"), ("till", "secret "), ("till", ""), ("nobody", "secret"), ("", "")]
        {
            assert!(!admits(&accounts, user, password, now), "{user} {password}");
        }
        assert!(!admits(&book("till", ""), "till", "", now));
    }

    #[test]
    fn a_log_has_the_names_of_users_only() {
        let accounts = book("till", "secret");
        assert_eq!(accounts.shown("till"), "till");
        for name in ["secret", "a password of another door"] {
            let shown = accounts.shown(name);
            assert!(shown.starts_with("unknown#") && !shown.contains(name), "{shown}");
        }
    }

    #[test]
    fn a_changed_password_holds_for_the_next_login_and_the_old_one_for_the_overlap() {
        let accounts = book("till", "old");
        let (clone, now) = (accounts.clone(), Instant::now());
        accounts.rotate(user("till", "new", Rights::default()), Duration::from_secs(60));
        assert!(admits(&clone, "till", "new", now) && admits(&clone, "till", "old", now));
        assert!(!admits(&clone, "till", "old", now + Duration::from_secs(61)));
        accounts.replace(user("till", "newer", Rights::default()));
        assert!(!admits(&clone, "till", "new", now));
    }

    #[test]
    fn a_user_keeps_its_session_until_it_is_gone_or_has_other_rights() {
        let accounts = book("till", "old");
        let before = accounts.generation();
        accounts.replace(user("till", "new", Rights::default()));
        assert!(accounts.generation() > before && accounts.still_has("till", &Rights::default()));
        accounts.replace(user("till", "new", Rights { consume: Consume::All, ..Rights::default() }));
        assert!(!accounts.still_has("till", &Rights::default()));
        accounts.replace(BTreeMap::new());
        assert!(!accounts.still_has("till", &Rights { consume: Consume::All, ..Rights::default() }));
    }

    #[test]
    fn a_subscription_is_granted_only_as_a_whole() {
        let rights = Rights { subscribe: vec!["a/>".to_owned(), "b/*/c".to_owned()], ..Rights::default() };
        for granted in ["a/x", "a/>", "a/*/y", "b/x/c", "b/*/c", "b/x*/c"] {
            assert!(rights.may_subscribe(granted), "{granted}");
        }
        for refused in [">", "*/x", "a", "b/>", "b/x/*", "b/*/*"] {
            assert!(!rights.may_subscribe(refused), "{refused}");
        }
    }

    #[test]
    fn a_wildcard_does_not_open_queues_that_are_addressed_by_name() {
        let rights = Rights { publish: vec![">".to_owned()], ..Rights::default() };
        assert!(rights.may_publish("a/b"));
        assert!(!rights.may_publish("#P2P/QUE/q"));
    }
}
