use std::collections::{BTreeMap, BTreeSet};

use tillstream_domain::SecretReader;

use super::*;

/// Path to what may be done there.
type Grants = BTreeMap<String, BTreeSet<String>>;

const SELF: [(&str, &str); 3] =
    [("auth/token/lookup-self", "read"), ("auth/token/renew-self", "update"), ("auth/token/revoke-self", "update")];

fn text_of(name: &str) -> &'static str {
    POLICIES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no policy {name}")).1
}

/// Reads `path "…" { capabilities = ["…"] }`, and nothing else.
fn grants_of(text: &str) -> Grants {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let mut grants = Grants::new();
    for block in code.split("path ").skip(1) {
        let words: Vec<&str> = block.split('"').collect();
        let (path, between) = (words[1], words[2].split_whitespace().collect::<String>());
        assert_eq!(between, "{capabilities=[", "{path}");
        let capabilities = words[3..].iter().step_by(2).map(|word| (*word).to_owned()).collect();
        assert!(grants.insert(path.to_owned(), capabilities).is_none(), "{path} stands there twice");
    }
    grants
}

/// What the matrix says, in both versions of KV.
fn expected(reader: SecretReader) -> Grants {
    let mut grants: Vec<(String, &str)> = SELF.iter().map(|(path, may)| ((*path).to_owned(), *may)).collect();
    for path in reader.reads() {
        let Some(above) = path.strip_suffix("/*") else {
            grants.extend([(format!("kv/{path}"), "read"), (format!("kv/data/{path}"), "read")]);
            continue;
        };
        grants.extend([(format!("kv/{above}/+"), "read"), (format!("kv/data/{above}/+"), "read")]);
        grants.extend([(format!("kv/{above}/"), "list"), (format!("kv/metadata/{above}/"), "list")]);
    }
    grants.into_iter().map(|(path, may)| (path, [may.to_owned()].into())).collect()
}

#[test]
fn every_readers_policy_grants_what_the_role_matrix_says_and_nothing_else() {
    for reader in SecretReader::ALL {
        assert_eq!(grants_of(text_of(reader.name())), expected(reader), "{}", reader.name());
    }
}

#[test]
fn an_operator_writes_secrets_and_issues_secret_ids_and_touches_neither_policies_nor_roles() {
    let grants = grants_of(text_of("operator"));
    let roles: BTreeSet<&str> = SecretReader::ALL.map(SecretReader::name).into_iter().chain(["operator"]).collect();
    let mut issued = BTreeSet::new();
    for path in grants.keys() {
        let own = path.starts_with("kv/") || SELF.iter().any(|(known, _)| known == path);
        let Some(rest) = path.strip_prefix("auth/approle/role/").filter(|_| !own) else {
            assert!(own, "{path}");
            continue;
        };
        let (role, what) = rest.split_once('/').unwrap();
        assert!(["role-id", "secret-id", "secret-id/lookup", "secret-id/destroy"].contains(&what), "{path}");
        issued.insert(role);
    }
    assert_eq!(issued, roles);
}

#[test]
fn every_policy_file_is_one_of_the_policies() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: BTreeSet<String> = POLICIES.iter().map(|(name, _)| format!("{name}.hcl")).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), names);
}
