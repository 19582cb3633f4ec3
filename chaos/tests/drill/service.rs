//! The fake service: the interface that the drill uses, over HTTP on loopback, with one misdeed to order.
//! Counts sales in memory; its windows are one second long and final half a second after their end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tillstream_chaos::{DrillError, FaultKind, Line, Options, Report, Stop, Stores, Tempo, drill};
use tokio::sync::watch;
use tokio::time::timeout;

const WINDOW: i64 = 1_000;
const FINAL_AFTER: i64 = 500;
/// No drill of these tests takes longer.
const DRILL_WITHIN: Duration = Duration::from_secs(90);

/// What the service does wrong, or makes hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misdeed {
    None,
    /// The sale taken as the n-th is answered with 200 and forgotten.
    Lose(usize),
    /// It counts twice.
    Double(usize),
    /// It counts with a cent more.
    Misprice(usize),
    /// The ledger forgets it, turnover does not.
    HideFromLedger(usize),
    /// The n-th request is answered with this status.
    Answer(usize, u16),
    /// Every third request is taken and then answered with 503.
    Overloaded,
    /// Somebody else posts a sale when the n-th is taken.
    Stranger(usize),
    /// Somebody else posts a sale in a store of his own whenever one is taken, and that is never final.
    Neighbour,
    /// The ledger is out of balance.
    Imbalanced,
}

/// How the service treats faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFault {
    /// Recovers at once.
    Recover,
    /// Takes the fault, answers 503 the first time, and is pending for two looks.
    Slowly,
    /// What comes after a handler finds no message.
    NotFired,
    /// Never.
    Remain,
    /// Nothing finds anybody.
    Nobody,
    /// Recovers, and says later that so many sales of the windows that were open are lost.
    JudgeLater(i64),
    /// The same, and remembers so many faults only.
    Forget(usize),
    /// Recovers, but what the environment faults would disturb is not here.
    Elsewhere,
    /// `faults.enabled = false`.
    Forbid,
}

#[derive(Debug, Clone)]
struct Sale {
    store: String,
    time: i64,
    cents: i64,
    in_ledger: bool,
    in_turnover: i64,
}

#[derive(Debug)]
struct State {
    misdeed: Misdeed,
    on_fault: OnFault,
    requests: usize,
    sales: BTreeMap<String, Sale>,
    faults: Vec<Value>,
    orders_elsewhere: usize,
    looks: usize,
    rate: u32,
    rates: Vec<u32>,
}

/// A running fake.
pub struct Fake {
    port: u16,
    state: Shared,
    handle: ServerHandle,
}

type Shared = Arc<Mutex<State>>;

