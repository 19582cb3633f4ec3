//! What the answer to a publication means for the outbox.
//! Does not retry and does not log.

use tillstream_messages::{AggregateRefused, PublishError};
use tillstream_supervision::AskError;

/// What became of a publication.
pub(super) enum Verdict {
    /// The broker has it.
    Published,
    /// Nobody knows; try again.
    Unavailable(String),
    /// A validator refuses it; an operator has to look.
    Invalid(String),
}

/// What a port says of a publication.
pub(super) type Asked<E> = Result<Result<(), E>, AskError>;

pub(super) fn aggregate_verdict(answer: Asked<AggregateRefused>) -> Verdict {
    match answer {
        Ok(Ok(())) => Verdict::Published,
        Ok(Err(refused @ AggregateRefused::Invalid(_))) => Verdict::Invalid(refused.to_string()),
        Ok(Err(refused)) => Verdict::Unavailable(refused.to_string()),
        Err(error) => Verdict::Unavailable(error.to_string()),
    }
}

/// Why a message was not published, in a word that spans may use.
pub(super) fn message_failure(answer: &Asked<PublishError>) -> Option<&'static str> {
    match answer {
        Ok(answer) => answer.as_ref().err().map(PublishError::kind),
        Err(_) => Some("unanswered"),
    }
}

pub(super) fn message_verdict(answer: Asked<PublishError>) -> Verdict {
    match answer {
        Ok(Ok(())) => Verdict::Published,
        Ok(Err(refused)) => Verdict::Unavailable(refused.to_string()),
        Err(error) => Verdict::Unavailable(error.to_string()),
    }
}
