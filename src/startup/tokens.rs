//! Bearer tokens: the book that HTTP asks and the keeper that reads the issuer's keys into it.
//! Starts nothing where no issuer is named; a till with a password never waits for an issuer.

use anyhow::{Context, bail};
use tillstream_supervision::{ActorSpec, Place, Port, Supervisor};
use tillstream_tokens::{KeyKeeper, KeySource, TokenBook, TokenSettings};

use super::Shared;

/// The book for these settings, with its keeper below `root`.
///
/// # Errors
/// Keys may not come from where the settings say.
pub fn spawn(settings: &TokenSettings, shared: &Shared, root: &Supervisor, place: &Place) -> anyhow::Result<TokenBook> {
    let (keeper, slot) = Port::deferred();
    let book = TokenBook::new(settings, shared.clock.clone(), keeper);
    if !book.is_on() {
        return Ok(book);
    }
    let source = KeySource::new(settings).context("find the token issuer's keys")?;
    let parts = (settings.clone(), source, book.clone(), shared.board.clone());
    let factory = move || {
        let (settings, source, book, board) = parts.clone();
        KeyKeeper::new(settings, source, book, board)
    };
    let spawned = root.spawn(ActorSpec::new("tokens", "tokens"), place, factory)?;
    slot.bind(spawned.port());
    Ok(book)
}

/// What a start would find at the issuer, for a person; `None` where no issuer is named.
///
/// # Errors
/// Says who does not answer, or what is wrong with the answer.
pub async fn peek(settings: &TokenSettings) -> anyhow::Result<Option<String>> {
    if settings.issuer.is_none() {
        return Ok(None);
    }
    let keys = KeySource::new(settings)?.fetch().await?;
    if keys.is_empty() {
        bail!(
            "the issuer publishes no key that fits `tokens.algorithms`, {} others: allow one of theirs",
            keys.unused()
        );
    }
    Ok(Some(format!("{} can be used, {} cannot", keys.len(), keys.unused())))
}
