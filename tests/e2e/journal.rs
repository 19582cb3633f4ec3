//! A broker that lets a flow hold few unacknowledged sales, under a load whose open windows hold thousands.
//! What a flow may not keep goes to the journal, so that it neither starves nor loses a sale.

use std::time::Duration;

use crate::drill::{assert_nothing_lost, count};
use crate::support::{Drill, Setup, pause};

const REST: Duration = Duration::from_secs(240);

/// Windows of this setup stay open for three seconds: at 1,000 sales per second thirty times what the flow may hold.
fn narrow() -> Setup {
    Setup::new().behind_a_proxy().setting("solace.max_unacked", "100").setting("smf.max_unacked", "100")
}

#[tokio::test]
async fn a_flow_that_may_hold_a_hundred_sales_carries_a_thousand_per_second() {
    let mut app = narrow().start().await;
    let mut drill = Drill::start(&app, &["--faults", "0", "--duration", "15s", "--load", "1000"]);
    drill.says("load", REST).await;

    // What the journal holds is not in memory alone: it must survive the process.
    pause(Duration::from_secs(6)).await;
    app.sigkill();
    app.start_again().await;
    let (code, report) = drill.ends(REST).await;

    assert_nothing_lost(code, &report);
    // The broker keeps no more than a hundred; without the journal the rest would still wait in its queue.
    assert!(count(&report, "/load/answered") > 5_000, "too little load to prove anything: {report:#}");
}
