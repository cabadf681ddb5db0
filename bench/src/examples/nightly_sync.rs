//! A night brings what has changed; the next finds nothing new.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Example, Stage};
use crate::client::Request;
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "nightly-sync",
    services,
    story: |stage| Box::pin(play(stage)),
};

/// Rows that the shop has.
const ROWS: u64 = 120;

fn services(call: &Call, before: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["warehouse", "mark"]) => {
            let moves = before
                .iter()
                .filter(|call| call.method == "PUT" && call.path == "/warehouse/mark");
            let since = moves
                .last()
                .map_or_else(|| json!(0), |call| call.body["since"].clone());
            Answer::ok(json!({"since": since}))
        }
        ("GET", ["shop", "changes"]) => {
            let since: u64 = call
                .query("since")
                .and_then(|since| since.parse().ok())
                .unwrap_or_default();
            let rows: Vec<Value> = (since..ROWS).map(|n| json!({"sku": n})).collect();
            Answer::ok(json!({"rows": rows, "upto": ROWS}))
        }
        ("PUT", ["warehouse", "mark" | "rows"]) => Answer::ok(json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

async fn play(stage: &mut Stage) -> Result<()> {
    let nights = "two nights";
    stage
        .until_called(nights, |calls| {
            calls
                .iter()
                .filter(|call| call.path.starts_with("/shop"))
                .count()
                > 1
        })
        .await?;
    let path = format!(
        "/api/v1/runs?workflow_id={}&order=asc&limit=2",
        stage.workflow()
    );
    let (_, runs) = stage.ask(Request::get(&path), None).await?;
    let mut ended = Vec::new();
    for run in runs["items"].as_array().into_iter().flatten() {
        let uuid = run["uuid"].as_str().unwrap_or_default();
        ended.push(stage.ended(uuid, "success").await?);
    }
    let [first, second] = &ended[..] else {
        anyhow::bail!("two nights are two runs: {runs}");
    };
    ensure!(
        first["output"] == json!({"rows": ROWS}) && second["output"] == json!({"rows": 0}),
        "they brought {} and {}",
        first["output"],
        second["output"]
    );
    let ticks = (&first["started_by"]["at"], &second["started_by"]["at"]);
    ensure!(
        first["started_by"]["kind"] == "schedule" && ticks.0 != ticks.1,
        "they were started by {} and {}",
        first["started_by"],
        second["started_by"]
    );
    let calls = stage.calls();
    let written = calls.iter().filter(|call| call.path == "/warehouse/rows");
    let written: Vec<usize> = written
        .map(|call| call.body["rows"].as_array().map_or(0, Vec::len))
        .collect();
    let mut sizes = written.clone();
    sizes.sort_unstable();
    ensure!(sizes == [20, 50, 50], "120 rows are written as {written:?}");
    ensure!(
        second["step_results"]["move-mark"]["status"] == "skipped",
        "a night without news moves no mark"
    );
    stage.saw("the first night brought 120 rows in three requests and moved the mark; the next found nothing new");
    Ok(())
}
