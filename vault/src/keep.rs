//! A server that is kept open: set up, looked at every few seconds, and set up again whenever it was found otherwise.
//! Never gives up and never ends by itself; whoever runs it has the unseal keys at hand all the time, which is the price.

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

/// Hears why an attempt failed; the next one follows.
pub type Trouble<'a> = dyn FnMut(&SetUpError) + 'a;

impl SetUp {
    /// Sets the server up, and again whenever it is found sealed or empty and once an hour, for the logins.
    pub async fn keep(&self, watch: &mut Watch<'_>, trouble: &mut Trouble<'_>) -> std::convert::Infallible {
        let mut due = Instant::now();
        loop {
            match self.look(Instant::now() >= due, watch).await {
                Ok(true) => due = Instant::now() + RENEW_EVERY,
                Ok(false) => {}
                // Whatever was done until then, the rest is due.
                Err(error) => {
                    trouble(&error);
                    due = Instant::now();
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether it was set up now.
    async fn look(&self, is_due: bool, watch: &mut Watch<'_>) -> Result<bool, SetUpError> {
        let is_open = server::condition(&Client::new(&self.server)?).await? == Condition::Active;
        if is_open && !is_due {
            return Ok(false);
        }
        self.run(watch).await.map(|()| true)
    }
}