impl Fake {
    pub fn start(misdeed: Misdeed, on_fault: OnFault) -> Self {
        let state = State {
            misdeed,
            on_fault,
            requests: 0,
            sales: BTreeMap::new(),
            faults: Vec::new(),
            orders_elsewhere: 0,
            looks: 0,
            rate: 50,
            rates: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let (port, handle) = serve(0, state.clone());
        Self { port, state, handle }
    }

    /// The process is gone for a while, without a word, and comes back on the same port.
    pub async fn dies_for(&mut self, time: Duration) {
        self.handle.stop(false).await;
        tokio::time::sleep(time).await;
        (_, self.handle) = serve(self.port, self.state.clone());
    }

    /// Kind and target of every fault that was taken.
    pub fn faults(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let state = self.state.lock().unwrap();
        state.faults.iter().map(|fault| (text(&fault["kind"]), text(&fault["target"]))).collect()
    }

    /// How often a fault of the environment was ordered and answered with 404.
    pub fn orders_elsewhere(&self) -> usize {
        self.state.lock().unwrap().orders_elsewhere
    }

    /// Every rate that the simulator was set to.
    pub fn rates(&self) -> Vec<u32> {
        self.state.lock().unwrap().rates.clone()
    }

    /// Paid sales that were taken.
    pub fn sales(&self) -> usize {
        self.state.lock().unwrap().sales.len()
    }

    /// A short drill with an impatient tempo.
    pub fn options(&self) -> Options {
        Options {
            trust: tillstream_posting::Trust::default(),
            url: format!("http://127.0.0.1:{}/", self.port),
            user: "admin".to_owned(),
            password: watch::channel("secret".into()).1,
            seed: 7,
            faults: 0,
            kinds: FaultKind::usual(),
            targets: Vec::new(),
            load: 200,
            stores: Stores::default(),
            script: None,
            duration: Some(Duration::from_millis(1_500)),
            calm: Duration::from_millis(100),
            settle_within: Duration::from_secs(20),
            tempo: Tempo {
                look_every: Duration::from_millis(50),
                agree_for: Duration::from_millis(200),
                disagree_for: Duration::from_millis(700),
                running_within: Duration::from_millis(500),
                outage: Duration::from_secs(20),
                answer_within: Duration::from_secs(2),
                judged_within: Duration::from_secs(2),
                faults_between_looks: 3,
            },
        }
    }

    /// Runs a drill that nobody stops; what it said comes along.
    pub async fn drill(&self, options: &Options) -> (Result<Report, DrillError>, String) {
        let (_go_on, stop) = watch::channel(Stop::No);
        drill_with(options, stop).await
    }
}

/// Runs a drill with a deadline.
pub async fn drill_with(options: &Options, stop: watch::Receiver<Stop>) -> (Result<Report, DrillError>, String) {
    let said = Mutex::new(String::new());
    let say = |line: Line<'_>| {
        let (Line::Table(text) | Line::Note(text)) = line else { return };
        let mut said = said.lock().unwrap();
        said.push_str(text);
        said.push('\n');
    };
    let ended = timeout(DRILL_WITHIN, drill(options, &say, stop)).await;
    let Ok(result) = ended else { panic!("the drill is stuck; it said:\n{}", said.lock().unwrap()) };
    (result, said.into_inner().unwrap())
}

fn serve(port: u16, state: Shared) -> (u16, ServerHandle) {
    let app = move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .route("/api/v1/pos/validate_transaction", web::post().to(take_sale))
            .route("/api/v1/pos/turnover", web::get().to(turnover))
            .route("/api/v1/ledger", web::get().to(ledger))
            .route("/api/v1/actors", web::get().to(actors))
            .route("/api/v1/actors/{path}/fault", web::post().to(fault))
            .route("/api/v1/faults/environment", web::post().to(fault))
            .route("/api/v1/faults", web::get().to(faults))
            .route("/api/v1/faults/{id}", web::get().to(one_fault))
            .route("/api/v1/generator", web::get().to(generator))
            .route("/api/v1/generator", web::put().to(set_generator))
            .route("/metrics", web::get().to(async || "up 1\n"))
    };
    let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
    let server = server.bind(("127.0.0.1", port)).unwrap();
    let port = server.addrs()[0].port();
    let running = server.run();
    let handle = running.handle();
    tokio::spawn(running);
    (port, handle)
}

fn lock(state: &web::Data<Shared>) -> MutexGuard<'_, State> {
    state.lock().unwrap()
}

async fn take_sale(state: web::Data<Shared>, request: HttpRequest, body: String) -> HttpResponse {
    assert_eq!(request.headers().get("authorization").unwrap(), "Basic YWRtaW46c2VjcmV0");
    let mut state = lock(&state);
    state.requests += 1;
    match state.misdeed {
        Misdeed::Answer(number, status) if number == state.requests => {
            return HttpResponse::build(status.try_into().unwrap()).body("\"no\"");
        }
        _ => {}
    }
    state.take(&serde_json::from_str(&body).unwrap());
    if state.misdeed == Misdeed::Overloaded && state.requests.is_multiple_of(3) {
        return HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "1")).json("come back");
    }
    HttpResponse::Ok().json(json!({ "status": "success" }))
}

