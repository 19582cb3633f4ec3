//! One sale is one trace, from the till's request to its window and to the ledger's own side, as a collector sees it.
//! Counts spans, and compares parents, links and attributes; nothing of it must cost a sale or wait for a collector.

use std::time::Duration;

use serde_json::json;

use crate::support::{Collector, Rotel, SALES, Sale, SeenSpan, Setup, TestApp, eventually};

const SOON: Duration = Duration::from_secs(30);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TILL: &str = "00f067aa0ba902b7";

/// What one accepted sale leaves in its own trace, with the name of each span's parent.
const STEPS: [(&str, i32, &str); 6] = [
    ("POST /api/v1/pos/validate_transaction", 2, ""),
    ("validate sale", 1, "POST /api/v1/pos/validate_transaction"),
    ("send receipt", 4, "POST /api/v1/pos/validate_transaction"),
    ("process sale_pos_transaction_aggregation_service", 5, "send receipt"),
    ("fold sale", 1, "process sale_pos_transaction_aggregation_service"),
    ("process sale_pos_transaction_ledger.q", 5, "send receipt"),
];

async fn started(collector: &Collector, ratio: &str) -> TestApp {
    let mut app = collector.watches(Setup::new(), ratio).start().await;
    app.becomes_ready().await;
    app
}

