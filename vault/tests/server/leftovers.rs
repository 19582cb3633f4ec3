//! The root token is nowhere: not in a file, not in the secrets, not alive on the server.
//! The test sees it on the wire, as only the server and set-up do.

use std::sync::{Arc, Mutex};

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::{Bench, run};

/// Everything that the server said.
type Wire = Arc<Mutex<Vec<u8>>>;

/// Listens in on the way to the server; the answer is where.
async fn listen_in(server: String) -> (String, Wire) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let wire = Wire::default();
    let record = Arc::clone(&wire);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(server.trim_start_matches("http://")).await.unwrap();
            tokio::spawn(carry(client, server, Arc::clone(&record)));
        }
    });
    (address, wire)
}

async fn carry(client: TcpStream, server: TcpStream, record: Wire) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async { tokio::io::copy(&mut from_client, &mut to_server).await.map(drop) };
    let down = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            record.lock().unwrap().extend(&bytes[..count]);
            to_client.write_all(&bytes[..count]).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    let _ = tokio::join!(up, down);
}

#[tokio::test]
async fn d22_the_root_token_is_stored_nowhere_and_dead_at_the_end() {
    let bench = Bench::start().await;
    let mut set_up = bench.set_up();
    let (address, wire) = listen_in(bench.bao.address().to_owned()).await;
    set_up.server.url = address;

    run(&set_up).await.unwrap();

    let said = String::from_utf8_lossy(&wire.lock().unwrap()).into_owned();
    let (_, behind) = said.split_once("\"root_token\":\"").expect("the server gave one");
    let root_token = behind.split('"').next().unwrap();
    assert!(root_token.len() > 20, "{root_token}");
    let dead = bench.bao.call_as(root_token, Method::GET, "auth/token/lookup-self", None).await;
    assert_eq!(dead.0, 403, "it is alive");
    let picture = bench.picture().await;
    assert!(picture.keys().any(|path| path.starts_with("kv/data/")) && picture.len() > 60);
    for (place, text) in &picture {
        assert!(!text.contains(root_token), "it stands in {place}");
    }
    let audit = std::fs::read_to_string(bench.bao.directory().join("audit.log")).unwrap();
    assert!(audit.len() > 1_000 && !audit.contains(root_token));
    assert!(!bench.bao.log().contains(root_token));
}

#[tokio::test]
async fn d22_no_token_with_all_rights_is_alive_after_a_run_however_many_were_killed_before() {
    let bench = Bench::start().await;
    for _ in 0..3 {
        crate::bench::run_one_more_step(&bench.set_up()).await;
    }
    run(&bench.set_up()).await.unwrap();

    bench.looks().await;
    let (_, tokens) = bench.bao.list("auth/token/accessors").await;
    let mut with_all_rights = 0;
    for accessor in tokens["data"]["keys"].as_array().unwrap() {
        let order = serde_json::json!({ "accessor": accessor });
        let (_, token) = bench.bao.post("auth/token/lookup-accessor", order).await;
        with_all_rights += usize::from(token["data"]["policies"].as_array().unwrap().contains(&"root".into()));
    }
    assert_eq!(with_all_rights, 1, "only the test's own");
}
