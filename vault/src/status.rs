//! How the server and the logins are, as far as an operator may know.
//! Changes nothing.

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::approles::{RoleFiles, Validity};
use crate::client::{Client, ServerAddress};
use crate::error::SetUpError;
use crate::operator::Operator;
use crate::server::{self, Condition};

/// What is known.
#[derive(Debug)]
pub struct Status {
    /// The server's state.
    pub condition: Condition,
    /// The logins, or why they cannot be looked at.
    pub roles: Result<Vec<RoleStatus>, SetUpError>,
}

/// The login of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleStatus {
    /// Which role.
    pub role: &'static str,
    /// Whether its secret id holds now.
    pub is_valid: bool,
    /// Until when, if it ends.
    pub until: Option<DateTime<Utc>>,
}

/// Looks at everything.
///
/// # Errors
/// The server does not answer.
pub async fn status(server: &ServerAddress, approles: &Path) -> Result<Status, SetUpError> {
    let condition = server::condition(&Client::new(server)?).await?;
    let roles = match condition {
        Condition::Active => roles(server, approles).await,
        _ => Ok(Vec::new()),
    };
    Ok(Status { condition, roles })
}

async fn roles(server: &ServerAddress, approles: &Path) -> Result<Vec<RoleStatus>, SetUpError> {
    let operator = Operator::log_in(server, approles).await?;
    let mut roles = Vec::new();
    for files in RoleFiles::all(approles) {
        let validity = files.validity(operator.client()).await?;
        let until = match validity {
            Validity::Until(end, _) => Some(end),
            Validity::Endless | Validity::Invalid => None,
        };
        roles.push(RoleStatus { role: files.role(), is_valid: validity != Validity::Invalid, until });
    }
    operator.log_out().await?;
    Ok(roles)
}