impl State {
    fn take(&mut self, body: &Value) {
        let id = body["transaction_id"].as_str().unwrap().to_owned();
        if body["payment_status"] == "failed" || self.sales.contains_key(&id) {
            return;
        }
        let number = self.sales.len() + 1;
        let time: DateTime<Utc> = body["timestamp"].as_str().unwrap().parse().unwrap();
        let lines = body["items"].as_array().unwrap().iter();
        let cents = lines.map(|line| (line["total_price"].as_f64().unwrap() * 100.0).round() as i64).sum::<i64>();
        let store = body["store_id"].as_str().unwrap().to_owned();
        let mut sale = Sale { store, time: time.timestamp_millis(), cents, in_ledger: true, in_turnover: 1 };
        match self.misdeed {
            Misdeed::Lose(lost) if lost == number => sale.in_turnover = 0,
            Misdeed::Double(double) if double == number => sale.in_turnover = 2,
            Misdeed::Misprice(wrong) if wrong == number => sale.cents += 1,
            Misdeed::HideFromLedger(hidden) if hidden == number => sale.in_ledger = false,
            Misdeed::Stranger(stranger) if stranger == number => {
                self.sales.insert("a stranger's".to_owned(), sale.clone());
            }
            Misdeed::Neighbour => {
                let time = sale.time + 3_600_000;
                let others = Sale { store: "STORE_11".to_owned(), time, ..sale.clone() };
                self.sales.insert(format!("{id}, next door"), others);
            }
            _ => {}
        }
        self.sales.insert(id, sale);
    }
}

fn is_open(sale: &Sale) -> bool {
    (sale.time.div_euclid(WINDOW) + 1) * WINDOW + FINAL_AFTER > Utc::now().timestamp_millis()
}

fn raw(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(text)
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

async fn turnover(state: web::Data<Shared>) -> HttpResponse {
    let mut rows = BTreeMap::<(String, i64), (i64, i64)>::new();
    for sale in lock(&state).sales.values() {
        let row = rows.entry((sale.store.clone(), sale.time.div_euclid(WINDOW) * WINDOW)).or_default();
        *row = (row.0 + sale.in_turnover, row.1 + sale.in_turnover * sale.cents);
    }
    let time = |at: i64| DateTime::from_timestamp_millis(at).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true);
    let rows = rows.into_iter().map(|((store, start), (count, cents))| {
        format!(
            r#"{{"store_id":"{store}","window_start":"{}","window_end":"{}","total_amount":{},"transaction_count":{count},"final":true,"late_amount":0.00,"late_count":0}}"#,
            time(start), time(start + WINDOW), money(cents)
        )
    });
    raw(format!("[{}]", rows.collect::<Vec<_>>().join(",")))
}

