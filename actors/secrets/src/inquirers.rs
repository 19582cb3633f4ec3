//! Whoever asked for a reading and waits for what it finds.
//! Does not read; the actor that does takes them along when a reading begins and answers them when it ends.

use actix::ResponseFuture;
use tillstream_messages::{RefreshError, SecretsRefreshed};
use tokio::sync::oneshot;

/// What a reading found.
type Found = Result<SecretsRefreshed, RefreshError>;

/// Who waits for a reading that begins from now on.
#[derive(Default)]
pub struct Inquirers(Vec<oneshot::Sender<Found>>);

// === impl Inquirers ===

impl Inquirers {
    /// One more; its answer comes with the reading that takes it along.
    pub fn join(&mut self) -> ResponseFuture<Found> {
        let (asked, answer) = oneshot::channel();
        self.0.push(asked);
        let ended = || RefreshError("the secrets actor was restarted while it read: ask again".to_owned());
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(ended())) })
    }

    /// Those who wait now; whoever comes later waits for the next reading.
    pub fn leave(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Whoever has gone away does not want to know any more.
    pub fn answer(self, found: &Found) {
        self.0.into_iter().for_each(|asked| drop(asked.send(found.clone())));
    }
}
