//! GitHub delivers, delivers again, and somebody else tries to.

use anyhow::{Result, ensure};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Example, Stage};
use crate::client::Request;
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "github-to-chat",
    services,
    story: |stage| Box::pin(play(stage)),
};

/// What GitHub and Millwork know, and nobody else.
const SECRET: &str = "only for this example";

fn services(call: &Call, _: &[Call]) -> Answer {
    match call.route() {
        ("POST", path) if path == ["chat"] => Answer::of(201, json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

fn sign(body: &[u8], secret: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body);
    let digits: Vec<String> = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!("sha256={}", digits.concat()))
}

/// Sends what GitHub would send.
async fn deliver(
    stage: &mut Stage,
    event: &str,
    id: &str,
    body: &Value,
    secret: &str,
) -> Result<(u16, Value)> {
    let body = body.to_string();
    let request = Request::post("/hooks/examples/github")
        .header("content-type", "application/json")
        .header("x-github-event", event)
        .header("x-github-delivery", id)
        .header("x-hub-signature-256", &sign(body.as_bytes(), secret)?)
        .body(body.as_bytes());
    stage.send(request).await
}

async fn play(stage: &mut Stage) -> Result<()> {
    let secret = Request::put("/api/v1/secrets/example-github");
    let (status, answer) = stage.ask(secret, Some(&json!({"value": SECRET}))).await?;
    ensure!(
        status == 200,
        "the server does not take the secret ({status}): {answer}"
    );
    let opened = json!({
        "action": "opened", "issue": {"number": 5, "title": "It rattles"},
        "repository": {"full_name": "mill/wheel"}, "sender": {"login": "ada"},
    });
    // Deliveries that were made before, to a server that goes on, were others.
    let id = |n: u32| format!("{}-{n}", std::process::id());

    let (status, started) = deliver(stage, "issues", &id(1), &opened, SECRET).await?;
    ensure!(
        status == 200,
        "a signed delivery is refused ({status}): {started}"
    );
    let run = started["run_id"].as_str().unwrap_or_default().to_owned();
    let run = stage.ended(&run, "success").await?;
    ensure!(
        run["output"] == json!({"told": true}),
        "the output is {}",
        run["output"]
    );
    let said = stage
        .calls()
        .iter()
        .map(|call| call.body["text"].clone())
        .collect::<Vec<_>>();
    ensure!(
        said == ["ada opened mill/wheel#5: It rattles"],
        "the chat was told {said:?}"
    );
    let (_, again) = deliver(stage, "issues", &id(1), &opened, SECRET).await?;
    ensure!(
        again["run_id"] == started["run_id"],
        "a delivery that is sent again is the same run: {again}"
    );
    stage.saw(format!(
        "the chat was told {}, once, though GitHub delivered it twice",
        said[0]
    ));

    let (status, _) = deliver(stage, "issues", &id(2), &opened, "a guess").await?;
    ensure!(
        status == 401,
        "a delivery with a wrong signature is answered {status}"
    );
    stage.saw("a delivery that somebody else had signed was answered 401");

    let star = json!({"action": "created", "repository": {"full_name": "mill/wheel"}});
    let (_, started) = deliver(stage, "star", &id(3), &star, SECRET).await?;
    let run = started["run_id"].as_str().unwrap_or_default().to_owned();
    let run = stage.ended(&run, "success").await?;
    ensure!(
        run["output"] == json!({"told": false}) && stage.calls().len() == 1,
        "a star is told: {run}"
    );
    stage.saw("a star was taken, and nobody was told");
    Ok(())
}
