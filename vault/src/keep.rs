//! A server that is kept open: set up, looked at every few seconds, and set up again whenever it was found otherwise.
//! Never gives up; whoever runs it has the unseal keys at hand all the time, which is the price.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::error::SetUpError;
use crate::server::{self, Condition};
use crate::set_up::{SetUp, Watch};

/// A restarted server is open again this soon.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Logins are looked at this often; they are renewed when half of their life is over.
const RENEW_EVERY: Duration = Duration::from_secs(60 * 60);

/// Between two runs that fail on a server that answers: each makes and revokes a token.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a look came to.
enum Looked {
    /// There was nothing to do.
    Well,
    /// It was set up now.
    SetUp,
    /// It answers and could not be set up.
    Failed(SetUpError),
}

/// Hears why an attempt failed; the next one follows.
pub type Trouble<'a> = dyn FnMut(&SetUpError) + 'a;

impl SetUp {
    /// Sets the server up, and again whenever it is found sealed or empty and once an hour, for the logins; until `stop`. A run that
    /// has begun ends first: between the server's first words and the keys on disk there is a moment in which nobody else has them.
    pub async fn keep<T>(&self, watch: &mut Watch<'_>, trouble: &mut Trouble<'_>, stop: impl Future<Output = T>) -> T {
        let mut stop = pin!(stop);
        let (mut due, mut pause) = (Instant::now(), LOOK_EVERY);
        loop {
            match self.look(Instant::now() >= due, watch).await {
                Ok(Looked::SetUp) => (due, pause) = (Instant::now() + RENEW_EVERY, LOOK_EVERY),
                Ok(Looked::Well) => pause = LOOK_EVERY,
                // Whatever was done until then, the rest is due.
                Ok(Looked::Failed(error)) => {
                    trouble(&error);
                    (due, pause) = (Instant::now(), (pause * 2).min(LONGEST_PAUSE));
                }
                Err(error) => {
                    trouble(&error);
                    (due, pause) = (Instant::now(), LOOK_EVERY);
                }
            }
            tokio::select! {
                () = sleep(pause) => {}
                stopped = &mut stop => return stopped,
            }
        }
    }

    /// An error where the server does not even answer.
    async fn look(&self, is_due: bool, watch: &mut Watch<'_>) -> Result<Looked, SetUpError> {
        let is_open = server::condition(&Client::new(&self.server)?).await? == Condition::Active;
        if is_open && !is_due {
            return Ok(Looked::Well);
        }
        Ok(self.run(watch).await.map_or_else(Looked::Failed, |()| Looked::SetUp))
    }
}
