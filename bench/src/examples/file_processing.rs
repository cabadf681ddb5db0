//! Five files, one of which cannot be read.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{Example, Stage};
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "file-processing",
    services,
    story: |stage| Box::pin(play(stage)),
};

const FILES: [(&str, &str); 5] = [
    ("monday.csv", "sku,count,price\ntea,3,4\npot,1,20\n"),
    ("tuesday.csv", "sku,count,price\ntea,5,4\n"),
    ("wednesday.csv", "sku,count,price\ntea,many,4\n"),
    ("thursday.csv", "sku,count,price\n"),
    ("friday.csv", "sku,count,price\npot,2,20\ncup,4,2\n"),
];

fn services(call: &Call, _: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["inbox"]) => Answer::ok(json!({"files": FILES.map(|(name, _)| name)})),
        ("GET", ["inbox", name]) => match FILES.iter().find(|(known, _)| known == name) {
            Some((_, text)) => Answer::ok(json!(text)),
            None => Answer::of(404, json!({"error": "no such file"})),
        },
        ("PUT", ["warehouse", "sales", _] | ["done" | "failed", _]) => Answer::ok(json!({})),
        ("POST", ["chat"]) => Answer::of(201, json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

async fn play(stage: &mut Stage) -> Result<()> {
    let run = stage.trigger(json!({})).await?;
    let run = stage.ended(&run, "success").await?;
    ensure!(
        run["output"] == json!({"done": 4, "failed": 1, "total": 100}),
        "the output is {}",
        run["output"]
    );
    let calls = stage.calls();
    let moved = |to: &str| {
        let moved = calls.iter().filter_map(|call| call.path.strip_prefix(to));
        let mut moved: Vec<&str> = moved.collect();
        moved.sort_unstable();
        moved
    };
    ensure!(
        moved("/done/") == ["friday.csv", "monday.csv", "thursday.csv", "tuesday.csv"],
        "put away are {:?}",
        moved("/done/")
    );
    ensure!(
        moved("/failed/") == ["wednesday.csv"],
        "put aside are {:?}",
        moved("/failed/")
    );
    let monday = calls
        .iter()
        .find(|call| call.path == "/warehouse/sales/monday.csv")
        .context("monday is written")?;
    let sales =
        json!([{"sku": "tea", "count": 3, "price": 4}, {"sku": "pot", "count": 1, "price": 20}]);
    ensure!(
        monday.body == json!({"sales": sales, "total": 32}),
        "monday is {}",
        monday.body
    );
    let last = calls.last().context("there were calls")?;
    let report = last.body["text"].as_str().unwrap_or_default();
    ensure!(
        report.starts_with("4 files, 100 in all.\n- monday.csv: 2 sales, 32\n")
            && report.contains("put aside"),
        "the report is {report}"
    );
    stage.saw("of five files four were written and put away, each by a run of its own; wednesday.csv was put aside; the chat was told:");
    for line in report.lines() {
        stage.saw(format!("  {line}"));
    }
    Ok(())
}
