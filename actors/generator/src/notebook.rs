//! The tills' notebook: which sales are rung up and not settled, and the account of those that are.
//! Outlives the generator actor, as a till's journal outlives its screen: a sale that was in flight when the actor was killed
//! may have been taken, and only sending the same body again tells. It decides nothing; the actor writes and reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::account::GeneratorAccount;
use crate::client::Posted;
use crate::sales::TillSale;

/// Shared by the incarnations of one generator, which never run at the same time.
#[derive(Debug, Clone, Default)]
pub struct Notebook {
    pages: Arc<Mutex<Pages>>,
}

#[derive(Debug, Default)]
struct Pages {
    account: GeneratorAccount,
    outstanding: BTreeMap<Uuid, TillSale>,
}

impl Notebook {
    /// A sale is rung up; from now on it is outstanding. Written before it is sent for the first time.
    pub(crate) fn ring_up(&self, sale: &TillSale) {
        let mut pages = self.pages();
        pages.account.rung_up += 1;
        pages.outstanding.insert(sale.id, sale.clone());
    }

    /// The service's word on an outstanding sale. Counted once, whoever brings it.
    pub(crate) fn settle(&self, id: Uuid, posted: Posted) {
        let mut pages = self.pages();
        pages.account.retries += u64::from(posted.attempts.saturating_sub(1));
        let Some(sale) = pages.outstanding.remove(&id) else { return };
        if posted.is_accepted() {
            pages.account.accept(&sale);
        } else {
            *pages.account.refused.entry(posted.status).or_default() += 1;
        }
    }

    /// The service's word on a repetition; it changes no sum.
    pub(crate) fn repeated(&self, posted: Posted) {
        let mut pages = self.pages();
        pages.account.retries += u64::from(posted.attempts.saturating_sub(1));
        pages.account.repetitions += u64::from(posted.is_accepted());
    }

    /// Sales whose fate is not known.
    pub(crate) fn outstanding(&self) -> Vec<TillSale> {
        self.pages().outstanding.values().cloned().collect()
    }

    /// The account as it stands.
    pub fn account(&self) -> GeneratorAccount {
        let pages = self.pages();
        let outstanding = pages.outstanding.len() as u64;
        GeneratorAccount { outstanding, ..pages.account.clone() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
