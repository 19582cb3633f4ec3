//! The cryptography that everything here uses.
//! Is chosen at compile time and not by whoever was first in the process.

use std::sync::{Arc, LazyLock};

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

/// Older ones are broken.
pub const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];

/// The one provider.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}
