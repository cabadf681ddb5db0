//! An order goes out; another cannot, and is undone.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Example, Stage};
use crate::client::Request;
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "order-fulfilment",
    services,
    story: |stage| Box::pin(play(stage)),
};

fn services(call: &Call, _: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("POST", ["stock", "reservations"]) => {
            let price = call.body["count"].as_u64().unwrap_or_default() * 10;
            Answer::of(
                201,
                json!({"id": format!("r-{}", text(&call.body["sku"])), "price": price}),
            )
        }
        // The payment service is away at first.
        ("POST", ["payments"]) if call.number == 1 => {
            Answer::of(503, json!({"error": "back soon"}))
        }
        ("POST", ["payments"]) => {
            Answer::of(201, json!({"id": "p-1", "amount": call.body["amount"]}))
        }
        ("POST", ["shipments"]) if call.body["to"] == "the moon" => {
            Answer::of(422, json!({"error": "nobody goes there"}))
        }
        ("POST", ["shipments"]) => Answer::of(201, json!({"tracking": "T-7"})),
        ("DELETE", ["stock", "reservations", _])
        | ("POST", ["payments", _, "refund"] | ["mails"])
        | ("PUT", ["orders", _]) => Answer::ok(json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn order(id: u32, address: &str) -> Value {
    let items = json!([{"sku": "tea", "count": 2}, {"sku": "pot", "count": 1}]);
    json!({"order_id": id, "customer": "ada@example.com", "address": address, "items": items})
}

async fn play(stage: &mut Stage) -> Result<()> {
    let run = stage.trigger(order(7, "12 Mill Lane")).await?;
    let run = stage.ended(&run, "success").await?;
    ensure!(
        run["output"] == json!({"tracking": "T-7", "paid": 30}),
        "the output is {}",
        run["output"]
    );
    let told = stage.told(0);
    let expected = [
        "POST /stock/reservations -> 201",
        "POST /stock/reservations -> 201",
        "POST /payments -> 503",
        "POST /payments -> 201",
        "POST /shipments -> 201",
        "POST /mails -> 200",
        "PUT /orders/7 -> 200",
    ];
    ensure!(
        told == expected,
        "an order that goes out is told so: {told:#?}"
    );
    let calls = stage.calls();
    ensure!(
        calls[2].key().is_some() && calls[2].key() == calls[3].key(),
        "both attempts to charge carry one key"
    );
    ensure!(
        calls[6].body["state"] == "shipped",
        "the shop is told {}",
        calls[6].body
    );
    stage.saw(format!(
        "order 7 went out: {}; the card was charged at the second attempt, under the same key",
        run["output"]
    ));

    let first = stage.calls().len();
    let run = stage.trigger(order(8, "the moon")).await?;
    let run = stage.ended(&run, "failed").await?;
    ensure!(
        run["failure"]["step"] == "ship" && run["failure"]["code"] == "http-422",
        "it failed as {}",
        run["failure"]
    );
    let mut told = stage.told(first);
    // The reservations were made beside each other: which came first is chance, and they go in the reverse order.
    if let Some(released) = told.get_mut(6..8) {
        released.sort_unstable();
    }
    let expected = [
        "POST /stock/reservations -> 201",
        "POST /stock/reservations -> 201",
        "POST /payments -> 503",
        "POST /payments -> 201",
        "POST /shipments -> 422",
        "POST /payments/p-1/refund -> 200",
        "DELETE /stock/reservations/r-pot -> 200",
        "DELETE /stock/reservations/r-tea -> 200",
        "POST /mails -> 200",
        "PUT /orders/8 -> 200",
    ];
    ensure!(
        told == expected,
        "an order that cannot go out is undone: {told:#?}"
    );
    let calls = stage.calls();
    let (mail, closed) = (&calls[first + 8].body, &calls[first + 9].body);
    ensure!(
        mail["why"] == "ship: http-422" && closed["state"] == "failed",
        "told were {mail} and {closed}"
    );
    stage.saw("order 8 could not be shipped: it was refunded, both reservations were given back, and the customer was told");

    let body = json!({"workflow_id": stage.workflow(), "payload": {"order_id": 9, "items": []}});
    let (status, refused) = stage
        .ask(Request::post("/api/v1/trigger"), Some(&body))
        .await?;
    ensure!(
        status == 422,
        "an order without items is no order: {refused}"
    );
    stage.saw("order 9, without items or customer, was refused: no run began");
    Ok(())
}
