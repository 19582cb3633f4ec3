//! What this build cannot do, said at start instead of done differently in silence.
//! Does not start anything.

use tillstream_secrets::Source;
use tillstream_session::Backend;

use crate::roles::InvalidRoles;
use crate::settings::Settings;

/// A setting that this build cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Only the embedded broker is built in.
    #[error("`--broker solace` is not built into this version: run with `--broker embedded`")]
    SolaceBroker,
    /// Only local secrets are built in.
    #[error("`--secrets vault` is not built into this version: run with `--secrets local`")]
    VaultSecrets,
    /// Roles that cannot work together here.
    #[error(transparent)]
    Roles(#[from] InvalidRoles),
    /// Tills without a service.
    #[error("role `pos` alone needs the service's address: set `pos.url`, such as http://127.0.0.1:8080")]
    PosWithoutUrl,
}

/// Refuses what cannot be done.
///
/// # Errors
/// Says what to set instead.
pub fn check(settings: &Settings) -> Result<(), Unsupported> {
    if settings.broker.backend == Backend::Solace {
        return Err(Unsupported::SolaceBroker);
    }
    if settings.secrets.source == Source::Vault {
        return Err(Unsupported::VaultSecrets);
    }
    settings.roles.check_for_embedded_broker()?;
    if !settings.roles.use_broker() && settings.pos.url.is_none() {
        return Err(Unsupported::PosWithoutUrl);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_for_test(change: impl FnOnce(&mut Settings)) -> Result<(), Unsupported> {
        let mut settings = Settings::default();
        change(&mut settings);
        check(&settings)
    }

    #[test]
    fn what_is_not_built_in_is_refused_and_not_replaced() {
        assert_eq!(check_for_test(|_| {}), Ok(()));
        assert_eq!(check_for_test(|s| s.broker.backend = Backend::Solace), Err(Unsupported::SolaceBroker));
        assert_eq!(check_for_test(|s| s.secrets.source = Source::Vault), Err(Unsupported::VaultSecrets));
    }

    #[test]
    fn a_split_of_the_embedded_broker_is_refused_with_advice() {
        let error = check_for_test(|s| s.roles = "validation,reporting".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("--roles validation,aggregation,reporting"));
    }

    #[test]
    fn tills_alone_need_to_know_where_the_service_is() {
        let alone = |url: Option<&str>| {
            check_for_test(|settings| {
                settings.roles = "pos".parse().unwrap();
                settings.pos.url = url.map(str::to_owned);
            })
        };
        assert_eq!(alone(None), Err(Unsupported::PosWithoutUrl));
        assert_eq!(alone(Some("http://127.0.0.1:8080")), Ok(()));
    }
}
