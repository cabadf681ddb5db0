//! Twelve pages, which nobody knew beforehand, and a service that wants to be asked less often.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Example, Stage};
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "paging",
    services,
    story: |stage| Box::pin(play(stage)),
};

/// Pages of the list; more than workflows may stand inside each other.
const PAGES: u64 = 12;

fn services(call: &Call, _: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["api", _]) => {
            let cursor = call
                .query("cursor")
                .and_then(|cursor| cursor.strip_prefix('c'));
            let page: u64 = cursor.and_then(|page| page.parse().ok()).unwrap_or(1);
            if page == 4 && call.number == 1 {
                let busy = Answer::of(429, json!({"error": "not so fast"}));
                return Answer {
                    retry_after_secs: Some(1),
                    ..busy
                };
            }
            let next = (page < PAGES).then(|| format!("c{}", page + 1));
            Answer::ok(json!({"records": [page * 2 - 1, page * 2], "next": next}))
        }
        ("POST", ["lake", ..]) => Answer::of(201, json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

async fn play(stage: &mut Stage) -> Result<()> {
    let mut run = stage.trigger(json!({"list": "orders"})).await?;
    let mut runs = 0;
    loop {
        runs += 1;
        let ended = stage.ended(&run, "success").await?;
        match &ended["output"]["next"] {
            Value::Null => break,
            next => run = next.as_str().context("a run has an identifier")?.to_owned(),
        }
    }
    ensure!(runs == PAGES, "{PAGES} pages are {runs} runs");
    let calls = stage.calls();
    let kept = calls.iter().filter(|call| call.path == "/lake/orders");
    let kept: Vec<&Value> = kept
        .flat_map(|call| call.body["records"].as_array().into_iter().flatten())
        .collect();
    let expected: Vec<Value> = (1..=PAGES * 2).map(Value::from).collect();
    ensure!(
        kept == expected.iter().collect::<Vec<_>>(),
        "every record is kept once, in order: {kept:?}"
    );
    let last = calls.last().context("there were calls")?;
    ensure!(
        last.path == "/lake/orders/complete" && last.body == json!({"pages": PAGES}),
        "at the end it is told {} {}",
        last.path,
        last.body
    );
    let fourth: Vec<&Call> = calls
        .iter()
        .filter(|call| call.path.ends_with("cursor=c4"))
        .collect();
    ensure!(
        fourth.len() == 2 && fourth[1].at.micros_since(fourth[0].at) >= 1_000_000,
        "the fourth page is asked for twice, a second apart"
    );
    stage.saw("12 pages were 12 runs, one after the other, with every record kept once and in order; the fourth page wanted a second's patience, and got it");
    Ok(())
}