async fn ledger(state: web::Data<Shared>) -> HttpResponse {
    let state = lock(&state);
    let mut stores = BTreeMap::<String, [(u64, i64); 2]>::new();
    for sale in state.sales.values().filter(|sale| sale.in_ledger) {
        let side = &mut stores.entry(sale.store.clone()).or_default()[usize::from(is_open(sale))];
        *side = (side.0 + 1, side.1 + sale.cents);
    }
    let off = u8::from(state.misdeed == Misdeed::Imbalanced && !stores.is_empty());
    let stores = stores.into_iter().map(|(store, [accepted, open])| {
        format!(
            r#"{{"store_id":"{store}","accepted":{{"count":{},"amount":{}}},"open":{{"count":{},"amount":{}}},"imbalance":{{"count":0,"cents":{off}}}}}"#,
            accepted.0, money(accepted.1), open.0, money(open.1)
        )
    });
    raw(format!(r#"{{"stores":[{}],"balanced":true,"poison":0}}"#, stores.collect::<Vec<_>>().join(",")))
}

async fn actors() -> HttpResponse {
    let node = |path: &str, kind: &str, children: Vec<Value>| json!({ "path": path, "kind": kind, "state": "running", "generation": 1, "children": children });
    let windows = (1..=10).map(|store| node(&format!("root.windows.STORE_{store}"), "window", Vec::new())).collect();
    let router = node("root.router", "router", Vec::new());
    HttpResponse::Ok().json(node("root", "supervisor", vec![router, node("root.windows", "supervisor", windows)]))
}

async fn fault(state: web::Data<Shared>, request: HttpRequest, body: web::Json<Value>) -> HttpResponse {
    let mut state = lock(&state);
    let id = state.faults.len() + 1;
    let on_fault = state.on_fault;
    let outcome = match on_fault {
        OnFault::Forbid => return HttpResponse::Forbidden().json("off"),
        OnFault::Elsewhere if request.match_info().get("path").is_none() => {
            state.orders_elsewhere += 1;
            return HttpResponse::NotFound().json("the broker is elsewhere");
        }
        OnFault::Recover | OnFault::JudgeLater(_) | OnFault::Forget(_) | OnFault::Elsewhere => "recovered",
        OnFault::Nobody => "not_fired",
        OnFault::Slowly => "pending",
        OnFault::NotFired if body["kind"] == "panic_after" => "not_fired",
        OnFault::NotFired => "recovered",
        OnFault::Remain => "unrecovered",
    };
    let target = request.match_info().get("path").unwrap_or("environment");
    let verdict = json!({
        "detection_ms": 0.25, "restart_ms": 1.5, "generation_before": id, "generation_after": id + 1, "replayed": 3,
        "duplicates": 0, "lost": { "count": 0, "cents": 0 }, "double": null, "disturbed": [],
        "open": { "count": i64::from(matches!(on_fault, OnFault::JudgeLater(_) | OnFault::Forget(_))), "cents": 100 },
    });
    let record = json!({ "id": id, "target": target, "kind": body["kind"], "state": outcome, "verdict": verdict });
    state.faults.push(record.clone());
    if on_fault == OnFault::Slowly {
        return HttpResponse::ServiceUnavailable().json("busy");
    }
    HttpResponse::Accepted().json(record)
}

async fn faults(state: web::Data<Shared>) -> HttpResponse {
    let mut state = lock(&state);
    if state.on_fault == OnFault::Forbid {
        return HttpResponse::Forbidden().json("off");
    }
    let remembered = match state.on_fault {
        OnFault::Forget(count) => state.faults.len().min(count),
        _ => state.faults.len(),
    };
    let answer = HttpResponse::Ok().json(&state.faults[state.faults.len() - remembered..]);
    let later = match state.on_fault {
        OnFault::JudgeLater(lost) => Some(lost),
        OnFault::Forget(_) => Some(1),
        _ => None,
    };
    if let Some(lost) = later {
        // The first look comes too early.
        for fault in &mut state.faults {
            fault["verdict"]["lost"] = json!({ "count": lost, "cents": lost * 100 });
            fault["verdict"]["open"] = json!({ "count": 0, "cents": 0 });
        }
    }
    answer
}

async fn one_fault(state: web::Data<Shared>, id: web::Path<usize>) -> HttpResponse {
    let mut state = lock(&state);
    state.looks += 1;
    if state.looks.is_multiple_of(2) {
        state.faults[*id - 1]["state"] = json!("recovered");
    }
    HttpResponse::Ok().json(&state.faults[*id - 1])
}

async fn generator(state: web::Data<Shared>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "rate": lock(&state).rate, "running": true }))
}

async fn set_generator(state: web::Data<Shared>, body: web::Json<Value>) -> HttpResponse {
    let rate = u32::try_from(body["rate"].as_u64().unwrap()).unwrap();
    let mut state = lock(&state);
    state.rate = rate;
    state.rates.push(rate);
    HttpResponse::Ok().json(json!({ "rate": rate, "running": rate > 0 }))
}
