//! An actor that fails more often than its budget allows: readiness says who and why, and it comes back by itself.
//! What happens within the budget is in `faults`.

use std::time::Duration;

use serde_json::json;

use crate::support::{Sale, Setup, eventually};

const SOON: Duration = Duration::from_secs(60);
const WINDOW: &str = "root.pipeline.windows.STORE_1";

#[tokio::test]
async fn an_actor_over_its_budget_is_named_by_readiness_and_its_panic_to_the_admin_and_comes_back_by_itself() {
    let setup = Setup::new().setting("supervision.max_restarts", "2").setting("supervision.within", "4s");
    let setup = setup.setting("supervision.backoff_min", "500ms").setting("supervision.backoff_max", "2s");
    let app = setup.start().await;
    let sale = Sale::new("STORE_1", 100);
    app.accept(&sale).await;

    let not_ready = eventually("readiness to name the actor", SOON, async || {
        let kill = app.request("POST", &format!("/api/v1/actors/{WINDOW}/fault"), "admin");
        app.send(kill.header("prefer", "respond-async").json(&json!({"kind": "panic"}))).await;
        let ready = app.get("/health/ready", "").await;
        if ready.status == 503 { Ok(ready.text) } else { Err(ready.text) }
    })
    .await;
    assert!(not_ready.contains(WINDOW) && !not_ready.contains("panic"), "{not_ready}");
    let actors = app.get("/api/v1/actors", "admin").await.text;
    assert!(actors.contains("panic"), "{actors}");
    assert_eq!(app.get("/health/live", "").await.status, 200);

    eventually("readiness to come back by itself", SOON, async || {
        let ready = app.get("/health/ready", "").await;
        if ready.status == 200 { Ok(()) } else { Err(ready.text) }
    })
    .await;
    app.accept(&sale).await;
    assert_eq!(app.final_window_of(&sale).await.total_amount, 100);
    app.ledger_balances().await;
}
