//! Section `[solace]` in a version without a client library: read past, because the same file may serve a version with it.
//! Does not check keys; the version that uses them does.

use serde::{Deserialize, Serialize};

/// Whatever section `[solace]` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadSolaceSettings {}
