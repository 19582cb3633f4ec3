//! What a person who starts the process sees on standard output: where it listens and what to try.
//! Never shows a password; it names the file that holds them.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use crate::roles::{Role, Roles};

/// The announcement, ending in a new line.
pub fn announcement(address: SocketAddr, smf: Option<SocketAddr>, roles: &Roles, secrets_file: &Path) -> String {
    let base = format!("http://{address}");
    let mut text = format!("listening on {base}\n");
    let mut line = |title: &str, value: &str| writeln!(text, "  {title:<13}{value}").expect("a text takes a line");
    line("roles", &roles.to_string());
    if roles.plays(Role::Validation) {
        line("sales", &format!("POST {base}/api/v1/pos/validate_transaction"));
        line("try it", &format!("{base}/api/v1/pos/docs"));
    }
    if roles.plays(Role::Reporting) {
        line("turnover", &format!("{base}/api/v1/pos/turnover"));
        line("ledger", &format!("{base}/api/v1/ledger"));
    }
    if let Some(smf) = smf {
        line("smf", &format!("tcp://{smf}"));
    }
    line("actors", &format!("{base}/api/v1/actors"));
    line("health", &format!("{base}/api/v1/health"));
    line("metrics", &format!("{base}/metrics"));
    line("passwords", &secrets_file.display().to_string());
    if roles.plays(Role::Reporting) {
        line(
            "example",
            &format!("curl -u \"admin:$({})\" '{base}/api/v1/pos/turnover?limit=10'", password_of_admin(secrets_file)),
        );
    }
    text
}

/// Reads the admin's password out of the file when the example is run, so that it stands on no screen.
fn password_of_admin(secrets_file: &Path) -> String {
    let file = secrets_file.display();
    format!("sed -n '/creds\\/admin\"/,/^\\[/s/^password = \"\\(.*\\)\"/\\1/p' {file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_bound_port() {
        let text = announcement(
            ([127, 0, 0, 1], 4711).into(),
            Some(([127, 0, 0, 1], 4712).into()),
            &Roles::all(),
            Path::new("data/secrets.toml"),
        );
        assert_eq!(text.lines().next(), Some("listening on http://127.0.0.1:4711"));
        assert!(text.contains("data/secrets.toml") && text.contains("tcp://127.0.0.1:4712"));
    }

    #[test]
    fn a_process_names_only_what_it_serves() {
        let text = announcement(([127, 0, 0, 1], 1).into(), None, &"pos".parse().unwrap(), Path::new("s"));
        assert!(!text.contains("turnover") && !text.contains("smf") && !text.contains("validate_transaction"));
    }
}