/// Posts as a till that has a trace of its own.
async fn sell(app: &TestApp, sale: &Sale, traceparent: &str) {
    let request = app.request("POST", SALES, "pos-service").header("traceparent", traceparent);
    let answer = app.send(request.header("content-type", "application/json").body(sale.body())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

fn named<'a>(spans: &'a [SeenSpan], name: &str) -> &'a SeenSpan {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

/// Each step once, below its parent, and nothing else.
fn is_whole(spans: &[SeenSpan], first_parent: &str) {
    assert_eq!(spans.len(), STEPS.len(), "{spans:#?}");
    for (name, kind, parent) in STEPS {
        let span = named(spans, name);
        let parent = if parent.is_empty() { first_parent } else { &named(spans, parent).id };
        assert_eq!((span.kind, span.parent.as_str(), span.is_error), (kind, parent, false), "{span:#?}");
    }
}

#[tokio::test]
async fn d29_a_sale_is_one_trace_from_the_till_to_its_window_and_the_ledger() {
    let collector = Collector::start().await;
    let app = started(&collector, "0").await;
    let sale = Sale::new("STORE_3", 258);

    sell(&app, &sale, &format!("00-{TRACE}-{TILL}-01")).await;

    let spans = collector.trace_of(TRACE, STEPS.len()).await;
    is_whole(&spans, TILL);
    let server = named(&spans, STEPS[0].0);
    let attribute = |span: &SeenSpan, key: &str| span.attributes.get(key).cloned().unwrap_or_default();
    assert_eq!(attribute(server, "http.response.status_code"), "200");
    assert_eq!(attribute(server, "http.route"), "/api/v1/pos/validate_transaction");
    assert_eq!(server.resource["service.name"], "tillstream");
    assert!(!server.resource["service.instance.id"].is_empty());
    for step in ["validate sale", "process sale_pos_transaction_aggregation_service"] {
        let span = named(&spans, step);
        assert_eq!(attribute(span, "pos.transaction.id"), sale.id, "{span:#?}");
        assert_eq!(attribute(span, "pos.store.id"), "STORE_3", "{span:#?}");
    }
    let fold = named(&spans, "fold sale");
    assert!(attribute(fold, "pos.window.start") < attribute(fold, "pos.window.end"), "{fold:#?}");
    assert_eq!(attribute(fold, "pos.outcome"), "taken");
    let send = named(&spans, "send receipt");
    assert_eq!(attribute(send, "messaging.system"), "solace");
    assert_eq!(attribute(send, "messaging.message.id"), sale.id);
    assert_eq!(attribute(send, "messaging.operation.type"), "send");
}

#[tokio::test]
async fn d29_a_window_has_a_trace_of_its_own_that_is_linked_to_the_sales_in_it() {
    let collector = Collector::start().await;
    let app = started(&collector, "0").await;
    let traces = [TRACE.to_owned(), TRACE.replace("4bf9", "5bf9")];
    for trace in &traces {
        sell(&app, &Sale::new("STORE_3", 258), &format!("00-{trace}-{TILL}-01")).await;
    }

    let is_final = |span: &SeenSpan| {
        span.name == "emit window" && span.attributes.get("pos.outcome").is_some_and(|outcome| outcome == "final")
    };
    let mut linked: Vec<String> = Vec::new();
    eventually("final windows that are linked to both sales", SOON, async || {
        linked = collector
            .all()
            .iter()
            .filter(|span| is_final(span))
            .flat_map(|span| span.links.clone())
            .map(|link| link.0)
            .collect();
        linked.sort();
        if linked == traces { Ok(()) } else { Err(format!("{linked:?}")) }
    })
    .await;

    let emitted = collector.span("a final window", is_final).await;
    assert!(emitted.parent.is_empty() && !traces.contains(&emitted.trace), "{emitted:#?}");
    let below = collector.trace_of(&emitted.trace, 3).await;
    let send = named(&below, "send aggregations");
    assert_eq!(send.parent, emitted.id);
    assert_eq!(named(&below, "process sale_pos_transaction_reporting.q").parent, send.id);
}

#[tokio::test]
async fn what_begins_here_is_kept_by_the_ratio_and_what_comes_in_by_its_own_word() {
    let collector = Collector::start().await;
    let app = started(&collector, "1").await;

    sell(&app, &Sale::new("STORE_4", 258), &format!("00-{TRACE}-{TILL}-00")).await;
    let own = Sale::new("STORE_5", 258);
    app.accept(&own).await;

    let validated = collector
        .span("the sale without a trace", |span| span.attributes.get("pos.transaction.id") == Some(&own.id))
        .await;
    let spans = collector.trace_of(&validated.trace, STEPS.len()).await;
    is_whole(&spans, "");
    assert_eq!(collector.of_trace(TRACE), []);
    let asked_for_health = collector.all().into_iter().find(|span| span.name.contains("health"));
    assert_eq!(asked_for_health, None);
}

#[tokio::test]
async fn no_span_knows_a_cashier_a_customer_an_amount_or_an_address() {
    let collector = Collector::start().await;
    let setup = collector.watches(Setup::new(), "1").setting("rules.max_cashier", "9999");
    let mut app = setup.start().await;
    app.becomes_ready().await;
    let mut sale = Sale::new("STORE_3", 123_457);
    sale.cashier = "CASHIER_7041".to_owned();
    app.accept(&sale).await;
    let mut wrong = sale.json();
    wrong["payment_method"] = json!("seashells");
    assert_eq!(app.post(wrong.to_string()).await.status, 422);

    collector.span("the window", |span| span.name == "emit window").await;
    collector.span("the refused sale", |span| span.attributes.contains_key("pos.rules")).await;

    let told = format!("{:?}", collector.all());
    for personal in ["CASHIER_7041", "CUSTOMER_9", "1234.57", "123457", "127.0.0.1", "seashells", "milk"] {
        assert!(!told.contains(personal), "`{personal}` in {told}");
    }
}

#[tokio::test]
async fn a_refused_sale_is_no_error_of_its_span_and_names_the_rules() {
    let collector = Collector::start().await;
    let app = started(&collector, "1").await;
    let mut wrong = Sale::new("STORE_3", 258).json();
    wrong["payment_method"] = json!("seashells");

    assert_eq!(app.post(wrong.to_string()).await.status, 422);

    let refused = collector.span("the refused sale", |span| span.name == "validate sale").await;
    assert_eq!(refused.attributes["pos.outcome"], "rejected");
    let spans = collector.trace_of(&refused.trace, 2).await;
    let server = named(&spans, STEPS[0].0);
    assert_eq!((server.attributes["http.response.status_code"].as_str(), server.is_error), ("422", false));
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_sale_and_its_spans_are_counted() {
    let collector = Collector::start().await;
    let nowhere = collector.watches(Setup::new(), "1").setting("traces.endpoint", "http://127.0.0.1:9");
    let mut app = nowhere.start().await;
    app.becomes_ready().await;

    for _ in 0..20 {
        app.accept(&Sale::new("STORE_3", 258)).await;
    }

    eventually("spans that were not taken", SOON, async || match app.metric("spans_total", "failed").await {
        failed if failed >= 20.0 => Ok(()),
        failed => Err(failed.to_string()),
    })
    .await;
    app.windows_when_final(20).await;
    app.ledger_balances().await;
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn a_collector_that_never_answers_is_not_waited_for_and_what_it_has_no_room_for_is_dropped_and_counted() {
    let collector = Collector::that_never_answers().await;
    let setup = collector.watches(Setup::new(), "1").setting("traces.queue", "8").setting("traces.timeout", "60s");
    let mut app = setup.start().await;
    app.becomes_ready().await;

    for _ in 0..20 {
        app.accept(&Sale::new("STORE_3", 258)).await;
    }

    eventually("spans that found no room", SOON, async || match app.metric("spans_total", "dropped").await {
        dropped if dropped >= 20.0 => Ok(()),
        dropped => Err(dropped.to_string()),
    })
    .await;
    app.windows_when_final(20).await;
    // The drain has 10 s; a flush that waits for this collector would need its 60.
    assert!(app.stop().await.success());
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_process_ends() {
    let collector = Collector::start().await;
    let mut app = collector.watches(Setup::new(), "0").setting("traces.batch_delay", "1h").start().await;
    app.becomes_ready().await;
    sell(&app, &Sale::new("STORE_3", 258), &format!("00-{TRACE}-{TILL}-01")).await;

    assert!(app.stop().await.success());

    let spans = collector.of_trace(TRACE);
    named(&spans, STEPS[0].0);
    named(&spans, "send receipt");
}

#[tokio::test]
async fn a_receiver_that_is_not_ours_understands_both_forms_of_the_protocol() {
    let rotel = Rotel::start().await;
    for (index, (protocol, endpoint)) in rotel.endpoints().into_iter().enumerate() {
        let setup = Setup::new().setting("traces.endpoint", &endpoint).setting("traces.protocol", protocol);
        let mut app = setup.setting("traces.ratio", "0").setting("traces.batch_delay", "100ms").start().await;
        app.becomes_ready().await;
        let trace = TRACE.replace("4bf9", &format!("4bf{index}"));

        sell(&app, &Sale::new("STORE_3", 258), &format!("00-{trace}-{TILL}-01")).await;

        let spans = rotel.trace_of(&trace, STEPS.len()).await;
        for (name, _, parent) in STEPS {
            let of =
                |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
            let parent = if parent.is_empty() { TILL } else { &of(parent).id };
            assert_eq!(of(name).parent, parent, "{protocol}: {spans:?}");
        }
        assert!(app.stop().await.success());
    }
}
