//! TLS of the HTTP port: the server's certificate, who may connect, and both exchanged while connections go on.
//! Knows neither HTTP nor where an authority is; it asks one through a port.

mod clients;
mod door;
mod error;
mod files;
mod itself;
mod keeper;
mod keyring;
mod metrics;
mod pace;
mod pair;
mod peer;
mod provider;
mod settings;
mod signature;
mod source;
mod times;
mod trouble;

#[cfg(test)]
mod testing;

pub use error::TlsError;
pub use keeper::{KeeperPorts, TlsKeeper};
pub use keyring::Keyring;
pub use pair::ServerPair;
pub use peer::PeerCertificate;
pub use settings::{CertificateSource, InvalidTls, Mode, PkiSettings, TlsSettings};
pub use source::TlsSource;
