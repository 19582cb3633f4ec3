//! What processes export, held against `monitoring/metrics.json`, the contract, every rule and dashboard, and the documents.
//! Judges no figure: that a sale is counted rightly is shown where sales are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Backend, Declarations, Exposition, Sale, Setup, TestApp, eventually, expressions, named, recorded,
};

const SOON: Duration = Duration::from_secs(60);

/// What every process does, and every one with a session on a broker.
const ANY: [&str; 3] = ["every", "publisher", "consumer"];

/// Section 7 of the contract: what outsiders rely on, with its labels.
const CONTRACT: [(&str, &[&str]); 24] = [
    ("http_requests_total", &["endpoint", "method", "status"]),
    ("http_request_duration_seconds", &["endpoint", "method", "status"]),
    ("http_response_size_bytes", &["endpoint", "method", "status"]),
    ("pos_transactions_total", &["outcome"]),
    ("pos_rejections_total", &["rule"]),
    ("pos_publish_duration_seconds", &[]),
    ("pos_publish_in_flight", &[]),
    ("pos_windows_emitted_total", &["kind"]),
    ("pos_window_delay_seconds", &[]),
    ("pos_open_windows", &[]),
    ("pos_late_total", &[]),
    ("pos_duplicates_total", &[]),
    ("pos_turnover_cents_total", &["store_id"]),
    ("pos_ledger_imbalance_cents", &["store_id"]),
    ("actor_up", &["actor"]),
    ("actor_restarts_total", &["actor", "reason"]),
    ("actor_restart_duration_seconds", &[]),
    ("actor_mailbox_depth", &["actor"]),
    ("broker_connected", &["backend"]),
    ("broker_unacknowledged", &["queue"]),
    ("secrets_age_seconds", &[]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("build_info", &["version"]),
];

/// Every kind of request that a service gets in its life.
async fn load(app: &TestApp) {
    let sale = Sale::new("STORE_1", 258);
    app.accept(&sale).await;
    app.accept(&sale).await;
    let mut wrong_total = Sale::new("STORE_2", 258).json();
    wrong_total["total_amount"] = json!(99.99);
    assert_eq!(app.post(wrong_total.to_string()).await.status, 200);
    let mut failed = Sale::new("STORE_3", 999);
    failed.status = "failed".to_owned();
    app.accept(&failed).await;
    assert_eq!(app.post("{}").await.status, 422);
    let stranger = app.request("GET", "/api/v1/ledger", "").basic_auth("nobody", Some("wrong"));
    assert_eq!(app.send(stranger).await.status, 401);
    for number in 0..40 {
        assert_eq!(app.get(&format!("/no/such/{number}"), "").await.status, 404);
        let method = format!("BREW{number}");
        assert_eq!(app.send(app.request(&method, "/metrics", "")).await.status, 405);
    }
}

async fn scrape(app: &TestApp) -> Exposition {
    Exposition::read(&app.get("/metrics", "").await.text)
}

/// Waits until nothing is missing any more; what is there and should not be is no matter of time.
async fn exports_what_is_declared(app: &TestApp, does: &[&str]) {
    let declared = Declarations::of_the_repository();
    eventually(&format!("everything that is declared of {does:?}"), SOON, async || {
        let complaints = scrape(app).await.complaints(&declared, does);
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
    })
    .await;
}

/// What a process with its own broker does besides, or one on a broker elsewhere.
fn ways_of_this_run() -> &'static [&'static str] {
    match Backend::of_this_run() {
        Backend::Embedded => &["embedded", "smf"],
        Backend::Solace => &["solace"],
    }
}

#[tokio::test]
async fn a_loaded_process_exports_what_is_declared_and_what_the_contract_names_and_nothing_else() {
    let setup = Setup::new().roles("validation,aggregation,reporting,pos").setting("pos.rate", "20");
    let setup = match Backend::of_this_run() {
        Backend::Embedded => setup.setting("smf.listen", "127.0.0.1:0"),
        Backend::Solace => setup,
    };
    let app = setup.start().await;

    load(&app).await;

    let does = [&ANY[..], &["validation", "aggregation", "reporting", "pos"], ways_of_this_run()].concat();
    exports_what_is_declared(&app, &does).await;
    let page = scrape(&app).await;
    for (name, labels) in CONTRACT {
        assert!(page.names().contains(name), "the contract names {name}");
        let declared = Declarations::of_the_repository();
        let declared = declared.metrics[name].labels();
        assert_eq!(declared, labels.iter().copied().collect(), "{name}");
    }
}

