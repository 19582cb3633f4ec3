//! The role matrix, row by row, against the policies of a real server: who reads which path, and that nobody writes.
//! The matrix itself is `SecretReader` of the domain.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use tillstream_domain::SecretReader;
use tillstream_secrets::tree_paths;
use tillstream_vault_setup::Kv;

use crate::bench::{Bench, run};

/// Paths that are no part of the tree: further users, and what lies deeper or beside.
const OTHERS: [&str; 7] = [
    "validation-service/creds/somebody",
    "validation-service/creds/somebody/deeper",
    "message-broker/creds/somebody",
    "message-broker/creds/somebody/deeper",
    "message-broker/config/somebody",
    "vault-service/creds/token",
    "elsewhere",
];

const FOLDERS: [&str; 6] = [
    "",
    "message-broker",
    "message-broker/config",
    "message-broker/creds",
    "validation-service",
    "validation-service/creds",
];

/// Where things stand in one version of the mount.
struct Places {
    data: &'static str,
    list: &'static str,
    body: fn(&str) -> serde_json::Value,
}

const TWO: Places =
    Places { data: "kv/data", list: "kv/metadata", body: |text| json!({ "data": { "password": text } }) };
const ONE: Places = Places { data: "kv", list: "kv", body: |text| json!({ "password": text }) };

#[tokio::test]
async fn every_reader_reads_exactly_its_paths_and_writes_none_in_version_2() {
    row_by_row(Kv::Two, &TWO).await;
}

#[tokio::test]
async fn every_reader_reads_exactly_its_paths_and_writes_none_in_version_1() {
    row_by_row(Kv::One, &ONE).await;
}

async fn row_by_row(version: Kv, places: &Places) {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.new_mount = version;
    run(&set_up).await.unwrap();
    bench.looks().await;
    for path in OTHERS {
        let (status, answer) = bench.bao.post(&format!("{}/{path}", places.data), (places.body)("x")).await;
        assert!(status < 300, "{path}: {answer}");
    }
    for reader in SecretReader::ALL {
        let token = bench.log_in(reader.name()).await;
        let may = async |method: Method, path: &str, body| bench.bao.call_as(&token, method, path, body).await.0;
        for path in tree_paths().chain(OTHERS) {
            let place = format!("{}/{path}", places.data);
            let expected = if reader.may_read(path) { 200 } else { 403 };
            assert_eq!(may(Method::GET, &place, None).await, expected, "{} reads {path}", reader.name());
            for (method, body) in [(Method::POST, Some((places.body)("mine"))), (Method::DELETE, None)] {
                assert_eq!(may(method, &place, body).await, 403, "{} writes {path}", reader.name());
            }
        }
        for folder in FOLDERS {
            let expected = if reader.reads().contains(&format!("{folder}/*").as_str()) { 200 } else { 403 };
            let place = format!("{}/{folder}?list=true", places.list);
            assert_eq!(may(Method::GET, &place, None).await, expected, "{} lists {folder}", reader.name());
        }
    }
}

/// What no role of this system may do, however it logs in.
const FORBIDDEN: [(&str, &str); 16] = [
    ("GET", "sys/mounts"),
    ("POST", "sys/mounts/mine"),
    ("GET", "sys/policies/acl/operator"),
    ("PUT", "sys/policies/acl/operator"),
    ("PUT", "sys/policies/acl/mine"),
    ("POST", "sys/auth/mine"),
    ("GET", "auth/approle/role/operator"),
    ("POST", "auth/approle/role/operator"),
    ("POST", "auth/approle/role/mine"),
    ("POST", "auth/approle/role/administrator/secret-id"),
    ("POST", "auth/token/create"),
    ("GET", "auth/token/accessors?list=true"),
    ("PUT", "sys/seal"),
    ("POST", "identity/entity"),
    ("POST", "cubbyhole/mine"),
    ("POST", "kv/config"),
];

#[tokio::test]
async fn nobody_reaches_beyond_the_secrets_and_only_the_operator_issues_secret_ids() {
    let bench = Bench::configured().await;
    bench.looks().await;
    bench.bao.post("auth/approle/role/administrator", json!({ "token_policies": ["operator"] })).await;
    let everybody: BTreeSet<&str> = SecretReader::ALL.map(SecretReader::name).into_iter().chain(["operator"]).collect();
    for role in everybody {
        let token = bench.log_in(role).await;
        for (method, path) in FORBIDDEN {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let body = (method != Method::GET).then(|| json!({ "policy": "", "type": "kv", "a": "b" }));
            assert_eq!(bench.bao.call_as(&token, method, path, body).await.0, 403, "{role} {path}");
        }
        let issued = bench.bao.call_as(&token, Method::POST, "auth/approle/role/tillstream/secret-id", Some(json!({})));
        assert_eq!(issued.await.0, if role == "operator" { 200 } else { 403 }, "{role}");
    }
}

#[tokio::test]
async fn who_serves_https_gets_a_certificate_for_its_domains_and_nobody_else_does() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    set_up.authority_for = Some(vec!["shop.example".to_owned()]);
    run(&set_up).await.unwrap();
    let ask = async |role: &str, name: &str| {
        let token = bench.log_in(role).await;
        let order = json!({ "common_name": name, "ip_sans": "127.0.0.1", "ttl": "60s" });
        bench.bao.call_as(&token, Method::POST, "pki/issue/tillstream", Some(order)).await.0
    };

    for role in ["tillstream", "validation-service", "aggregation-service", "reporting-service", "pos-service"] {
        assert_eq!(ask(role, "tills.shop.example").await, 200, "{role}");
    }
    assert_eq!(ask("tillstream", "localhost").await, 200);
    assert_eq!(ask("tillstream", "bank.example").await, 400);
    for role in ["message-broker", "otel-collector", "operator"] {
        assert_eq!(ask(role, "tills.shop.example").await, 403, "{role}");
    }
    assert_eq!(ask("tillstream", "*.shop.example").await, 400);

    // Certificates in use are renewed for the domains of an earlier run.
    for domains in [vec![], vec!["bank.example".to_owned()]] {
        set_up.authority_for = Some(domains);
        run(&set_up).await.unwrap();
        assert_eq!(ask("tillstream", "tills.shop.example").await, 200);
    }
    assert_eq!(ask("tillstream", "bank.example").await, 200);
}
