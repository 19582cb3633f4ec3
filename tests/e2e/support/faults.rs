//! An operator who breaks things: actors as `/actors` shows them, faults and their verdicts.
//! Judges only that a fault is taken; what a verdict must say is each test's business.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, TestApp, eventually};

/// A recovery takes milliseconds, or as long as the fault itself; a loaded machine may take its time.
const VERDICT_WITHIN: Duration = Duration::from_secs(60);

/// Quick windows are final after seconds, and verdicts look at them every 5 s, some times when they do not trust it.
const JUDGED_WITHIN: Duration = Duration::from_secs(90);

/// One node of `/api/v1/actors`.
#[derive(Debug, Clone, Deserialize)]
pub struct Actor {
    pub path: String,
    pub kind: String,
    pub state: String,
    pub generation: u64,
    pub last_failure: Option<String>,
    children: Vec<Actor>,
}

impl TestApp {
    /// Every actor and supervisor, parents first.
    pub async fn actors(&self) -> Vec<Actor> {
        let answer = self.get("/api/v1/actors", "admin").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let mut waiting: Vec<Actor> = vec![serde_json::from_str(&answer.text).unwrap()];
        let mut actors = Vec::new();
        while let Some(mut actor) = waiting.pop() {
            waiting.append(&mut actor.children);
            actors.push(actor);
        }
        actors
    }

    /// One of them.
    pub async fn actor(&self, path: &str) -> Actor {
        let actors = self.actors().await;
        let paths: Vec<_> = actors.iter().map(|actor| actor.path.clone()).collect();
        actors.into_iter().find(|actor| actor.path == path).unwrap_or_else(|| panic!("no `{path}` among {paths:?}"))
    }

    /// Breaks an actor, as the admin.
    pub async fn break_actor(&self, path: &str, order: &Value) -> Answer {
        self.send(self.request("POST", &format!("/api/v1/actors/{path}/fault"), "admin").json(order)).await
    }

    /// Breaks the environment and does not wait for the recovery.
    pub async fn break_environment(&self, order: &Value) -> u64 {
        let request = self.request("POST", "/api/v1/faults/environment", "admin").header("prefer", "respond-async");
        let answer = self.send(request.json(order)).await;
        assert_eq!(answer.status, 202, "{order}: {}", answer.text);
        assert_eq!(answer.json()["state"], "pending", "{}", answer.text);
        answer.json()["id"].as_u64().unwrap()
    }

    /// Breaks an actor and waits until the fault is over.
    pub async fn fault(&self, path: &str, order: &Value) -> Value {
        let answer = self.break_actor(path, order).await;
        assert_eq!(answer.status, 202, "{path} {order}: {}", answer.text);
        let record = answer.json();
        assert_eq!(answer.header("location"), format!("/api/v1/faults/{}", record["id"]));
        self.over(record["id"].as_u64().unwrap()).await
    }

    /// Waits until a fault is over.
    pub async fn over(&self, id: u64) -> Value {
        eventually(&format!("the verdict on fault {id}"), VERDICT_WITHIN, async || {
            let answer = self.get(&format!("/api/v1/faults/{id}"), "admin").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let record = answer.json();
            if record["state"] == "pending" { Err(answer.text) } else { Ok(record) }
        })
        .await
    }

    /// Breaks an actor and insists on its recovery without loss.
    pub async fn recovers(&self, path: &str, order: &Value) -> Value {
        let record = self.fault(path, order).await;
        assert_eq!(record["state"], "recovered", "{record}");
        assert_nothing_lost(&record);
        record["verdict"].clone()
    }

    /// Waits until no store has a sale in a window that is not final, and the books balance.
    pub async fn all_windows_are_final(&self) {
        eventually("every window of every store to be final", JUDGED_WITHIN, async || {
            let answer = self.get("/api/v1/ledger", "admin").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let ledger = answer.json();
            let stores = ledger["stores"].as_array().unwrap();
            let is_settled = !stores.is_empty() && stores.iter().all(|store| store["open"]["count"] == 0);
            if is_settled { Ok(()) } else { Err(answer.text) }
        })
        .await;
        self.ledger_balances().await;
    }

    /// Waits until every verdict has judged all windows that it had left open, and insists that none was a loss. Most
    /// of them must say so in figures: null is where a fault hit the ledger itself.
    pub async fn faults_cost_nothing(&self) {
        let records = eventually("the verdicts on windows that were open", JUDGED_WITHIN, async || {
            let answer = self.get("/api/v1/faults", "admin").await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let records = answer.json().as_array().unwrap().clone();
            let open = records.iter().find(|record| record["verdict"]["open"]["count"].as_i64() > Some(0)).cloned();
            open.map_or(Ok(records), |record| Err(record.to_string()))
        })
        .await;
        records.iter().for_each(assert_nothing_lost);
        let judged = records.iter().filter(|record| record["verdict"]["lost"].is_object()).count();
        assert!(judged * 2 > records.len(), "{judged} of {} verdicts have figures: {records:#?}", records.len());
    }
}

/// So far: the ledger judges final windows only, and null is where it was busy. `faults_cost_nothing` asks again when all
/// windows are final.
pub fn assert_nothing_lost(record: &Value) {
    let nothing = json!({"count": 0, "cents": 0});
    for side in ["lost", "double"] {
        let amount = &record["verdict"][side];
        assert!(amount.is_null() || *amount == nothing, "{record}");
    }
}
