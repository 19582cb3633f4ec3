//! The floor: the least that an actix-web service must do with a sale. Two workers, a header compared, the body parsed once
//! into plain structs with floats, a small JSON answer. No rules, no broker; do not make it cleverer, figures compare with it.
#![expect(clippy::print_stdout, reason = "the harness reads the port from stdout")]

use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde::Deserialize;

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing them is the point")]
struct Sale {
    transaction_id: String,
    timestamp: String,
    store_id: String,
    cashier_id: String,
    items: Vec<Item>,
    total_amount: f64,
    payment_method: String,
    payment_status: String,
    customer_id: String,
    loyalty_points_earned: i64,
    receipt: Receipt,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing them is the point")]
struct Item {
    item_id: String,
    name: String,
    quantity: i64,
    price_per_unit: f64,
    total_price: f64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsing them is the point")]
struct Receipt {
    receipt_id: String,
    date: String,
    total_amount: f64,
    payment_method: String,
    transaction_id: String,
}

/// The `Authorization` header that is let in.
struct Expected(String);

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let expected = Data::new(Expected(std::env::var("BENCH_AUTHORIZATION")?));
    let route = || web::post().to(accept);
    let app = move || App::new().app_data(expected.clone()).route("/api/v1/pos/validate_transaction", route());
    let server = HttpServer::new(app).workers(2).bind(("127.0.0.1", 0))?;
    for address in server.addrs() {
        println!("http://{address}");
    }
    Ok(server.run().await?)
}

async fn accept(request: HttpRequest, body: Bytes, expected: Data<Expected>) -> HttpResponse {
    let sent = request.headers().get(AUTHORIZATION);
    if sent.is_none_or(|value| value.as_bytes() != expected.0.as_bytes()) {
        return HttpResponse::Unauthorized().finish();
    }
    match serde_json::from_slice::<Sale>(&body) {
        Ok(sale) => HttpResponse::Ok().json(serde_json::json!({
            "status": "success", "transaction_id": sale.transaction_id, "message": "Transaction accepted"
        })),
        Err(_) => HttpResponse::UnprocessableEntity().finish(),
    }
}
