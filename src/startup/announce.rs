//! What a person who starts the process sees on standard output: where it listens and what to try.
//! Never shows a password; it names the file that holds them.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use tillstream_secrets::Source;

use crate::roles::{Role, Roles};

/// Where the passwords are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords<'a> {
    /// In a file on this machine.
    File(&'a Path),
    /// On a server with this address.
    Server(&'a str),
}

impl<'a> Passwords<'a> {
    /// As the settings say.
    pub fn of(source: Source, file: &'a Path, server: &'a str) -> Self {
        if source == Source::Local { Self::File(file) } else { Self::Server(server) }
    }
}

impl fmt::Display for Passwords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Server(address) => write!(f, "vault at {address}"),
        }
    }
}

/// The announcement, ending in a new line.
pub fn announcement(base: &str, smf: Option<SocketAddr>, roles: &Roles, passwords: Passwords<'_>) -> String {
    let mut text = format!("listening on {base}\n");
    let mut line = |title: &str, value: &str| writeln!(text, "  {title:<13}{value}").expect("a text takes a line");
    line("roles", &roles.to_string());
    if roles.plays(Role::Validation) {
        line("sales", &format!("POST {base}/api/v1/pos/validate_transaction"));
        line("try it", &format!("{base}/api/v1/pos/docs"));
    }
    if roles.plays(Role::Reporting) {
        line("live page", &format!("{base}/"));
        line("turnover", &format!("{base}/api/v1/pos/turnover"));
        line("ledger", &format!("{base}/api/v1/ledger"));
    }
    if let Some(smf) = smf {
        line("smf", &format!("tcp://{smf}"));
    }
    line("actors", &format!("{base}/api/v1/actors"));
    line("health", &format!("{base}/api/v1/health"));
    line("metrics", &format!("{base}/metrics"));
    line("passwords", &passwords.to_string());
    if let (Passwords::File(secrets_file), true) = (passwords, roles.plays(Role::Reporting)) {
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
            "http://127.0.0.1:4711",
            Some(([127, 0, 0, 1], 4712).into()),
            &Roles::all(),
            Passwords::File(Path::new("data/secrets.toml")),
        );
        assert_eq!(text.lines().next(), Some("listening on http://127.0.0.1:4711"));
        assert!(text.contains("data/secrets.toml") && text.contains("tcp://127.0.0.1:4712"));
    }

    #[test]
    fn a_process_names_only_what_it_serves() {
        let text = announcement("https://127.0.0.1:1", None, &"pos".parse().unwrap(), Passwords::File(Path::new("s")));
        assert!(text.contains("https://127.0.0.1:1/metrics") && !text.contains("turnover"));
        assert!(!text.contains("smf") && !text.contains("validate_transaction"));
    }

    #[test]
    fn a_process_whose_passwords_are_on_a_server_names_no_file() {
        let passwords = Passwords::of(Source::Vault, Path::new("secrets.toml"), "https://vault:8200");
        let text = announcement("http://127.0.0.1:1", None, &Roles::all(), passwords);
        assert!(text.contains("vault at https://vault:8200") && !text.contains("secrets.toml"), "{text}");
    }
}
