//! Nine batches of two customers come at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Example, Stage};
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "batch-with-limit",
    services,
    story: |stage| Box::pin(play(stage)),
};

/// How long a row takes.
const ROW: Duration = Duration::from_millis(100);

fn services(call: &Call, _: &[Call]) -> Answer {
    match call.route() {
        ("POST", path) if matches!(path[..], ["customers", _, "rows"]) => Answer {
            after: ROW,
            ..Answer::of(201, json!({}))
        },
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

/// The calls that were surely under way when one came: those that came less than a row's time before it.
fn beside<'c>(calls: &'c [Call], at: &Call) -> impl Iterator<Item = &'c Call> {
    let at = at.at;
    let row = i64::try_from(ROW.as_micros()).unwrap_or(i64::MAX);
    calls
        .iter()
        .filter(move |call| (0..row).contains(&at.micros_since(call.at)))
}

async fn play(stage: &mut Stage) -> Result<()> {
    let mut runs = Vec::new();
    for (customer, batch) in (1..=6)
        .map(|n| ("acme", n))
        .chain((1..=3).map(|n| ("zenith", n)))
    {
        let payload = json!({"customer": customer, "batch": batch, "rows": [1, 2, 3, 4, 5, 6]});
        runs.push(stage.trigger(payload).await?);
    }
    // The sixth batch of the first customer cannot have begun: two take two rows' time, and four are before it.
    let waits = stage.run(&runs[5]).await?;
    ensure!(
        waits["waiting_for"]["limit"] == "concurrency" && waits["waiting_for"]["key"] == "acme",
        "the last batch of acme waits for its turn: {waits}"
    );
    let position = waits["waiting_for"]["position"].clone();
    for run in &runs {
        let ended = stage.ended(run, "success").await?;
        ensure!(
            ended["output"] == json!({"sent": 6}),
            "the output is {}",
            ended["output"]
        );
    }
    let calls = stage.calls();
    ensure!(
        calls.len() == 54,
        "nine batches of six rows are {} calls",
        calls.len()
    );
    let mut most = 0;
    for call in &calls {
        for customer in ["acme", "zenith"] {
            let path = format!("/customers/{customer}/rows");
            let together: Vec<&Call> = beside(&calls, call)
                .filter(|call| call.path == path)
                .collect();
            let mut batches: Vec<_> = together
                .iter()
                .filter_map(|call| call.body["batch"].as_u64())
                .collect();
            batches.sort_unstable();
            let rows_of_one = batches
                .chunk_by(|a, b| a == b)
                .map(<[u64]>::len)
                .max()
                .unwrap_or_default();
            batches.dedup();
            ensure!(
                batches.len() <= 2 && rows_of_one <= 3,
                "{customer} has batches {batches:?} under way, {rows_of_one} rows of one"
            );
            most = most.max(together.len());
        }
    }
    ensure!(
        most > 3,
        "two batches of a customer go beside each other, and there were never more than {most} rows"
    );
    stage.saw(format!("six batches of one customer and three of another: two at a time each, never more than {most} rows of a customer at once; the sixth said that it was number {position} in the queue"));
    Ok(())
}
