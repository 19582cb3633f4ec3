//! Layers and their mistakes, with real files and, through figment's jail, a real environment.

use std::collections::BTreeMap;

use figment::Jail;
use serde_json::Value;

use super::*;

fn read_for_test(file: Option<&str>, overrides: &[(&str, String)]) -> Result<Settings, SettingsError> {
    Layers { file: file.map(Into::into), ..Layers::default() }.read(overrides)
}

/// Runs in an empty directory with a clean environment of its own.
#[allow(clippy::result_large_err)]
fn in_jail(test: impl FnOnce(&mut Jail)) {
    Jail::expect_with(|jail| {
        jail.clear_env();
        jail.create_dir("config")?;
        test(jail);
        Ok(())
    });
}

#[test]
fn without_any_file_everything_has_a_default() {
    in_jail(|_| {
        let settings = read_for_test(None, &[]).unwrap();
        assert_eq!(settings, Settings::default());
        assert_eq!(settings.http.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(settings.data_dir.0.to_str(), Some("./data"));
    });
}

#[test]
fn each_layer_goes_over_the_one_before() {
    in_jail(|jail| {
        jail.create_file(
            "config/base.toml",
            "[http]\nworkers = 3\nmax_body = 10\nmax_in_flight = 1\nanswer_within = \"3s\"",
        )
        .unwrap();
        jail.create_file("mine.toml", "[http]\nmax_body = 20\nmax_in_flight = 2\nanswer_within = \"4s\"").unwrap();
        jail.set_env("TILLSTREAM__HTTP__MAX_IN_FLIGHT", "7");
        jail.set_env("TILLSTREAM__HTTP__ANSWER_WITHIN", "5s");
        let settings = read_for_test(Some("mine.toml"), &[("http.answer_within", "6s".to_owned())]).unwrap();
        let http = settings.http;
        assert_eq!((http.workers, http.max_body, http.max_in_flight), (3, 20, 7));
        assert_eq!(http.answer_within.as_secs(), 6);
    });
}

#[test]
fn roles_and_addresses_come_from_the_environment_too() {
    in_jail(|jail| {
        jail.set_env("TILLSTREAM__ROLES", "pos");
        jail.set_env("TILLSTREAM__HTTP__LISTEN", "127.0.0.1:0");
        jail.set_env("TILLSTREAM__DATA_DIR", "elsewhere");
        jail.set_env("TILLSTREAM_OTHER", "not ours");
        let settings = read_for_test(None, &[]).unwrap();
        assert_eq!((settings.roles.to_string(), settings.http.listen.port()), ("pos".to_owned(), 0));
        assert_eq!(settings.data_dir.0.to_str(), Some("elsewhere"));
    });
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    in_jail(|jail| {
        jail.create_file("mine.toml", "[http]\nworkers = = 2").unwrap();
        let error = read_for_test(Some("mine.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("`mine.toml` cannot be used") && error.contains("line 2"), "{error}");
    });
}

#[test]
fn an_unknown_key_is_named_with_the_file_that_it_stands_in() {
    in_jail(|jail| {
        jail.create_file("config/base.toml", "[http]\nlisten = \"127.0.0.1:1\"\nlisen = \"x\"").unwrap();
        jail.create_file("mine.toml", "[http]\nworkers = 2").unwrap();
        jail.set_env("TILLSTREAM__HTTP__MAX_BODY", "5");
        let error = read_for_test(Some("mine.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("unknown key `http.lisen` in file `config/base.toml`"), "{error}");
    });
    in_jail(|jail| {
        jail.create_file("config/base.toml", "[http]\nworkers = 2").unwrap();
        jail.create_file("mine.toml", "[http]\nworker = 2").unwrap();
        let error = read_for_test(Some("mine.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("`http.worker` in file `mine.toml`"), "{error}");
    });
    in_jail(|jail| {
        jail.create_file("config/base.toml", "[http]\nworkers = 2").unwrap();
        jail.set_env("TILLSTREAM__HTTP__WORKRS", "5");
        let error = read_for_test(None, &[]).unwrap_err().to_string();
        assert!(error.contains("`http.workrs` in environment variable `TILLSTREAM__HTTP__WORKRS`"), "{error}");
    });
    in_jail(|jail| {
        jail.create_file("config/base.toml", "[htp]\nworkers = 2").unwrap();
        let error = read_for_test(None, &[]).unwrap_err().to_string();
        assert!(error.contains("unknown key `htp` in file `config/base.toml`"), "{error}");
    });
}

#[test]
fn a_value_that_cannot_be_is_named_with_its_key_and_place() {
    in_jail(|jail| {
        jail.create_file("mine.toml", "[shutdown]\ngrace = \"soon\"").unwrap();
        let error = read_for_test(Some("mine.toml"), &[]).unwrap_err().to_string();
        assert!(error.contains("key `shutdown.grace` in file `mine.toml`"), "{error}");
    });
    in_jail(|jail| {
        jail.set_env("TILLSTREAM__ROLES", "validation,cook");
        let error = read_for_test(None, &[]).unwrap_err().to_string();
        assert!(error.contains("environment variable `TILLSTREAM__ROLES`") && error.contains("`cook`"), "{error}");
    });
}

#[test]
fn a_named_file_that_is_not_there_is_an_error_and_a_missing_base_is_not() {
    in_jail(|_| {
        let error = read_for_test(Some("none.toml"), &[]).unwrap_err();
        assert_eq!(error, SettingsError::NoSuchFile("none.toml".into()));
    });
}

#[test]
fn the_shipped_files_hold_known_keys_only() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    in_jail(|_| {
        for file in ["local.toml", "production.toml"] {
            let layers = Layers { base: root.join("base.toml"), file: Some(root.join(file)) };
            let settings: Settings = layers.read(&[]).unwrap();
            settings.check().unwrap();
            assert_eq!(settings.faults.enabled, file == "local.toml");
        }
    });
}

#[test]
fn the_base_file_says_what_the_defaults_are() {
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
    in_jail(|_| {
        let settings: Settings = Layers { base: base.clone(), file: None }.read(&[]).unwrap();
        assert_eq!(settings, Settings::default());
    });
}

#[test]
fn the_base_file_has_every_key_and_those_without_a_default_as_a_comment_that_can_be_used() {
    let base = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/base.toml");
    let text = std::fs::read_to_string(base).unwrap();
    let [written, with_examples] = [text.clone(), with_examples_for_test(&text)].map(|text| keys_of_toml(&text));
    let defaults = keys_for_test(&serde_json::to_value(Settings::default()).unwrap());
    for (key, has_default) in &defaults {
        let known = if *has_default { &written } else { &with_examples };
        assert!(known.contains_key(key), "`{key}` is missing in config/base.toml (default: {has_default})");
    }
    in_jail(|jail| {
        jail.create_file("config/base.toml", &with_examples_for_test(&text)).unwrap();
        read_for_test(None, &[]).unwrap();
    });
}

/// The same file with every line used that is a key behind a `#`.
fn with_examples_for_test(text: &str) -> String {
    let is_example = |line: &&str| line.parse::<toml::Table>().is_ok_and(|table| !table.is_empty());
    let used = text.lines().map(|line| line.strip_prefix("# ").filter(is_example).unwrap_or(line));
    used.collect::<Vec<_>>().join("\n")
}

fn keys_of_toml(text: &str) -> BTreeMap<String, bool> {
    keys_for_test(&serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap())
}

/// Dotted keys, and whether each has a value; a map that is empty is a key itself.
fn keys_for_test(value: &Value) -> BTreeMap<String, bool> {
    let Value::Object(fields) = value else { return [(String::new(), !value.is_null())].into() };
    let mut keys = BTreeMap::from([(String::new(), true)]);
    for (name, field) in fields {
        let below = keys_for_test(field).into_iter();
        keys.extend(below.map(|(key, is_set)| (format!("{name}.{key}").trim_end_matches('.').to_owned(), is_set)));
    }
    keys
}

#[test]
fn a_file_may_hold_the_section_of_a_broker_that_this_version_cannot_reach() {
    in_jail(|jail| {
        jail.create_file("mine.toml", "[solace]\nhost = \"tcp://broker:55555\"\nhosst = \"x\"").unwrap();
        let read = read_for_test(Some("mine.toml"), &[]);
        if !cfg!(feature = "solace") {
            assert_eq!(read.unwrap(), Settings::default());
            return;
        }
        let error = read.unwrap_err().to_string();
        assert!(error.contains("unknown key `solace.hosst` in file `mine.toml`"), "{error}");
    });
}

#[cfg(feature = "solace")]
#[test]
fn a_session_that_could_carry_nothing_is_refused_at_start() {
    for (key, value) in [("publish_window", "0"), ("max_unacked", "0"), ("backoff_min", "1h")] {
        in_jail(|jail| {
            jail.set_env(format!("TILLSTREAM__SOLACE__{}", key.to_uppercase()), value);
            let refused = read_for_test(None, &[]).unwrap().check().unwrap_err().to_string();
            assert!(refused.contains(&format!("solace.{key}")), "{refused}");
        });
    }
}

#[test]
fn a_listener_that_could_deliver_nothing_is_refused_at_start() {
    in_jail(|jail| {
        jail.set_env("TILLSTREAM__SMF__MAX_UNACKED", "0");
        let refused = read_for_test(None, &[]).unwrap().check().unwrap_err().to_string();
        assert!(refused.contains("smf.max_unacked"), "{refused}");
    });
}
