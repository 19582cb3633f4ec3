//! What terraform/ makes on a Solace broker is what the code has: topics, who may publish and consume what, queues and their settings.
//! Asks the real Terraform, so that neither side can drift; what the providers do with it is tested in terraform/.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tillstream_broker::{QueueSpec, WhenFull};
use tillstream_domain::{BrokerUser, TopicKind, Topics};
use tillstream_embedded::{EmbeddedBrokerSettings, embedded_queues};

/// Names and their settings, on one of the two sides.
type Side = BTreeMap<String, Value>;

#[test]
fn terraform_makes_what_the_code_has() {
    agree("sale/pos/transaction", 10);
}

#[test]
fn terraform_makes_what_the_code_has_below_another_prefix_and_for_another_number_of_stores() {
    agree("shop:7/v1.2/x_y-z", 12);
}

#[test]
fn whatever_one_side_lacks_or_has_otherwise_is_named() {
    let code = side(&[("both", json!({ "ttl": 1, "quota": 2 })), ("ours", json!({}))]);
    let terraform = side(&[("both", json!({ "ttl": 3, "quota": 2 })), ("theirs", json!({}))]);
    let found = differences("queue", &code, &terraform);
    let expected = [
        "queue both, ttl: the code has 1, terraform/ has 3",
        "queue ours: the code has it, terraform/ does not",
        "queue theirs: terraform/ has it, the code does not",
    ];
    assert_eq!(found, expected);
    assert!(differences("queue", &code, &code).is_empty());
}

fn agree(prefix: &str, stores: u32) {
    let told = terraform(prefix, stores);
    let topics = Topics::new(prefix.parse().unwrap(), true);
    let mut found = differences("topic", &topics_of_the_code(&topics), &outputs(&told, "topics"));
    found.extend(differences("user", &users_of_the_code(&topics, stores), &users(&told)));
    found.extend(differences("queue", &queues_of_the_code(prefix, stores), &queues(&told)));
    assert!(found.is_empty(), "terraform/modules/names and the code differ:\n  {}", found.join("\n  "));
}

fn topics_of_the_code(topics: &Topics) -> Side {
    let kinds = [
        ("receipt", TopicKind::Receipt),
        ("failed", TopicKind::Failed),
        ("aggregation", TopicKind::Aggregation),
        ("late", TopicKind::Late),
        ("rejected", TopicKind::Rejected),
    ];
    kinds.into_iter().map(|(name, kind)| (name.to_owned(), json!(topics.all(kind)))).collect()
}

fn users_of_the_code(topics: &Topics, stores: u32) -> Side {
    let entry = |user: BrokerUser| {
        let credentials = user.credentials_path().strip_prefix("message-broker/creds/").unwrap();
        let rights = json!({
            "credentials": credentials,
            "publishes": sorted(user.publish_patterns(topics)),
            "subscribes": sorted(user.subscribe_patterns(topics)),
            "consumes": sorted(user.consumes(stores)),
        });
        (user.name().to_owned(), rights)
    };
    BrokerUser::ALL.into_iter().map(entry).collect()
}

fn queues_of_the_code(prefix: &str, stores: u32) -> Side {
    let owner = |queue: &QueueSpec| {
        let mut owners = BrokerUser::ALL.into_iter().filter(|user| user.consumes(stores).contains(&queue.name));
        owners.next().map(BrokerUser::name)
    };
    let entry = |queue: QueueSpec| {
        let settings = json!({
            "owner": owner(&queue),
            "subscriptions": sorted(queue.subscriptions.clone()),
            "reject_to_sender": if queue.when_full == WhenFull::RefusePublisher { "always" } else { "never" },
            "max_redelivery": queue.max_redelivery.unwrap_or(0),
            "ttl_seconds": queue.ttl.map_or(0, |ttl| ttl.as_secs()),
            "quota_mb": queue.quota_bytes >> 20,
            "dead_message_queue": queue.dead_message_queue.clone().unwrap_or_default(),
        });
        (queue.name, settings)
    };
    embedded_queues(prefix, stores, &EmbeddedBrokerSettings::default()).into_iter().map(entry).collect()
}

