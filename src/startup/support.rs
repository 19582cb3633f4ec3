//! What this build cannot do, said at start instead of done differently in silence.
//! Does not start anything.

use tillstream_secrets::Source;
use tillstream_session::Backend;
use tillstream_tls::CertificateSource;

use crate::roles::{InvalidRoles, Role};
use crate::settings::Settings;

/// A setting that this build cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// Built without the vendor's library.
    #[error(
        "`--broker solace` is not built in: fetch the client library with `make solclient`, build with `--features \
         solace`, or run with `--broker embedded`"
    )]
    SolaceNotBuiltIn,
    /// The listener serves the broker of this process, and there is none.
    #[error(
        "`smf.listen` serves the embedded broker, which does not run here: remove it, or run with `--broker embedded`"
    )]
    SmfWithoutBroker,
    /// Windows that nobody would publish.
    #[error(
        "role `aggregation` without role `validation` needs to know who publishes its windows: set \
         `window.validation_url`, such as http://validation:8080"
    )]
    WindowsWithoutValidation,
    /// A certificate that nobody issues.
    #[error("`tls.source = \"pki\"` needs the server that issues it: run with `--secrets vault`, or name files")]
    PkiWithoutVault,
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
    let (roles, is_solace) = (&settings.roles, settings.broker.backend == Backend::Solace);
    if is_solace && !cfg!(feature = "solace") {
        return Err(Unsupported::SolaceNotBuiltIn);
    }
    let is_issued = settings.tls.is_on() && settings.tls.source == CertificateSource::Pki;
    if is_issued && settings.secrets.source != Source::Vault {
        return Err(Unsupported::PkiWithoutVault);
    }
    if settings.smf.listen.is_some() && (is_solace || !roles.use_broker()) {
        return Err(Unsupported::SmfWithoutBroker);
    }
    if !is_solace {
        roles.check_for_embedded_broker()?;
    }
    let hands_over = roles.plays(Role::Aggregation) && !roles.plays(Role::Validation);
    if hands_over && settings.window.validation_url.is_none() {
        return Err(Unsupported::WindowsWithoutValidation);
    }
    if !roles.use_broker() && settings.pos.url.is_none() {
        return Err(Unsupported::PosWithoutUrl);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tillstream_tls::Mode;

    use super::*;

    fn check_for_test(change: impl FnOnce(&mut Settings)) -> Result<(), Unsupported> {
        let mut settings = Settings::default();
        change(&mut settings);
        check(&settings)
    }

    #[test]
    fn what_is_not_built_in_is_refused_and_not_replaced() {
        assert_eq!(check_for_test(|_| {}), Ok(()));
        let solace = check_for_test(|s| s.broker.backend = Backend::Solace);
        assert_eq!(solace.is_ok(), cfg!(feature = "solace"), "{solace:?}");
    }

    #[test]
    fn a_certificate_that_is_issued_needs_somebody_who_issues_it() {
        let with = |source| {
            check_for_test(|settings| {
                (settings.tls.mode, settings.tls.source) = (Mode::On, CertificateSource::Pki);
                settings.secrets.source = source;
            })
        };
        assert_eq!(with(Source::Local), Err(Unsupported::PkiWithoutVault));
        assert_eq!(with(Source::Vault), Ok(()));
    }

    #[test]
    fn a_split_of_the_embedded_broker_is_refused_with_advice() {
        let error = check_for_test(|s| s.roles = "validation,reporting".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("--roles validation,aggregation,reporting"));
    }

    #[test]
    fn a_listener_without_a_broker_behind_it_is_refused() {
        let with = |roles: &str| {
            check_for_test(|settings| {
                settings.smf.listen = Some(([127, 0, 0, 1], 55555).into());
                settings.roles = roles.parse().unwrap();
            })
        };
        assert_eq!(with("validation,aggregation,reporting"), Ok(()));
        assert_eq!(with("pos"), Err(Unsupported::SmfWithoutBroker));
    }

    #[cfg(feature = "solace")]
    #[test]
    fn roles_can_be_split_on_solace_if_windows_know_who_publishes_them() {
        let split = |roles: &str, url: Option<&str>| {
            check_for_test(|settings| {
                settings.broker.backend = Backend::Solace;
                settings.roles = roles.parse().unwrap();
                settings.window.validation_url = url.map(str::to_owned);
            })
        };
        for roles in ["validation", "reporting", "validation,aggregation", "validation,reporting"] {
            assert_eq!(split(roles, None), Ok(()), "{roles}");
        }
        for roles in ["aggregation", "aggregation,reporting"] {
            assert_eq!(split(roles, None), Err(Unsupported::WindowsWithoutValidation), "{roles}");
            assert_eq!(split(roles, Some("http://validation:8080")), Ok(()), "{roles}");
        }
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