#[tokio::test]
async fn counters_of_closed_lists_are_there_with_0_before_anything_happens() {
    let app = TestApp::start().await;
    let page = scrape(&app).await;
    let declared = Declarations::of_the_repository();
    for (metric, label) in [
        ("pos_transactions_total", "outcome"),
        ("pos_rejections_total", "rule"),
        ("pos_windows_emitted_total", "kind"),
        ("actor_restarts_total", "reason"),
        ("http_refusals_total", "reason"),
    ] {
        assert_eq!(page.values(metric, label), declared.closed_list(metric, label), "{metric}");
    }
    let kinds = page.values("actor_up", "actor");
    for metric in ["actor_restarts_total", "actor_busy_seconds_total", "actor_messages_total"] {
        let known = page.values(metric, "actor");
        assert!(kinds.is_subset(&known), "{metric} lacks some of {kinds:?}: {known:?}");
    }
}

#[tokio::test]
async fn a_chain_of_two_hundred_stores_has_a_hundred_labels_and_one_for_the_rest() {
    let app = Setup::new().setting("rules.max_store", "200").start().await;
    let sales: Vec<Sale> = (1..=200).map(|number| Sale::new(&format!("STORE_{number}"), number)).collect();
    for sale in &sales {
        app.accept(sale).await;
    }
    app.windows_when_final(200).await;

    eventually("every store's turnover to be shown", SOON, async || {
        let shown = app.metric("pos_turnover_cents_total", "").await;
        if shown as i64 == (1..=200).sum::<i64>() { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    let page = scrape(&app).await;

    for metric in ["pos_turnover_cents_total", "pos_ledger_imbalance_cents"] {
        let stores = page.values(metric, "store_id");
        assert_eq!((stores.len(), stores.contains("other")), (101, true), "{metric}: {stores:?}");
    }
    let does = [&ANY[..], &["validation", "aggregation", "reporting"], ways_of_this_run()].concat();
    let complaints = page.complaints(&Declarations::of_the_repository(), &does);
    // There are as many queues as the configuration has stores, whatever is sold.
    let complaints: Vec<_> =
        complaints.iter().filter(|one| !one.contains("{queue}") && !one.contains("smf_")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[cfg(feature = "solace")]
#[tokio::test]
async fn a_process_of_one_role_exports_what_that_role_owns_and_not_the_rest() {
    let mut validation = Setup::new().behind_a_proxy().roles("validation").start().await;
    let other = validation.setup().beside("aggregation").setting("window.validation_url", &validation.url());
    let mut aggregation = other.launch_on(None).await;
    let mut reporting = validation.setup().beside("reporting").launch_on(None).await;
    aggregation.becomes_ready().await;
    reporting.becomes_ready().await;
    validation.accept(&Sale::new("STORE_1", 100)).await;
    reporting.windows_when_final(1).await;

    exports_what_is_declared(&validation, &["every", "validation", "publisher", "solace"]).await;
    let does = ["every", "aggregation", "publisher", "consumer", "solace", "handover"];
    exports_what_is_declared(&aggregation, &does).await;
    exports_what_is_declared(&reporting, &["every", "reporting", "publisher", "consumer", "solace"]).await;
    assert!(validation.is_alive() && aggregation.is_alive());
}

#[test]
fn rules_and_dashboards_name_only_metrics_and_labels_that_somebody_exports() {
    let (declared, recorded) = (Declarations::of_the_repository(), recorded());
    /// What Prometheus adds to every sample.
    const ADDED: [&str; 4] = ["job", "instance", "le", "quantile"];
    let mut complaints = BTreeSet::new();
    for (file, expression) in expressions() {
        for (metric, labels) in named(&expression).metrics {
            let file = file.file_name().unwrap_or_default().to_string_lossy();
            if recorded.contains(&metric) || declared.is_of_others(&metric) {
                continue;
            }
            let Some(known) = declared.labels_of(&metric) else {
                complaints.insert(format!("{file}: nobody exports {metric}"));
                continue;
            };
            let strange =
                labels.iter().filter(|label| !known.contains(label.as_str()) && !ADDED.contains(&label.as_str()));
            complaints.extend(strange.map(|label| format!("{file}: {metric} has no label {label}")));
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn names_and_labels_are_found_in_an_expression_and_functions_and_groupings_are_not() {
    let expression = r#"histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{b="x}y", c=~"d|e"}[5m] offset 1h)))
        / on (job) group_left(f) (g:h:rate5m or vector(0)) > bool 1e3 unless i{instance=~"$j"}  # k"#;
    let names: BTreeMap<String, Vec<String>> =
        named(expression).metrics.into_iter().map(|(name, labels)| (name, labels.into_iter().collect())).collect();
    let expected = [("a_bucket", vec!["b", "c"]), ("g:h:rate5m", vec![]), ("i", vec!["instance"])];
    let expected = expected.map(|(name, labels)| (name.to_owned(), labels.into_iter().map(str::to_owned).collect()));
    assert_eq!(names, BTreeMap::from(expected));
}

/// The rows of `docs/METRICS.md`: name, type, labels, from.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, _unit, from, _meaning] = cells[..] else { panic!("six cells: {line}") };
        let labels = labels.split('`').skip(1).step_by(2).filter(|word| !word.contains('=')).map(str::to_owned);
        (name.trim_matches('`').to_owned(), (kind.to_owned(), labels.collect(), from.to_owned()))
    });
    rows.collect()
}

#[test]
fn the_document_has_a_row_for_every_metric_and_no_other() {
    let declared = Declarations::of_the_repository();
    let declared: BTreeMap<_, _> = declared.metrics.iter().map(|(name, known)| (name.clone(), known.row())).collect();
    let written = documented();
    let names = |of: &BTreeMap<String, _>| of.keys().cloned().collect::<BTreeSet<String>>();
    let (missing, gone): (Vec<_>, Vec<_>) = (
        names(&declared).difference(&names(&written)).cloned().collect(),
        names(&written).difference(&names(&declared)).cloned().collect(),
    );
    assert!(missing.is_empty() && gone.is_empty(), "not in docs/METRICS.md: {missing:?}; only there: {gone:?}");
    for (name, row) in declared {
        assert_eq!(written[&name], row, "{name}");
    }
}

#[test]
fn a_page_that_is_not_as_declared_is_complained_of_in_every_way() {
    let declared: Declarations = serde_json::from_value(json!({
        "about": [],
        "metrics": {
            "a_total": {"type": "counter", "labels": {"x": {"one_of": ["1", "2"]}}, "from": "every", "seen": "always"},
            "b": {"type": "gauge", "labels": {"y": {"at_most": 2, "like": "[a-z]"}}, "from": "every", "seen": "always"},
            "c_seconds": {"type": "histogram", "labels": {}, "from": "pos", "seen": "always"},
        },
        "others": {}
    }))
    .unwrap();
    let good =
        "# HELP a_total x\n# TYPE a_total counter\na_total{x=\"1\"} 1\n# HELP b x\n# TYPE b gauge\nb{y=\"v\"} 2\n";
    let complaints = |text: &str| Exposition::read(text).complaints(&declared, &["every"]);
    assert_eq!(complaints(good), Vec::<String>::new());

    for (what, from, to, said) in [
        ("another name", "a_total", "a_renamed_total", "a_total is declared and not exported"),
        ("a name that is new", "a_total", "a_renamed_total", "a_renamed_total is exported and not declared"),
        ("another label", "{x=\"1\"}", "{x=\"1\",till=\"7\"}", "a_total has the labels"),
        ("a value beyond the list", "{x=\"1\"}", "{x=\"3\"}", "`3` is not one of the declared values"),
        ("a value of another form", "{y=\"v\"}", "{y=\"7\"}", "`7` is not like `[a-z]`"),
        (
            "too many values",
            "b{y=\"v\"} 2",
            "b{y=\"v\"} 2\nb{y=\"w\"} 2\nb{y=\"x\"} 2",
            "3 values, and at most 2 are declared",
        ),
        ("another type", "gauge", "counter", "b is a counter and declared as a gauge"),
        ("no help", "# HELP b x\n", "", "b has no help"),
        (
            "another's metric",
            "# HELP b x",
            "# TYPE c_seconds histogram\nc_seconds_count 1\n# HELP b x",
            "does nothing of `pos`",
        ),
    ] {
        let complaints = complaints(&good.replace(from, to));
        assert!(complaints.iter().any(|one| one.contains(said)), "{what}: {complaints:?}");
    }
}