/// As the code describes them: a profile's name is known on Solace only.
fn users(told: &Value) -> Side {
    let mut users = outputs(told, "users");
    for rights in users.values_mut() {
        rights.as_object_mut().unwrap().remove("profile");
        for list in ["publishes", "subscribes", "consumes"] {
            rights[list] = sorted(texts(&rights[list]));
        }
    }
    users
}

/// As the code describes them: what a flow may hold is a setting of the service for the embedded broker.
fn queues(told: &Value) -> Side {
    let mut queues = outputs(told, "queues");
    for settings in queues.values_mut() {
        settings.as_object_mut().unwrap().remove("max_unacked");
        settings["subscriptions"] = sorted(texts(&settings["subscriptions"]));
    }
    queues
}

fn differences(kind: &str, code: &Side, terraform: &Side) -> Vec<String> {
    let names: BTreeSet<&String> = code.keys().chain(terraform.keys()).collect();
    let about = |name: &&String| match (code.get(*name), terraform.get(*name)) {
        (Some(ours), Some(theirs)) => unequal(&format!("{kind} {name}"), ours, theirs),
        (Some(_), None) => vec![format!("{kind} {name}: the code has it, terraform/ does not")],
        _ => vec![format!("{kind} {name}: terraform/ has it, the code does not")],
    };
    names.iter().flat_map(about).collect()
}

fn unequal(what: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    if let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) {
        let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let at = |of: &serde_json::Map<String, Value>, key: &str| of.get(key).cloned().unwrap_or(Value::Null);
        let deeper = |key: &&String| unequal(&format!("{what}, {key}"), &at(ours, key), &at(theirs, key));
        return keys.iter().flat_map(deeper).collect();
    }
    if ours == theirs { Vec::new() } else { vec![format!("{what}: the code has {ours}, terraform/ has {theirs}")] }
}

fn side(entries: &[(&str, Value)]) -> Side {
    entries.iter().map(|(name, settings)| ((*name).to_owned(), settings.clone())).collect()
}

fn sorted(mut texts: Vec<String>) -> Value {
    texts.sort();
    json!(texts)
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn outputs(told: &Value, name: &str) -> Side {
    told[name]["value"].as_object().unwrap().clone().into_iter().collect()
}

/// What module `names` puts out, applied in a folder that is gone afterwards.
fn terraform(prefix: &str, stores: u32) -> Value {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform/modules/names").canonicalize().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let outputs =
        ["topics", "users", "queues"].map(|name| json!({ (name): { "value": format!("${{module.names.{name}}}") } }));
    let whole = json!({
        "module": { "names": { "source": module, "pos_topic_prefix": prefix, "number_of_stores": stores } },
        "output": outputs,
    });
    fs::write(folder.path().join("main.tf.json"), whole.to_string()).unwrap();
    fs::write(folder.path().join("terraform.rc"), "").unwrap();
    run(folder.path(), &["init", "-input=false", "-no-color"]);
    run(folder.path(), &["apply", "-input=false", "-no-color", "-auto-approve"]);
    serde_json::from_slice(&run(folder.path(), &["output", "-json", "-no-color"])).unwrap()
}

fn run(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("terraform");
    command.args(arguments).current_dir(folder).env("CHECKPOINT_DISABLE", "1");
    command.env("TF_CLI_CONFIG_FILE", folder.join("terraform.rc")).env_remove("TF_DATA_DIR").env_remove("TF_WORKSPACE");
    let output = command.output().expect("start `terraform`: 1.10 or newer must be in PATH");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "terraform {} ended with {}:\n{said}", arguments.join(" "), output.status);
    output.stdout
}
