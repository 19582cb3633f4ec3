//! Who may log in, and what each may publish, consume and subscribe to.
//! Does not read secrets; whoever does replaces the whole book when they change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arc_swap::ArcSwap;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use crate::topics::matches;

/// Longest password that is compared; a longer one is wrong.
const MAX_PASSWORD: usize = 256;
// `ct_eq` compares words of eight bytes and must not leave out a rest.
const _: () = assert!(MAX_PASSWORD.is_multiple_of(8));

/// The users; clones share one book, so that a changed secret is known to the next login.
#[derive(Clone, Default)]
pub struct Accounts(Arc<ArcSwap<BTreeMap<String, Entry>>>);

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

struct Entry {
    password: SecretString,
    rights: Arc<Rights>,
}

/// A password in a frame of fixed size, so that comparing two takes the same time whatever differs.
struct Padded {
    bytes: [u8; MAX_PASSWORD],
    length: u64,
}

// === impl Accounts ===

impl Accounts {
    /// Takes over changed users. Whoever is logged in keeps the rights of its login.
    pub fn replace(&self, accounts: BTreeMap<String, Account>) {
        let entry = |account: Account| Entry { password: account.password, rights: Arc::new(account.rights) };
        self.0.store(Arc::new(accounts.into_iter().map(|(user, account)| (user, entry(account))).collect()));
    }

    /// The rights of a user who knows the password. An unknown user costs the same comparison as a wrong password.
    pub(crate) fn admit(&self, user: &str, password: &str) -> Option<Arc<Rights>> {
        let book = self.0.load();
        let entry = book.get(user);
        let expected = Padded::of(entry.map_or("", |entry| entry.password.expose_secret()));
        let same = expected.is(&Padded::of(password)) & Choice::from(u8::from(entry.is_some()));
        entry.filter(|_| same.into()).map(|entry| Arc::clone(&entry.rights))
    }
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

// === impl Padded ===

impl Padded {
    fn of(password: &str) -> Self {
        let mut bytes = [0; MAX_PASSWORD];
        let fits = password.len().min(MAX_PASSWORD);
        bytes[..fits].copy_from_slice(&password.as_bytes()[..fits]);
        Self { bytes, length: password.len() as u64 }
    }

    fn is(&self, other: &Self) -> Choice {
        // An empty password is one that nobody has set.
        let possible = self.length > 0 && self.length <= MAX_PASSWORD as u64;
        self.bytes.ct_eq(&other.bytes) & self.length.ct_eq(&other.length) & Choice::from(u8::from(possible))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(user: &str, password: &str) -> Accounts {
        let accounts = Accounts::default();
        let account = Account { password: password.into(), rights: Rights::default() };
        accounts.replace(BTreeMap::from([(user.to_owned(), account)]));
        accounts
    }

    #[test]
    fn only_the_right_password_of_a_known_user_is_admitted() {
        let accounts = book("till", "secret");
        assert!(accounts.admit("till", "secret").is_some());
        for (user, password) in [("till", "secres"), ("till", "secret "), ("till", ""), ("nobody", "secret"), ("", "")]
        {
            assert!(accounts.admit(user, password).is_none(), "{user} {password}");
        }
    }

    #[test]
    fn an_empty_or_endless_password_admits_nobody() {
        assert!(book("till", "").admit("till", "").is_none());
        let endless = "x".repeat(MAX_PASSWORD + 1);
        assert!(book("till", &endless).admit("till", &endless).is_none());
        assert!(book("till", &endless).admit("till", &endless[1..]).is_none());
        assert!(book("till", &endless[1..]).admit("till", &endless[1..]).is_some());
    }

    #[test]
    fn a_replaced_book_holds_for_the_next_login() {
        let accounts = book("till", "old");
        let clone = accounts.clone();
        let account = Account { password: "new".into(), rights: Rights::default() };
        accounts.replace(BTreeMap::from([("till".to_owned(), account)]));
        assert!(clone.admit("till", "old").is_none());
        assert!(clone.admit("till", "new").is_some());
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
