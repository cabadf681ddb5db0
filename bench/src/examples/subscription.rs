//! Somebody subscribes, stays for two periods, and leaves in the third.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Example, Stage};
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "subscription",
    services,
    story: |stage| Box::pin(play(stage)),
};

fn services(call: &Call, _: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        // The card does not work at once in the second period.
        ("POST", ["payments"]) if call.body["period"] == 2 && call.number == 1 => {
            Answer::of(503, json!({"error": "ask again"}))
        }
        ("POST", ["payments"]) => Answer::of(201, json!({})),
        ("PUT", ["subscriptions", _]) => Answer::ok(json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

/// The run of the latest period, as the shop knows it.
fn now(calls: &[Call]) -> Option<(u64, String)> {
    let begun = calls.iter().rfind(|call| call.body["state"] == "active")?;
    let run = begun.body["run"].as_str()?.to_owned();
    Some((begun.body["period"].as_u64()?, run))
}

async fn play(stage: &mut Stage) -> Result<()> {
    stage
        .trigger(json!({"customer": "ada", "price": 9}))
        .await?;
    stage
        .until_called("the third period", |calls| {
            now(calls).is_some_and(|(period, _)| period >= 3)
        })
        .await?;
    // A signal to a run that has just ended is refused, and the shop sends it to the next, which it knows by then.
    let (period, run) = loop {
        let (period, run) = now(&stage.calls()).context("a period has begun")?;
        if stage
            .signal(&run, "cancel", &json!({"why": "too much tea"}))
            .await?
        {
            let ended = stage.ended(&run, "success").await?;
            // Accepted a moment too late, after the period was over.
            if ended["output"]["stays"] == true {
                continue;
            }
            ensure!(
                ended["output"] == json!({"stays": false, "next": null}),
                "the output is {}",
                ended["output"]
            );
            break (period, run);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let calls = stage.calls();
    let paid = calls
        .iter()
        .filter(|call| call.path == "/payments" && call.status == 201);
    let paid: Vec<&Value> = paid.map(|call| &call.body["period"]).collect();
    let expected: Vec<Value> = (2..=period).map(Value::from).collect();
    ensure!(
        paid == expected.iter().collect::<Vec<_>>(),
        "every period but the first is paid once: {paid:?}"
    );
    let last = calls.last().context("there were calls")?;
    ensure!(
        last.body == json!({"state": "cancelled", "period": period, "why": "too much tea"}),
        "at the end the shop is told {}",
        last.body
    );
    let runs = calls.iter().filter(|call| call.body["state"] == "active");
    let runs: Vec<&Value> = runs.map(|call| &call.body["run"]).collect();
    ensure!(
        runs.last().is_some_and(|last| *last == &run),
        "nothing begins after the end: {runs:?}"
    );
    stage.saw(format!("{period} periods were {} runs; the first was free, each other was paid once; in the last a signal ended it", runs.len()));
    Ok(())
}
