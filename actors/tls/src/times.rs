//! Points in time of certificates as the rest of the service has them.
//! Judges none of them.

use chrono::{DateTime, Utc};
use x509_parser::time::ASN1Time;

/// A certificate's time; one beyond what a date can say is the last that can.
pub fn date_of(time: ASN1Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.timestamp(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
