//! The roles that a process can play and which combinations can work.
//! Does not start anything; `startup` asks here what to spawn.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One job of the system; a process plays one or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes sales over HTTP, checks them and publishes them.
    Validation,
    /// Folds published sales into windows.
    Aggregation,
    /// Keeps turnover rows and the ledger.
    Reporting,
    /// Simulates tills.
    Pos,
}

impl Role {
    /// All of them, in the order of the data.
    pub const ALL: [Self; 4] = [Self::Validation, Self::Aggregation, Self::Reporting, Self::Pos];

    /// Its name on the command line and in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Aggregation => "aggregation",
            Self::Reporting => "reporting",
            Self::Pos => "pos",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of roles that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

/// Why a text is no set of roles, or why a set cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoles {
    /// A name that is not a role.
    #[error("`{0}` is not a role; the roles are validation, aggregation, reporting and pos")]
    Unknown(String),
    /// No role at all.
    #[error("no role is named; the roles are validation, aggregation, reporting and pos")]
    Empty,
    /// The embedded broker lives inside one process.
    #[error(
        "roles `{0}` cannot run on the embedded broker: it lives inside one process, so validation, aggregation and \
         reporting must share it; run `--roles validation,aggregation,reporting` here and, if tills are to be \
         simulated elsewhere, `--roles pos` there"
    )]
    SplitOnEmbedded(String),
}

impl Roles {
    /// Every role in one process.
    pub fn all() -> Self {
        Self(Role::ALL.into())
    }

    /// Whether this process plays the role.
    pub fn plays(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Whether this process opens the broker's directory.
    pub fn use_broker(&self) -> bool {
        self.plays(Role::Validation) || self.plays(Role::Aggregation) || self.plays(Role::Reporting)
    }

    /// The roles, in the order of the data.
    pub fn iter(&self) -> impl Iterator<Item = Role> + '_ {
        self.0.iter().copied()
    }

    /// Refuses a split of the three roles that share the embedded broker.
    ///
    /// # Errors
    /// Says which combinations work.
    pub fn check_for_embedded_broker(&self) -> Result<(), InvalidRoles> {
        let sharing = [Role::Validation, Role::Aggregation, Role::Reporting];
        let played = sharing.iter().filter(|role| self.plays(**role)).count();
        if played == 0 || played == sharing.len() {
            Ok(())
        } else {
            Err(InvalidRoles::SplitOnEmbedded(self.to_string()))
        }
    }
}

impl Default for Roles {
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Role::name).collect();
        f.write_str(&names.join(","))
    }
}

impl FromStr for Roles {
    type Err = InvalidRoles;

    fn from_str(text: &str) -> Result<Self, InvalidRoles> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let roles = names.map(parse_role).collect::<Result<BTreeSet<_>, _>>()?;
        if roles.is_empty() { Err(InvalidRoles::Empty) } else { Ok(Self(roles)) }
    }
}

fn parse_role(name: &str) -> Result<Role, InvalidRoles> {
    let known = Role::ALL.into_iter().find(|role| role.name() == name);
    known.ok_or_else(|| InvalidRoles::Unknown(name.to_owned()))
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    /// A list in a file, a comma separated text in the environment.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            List(Vec<String>),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::List(names) => names.join(","),
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_in_any_order_and_printed_in_the_order_of_the_data() {
        let roles: Roles = "pos, validation".parse().unwrap();
        assert_eq!(roles.to_string(), "validation,pos");
    }

    #[test]
    fn an_unknown_role_is_named_together_with_the_known_ones() {
        let error = "validation,cashier".parse::<Roles>().unwrap_err();
        assert!(error.to_string().contains("`cashier`") && error.to_string().contains("reporting"));
    }

    #[test]
    fn the_three_roles_on_the_embedded_broker_cannot_be_split() {
        let fits = |text: &str| text.parse::<Roles>().unwrap().check_for_embedded_broker().is_ok();
        assert!(fits("validation,aggregation,reporting"));
        assert!(fits("validation,aggregation,reporting,pos"));
        assert!(fits("pos"));
        assert!(!fits("validation"));
        assert!(!fits("aggregation,pos"));
        assert!(!fits("validation,reporting"));
    }
}
