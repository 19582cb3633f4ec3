//! Tells again what is not settled: to a router or an outbox all of it, to windows the sales of their stores.
//! Keeps nothing of its own and yields to nobody: an answer is complete when the next delivery is looked at.

use ahash::AHashMap;
use tillstream_domain::StoreId;

use super::Intake;
use crate::messages::{Request, SalesDelivered, Scope, ToldAgain, ToldSale};
use crate::metrics;
use crate::steps::Steps;

/// Sales per message, so that a window answers in between.
pub(super) const CHUNK: usize = 1_000;

impl Intake {
    /// All stores together, because a look at every unsettled sale costs the same for one of them and for all. In one go,
    /// because whoever waits for an answer drops everything else: what is delivered meanwhile would have to be part of it.
    pub(super) fn answer_requests(&mut self) {
        let mut requests = std::mem::take(&mut self.requests);
        // A router that waits for this drops everything else.
        if let Some(number) = requests.remove(&Scope::All) {
            let request = Request { scope: Scope::All, number };
            let told = self.tell_all_again(request, Steps::default());
            self.answered(request, told);
        }
        self.tell_stores_again(requests);
    }

    fn tell_stores_again(&self, requests: AHashMap<Scope, u64>) {
        if requests.is_empty() {
            return;
        }
        let mut answers: AHashMap<StoreId, Answer> = requests.into_iter().filter_map(Answer::of_store).collect();
        for told in self.unsettled.told() {
            if let Some(answer) = answers.get_mut(&told.sale.store) {
                answer.sales.push(told);
                if answer.sales.len() == CHUNK {
                    self.tell_part(answer);
                }
            }
        }
        for mut answer in answers.into_values() {
            self.tell_part(&mut answer);
            self.answered(answer.request, answer.told);
        }
    }

    fn tell_part(&self, answer: &mut Answer) {
        let sales = std::mem::take(&mut answer.sales);
        answer.told += sales.len() as u64;
        if !sales.is_empty() {
            let again = Some(answer.request);
            let (steps, progress) = (Steps::default(), self.progress.current());
            self.push_sales(SalesDelivered { sales, steps, progress, again });
        }
    }

    fn answered(&self, request: Request, told: u64) {
        metrics::REPLAYED.inc_by(told);
        let _ = self.ports.told_again.push(ToldAgain(request));
    }

    /// `steps` are those of sales that are told for the first time.
    pub(super) fn tell_all_again(&self, request: Request, steps: Steps) -> u64 {
        let told = self.tell_chunks(Some(request), self.unsettled.told(), steps);
        for (tag, message) in self.unsettled.poison() {
            self.reject(message.clone(), tag, None);
        }
        self.order_to_forget(self.unsettled.spare());
        told
    }

    /// Returns how many there were.
    pub(super) fn tell_chunks(
        &self,
        again: Option<Request>,
        sales: impl Iterator<Item = ToldSale>,
        mut steps: Steps,
    ) -> u64 {
        let mut told = 0;
        let mut sales = sales.peekable();
        while sales.peek().is_some() {
            let chunk: Vec<_> = sales.by_ref().take(CHUNK).collect();
            told += chunk.len() as u64;
            let (steps, progress) = (steps.split_off(&chunk), self.progress.current());
            self.push_sales(SalesDelivered { sales: chunk, steps, progress, again });
        }
        told
    }
}

/// What one store has asked for.
struct Answer {
    request: Request,
    /// Not told yet.
    sales: Vec<ToldSale>,
    told: u64,
}

impl Answer {
    fn of_store((scope, number): (Scope, u64)) -> Option<(StoreId, Self)> {
        let Scope::Store(store) = scope else { return None };
        Some((store, Self { request: Request { scope, number }, sales: Vec::new(), told: 0 }))
    }
}
