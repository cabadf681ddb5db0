//! Forty companies are looked up; some are not known, and some only at the second attempt.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Example, Stage};
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "fan-out-enrichment",
    services,
    story: |stage| Box::pin(play(stage)),
};

fn services(call: &Call, _: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("GET", ["companies", domain]) if domain.starts_with("unknown") => {
            Answer::of(404, json!({"error": "never heard of it"}))
        }
        ("GET", ["companies", domain]) if domain.starts_with("slow") && call.number == 1 => {
            Answer::of(503, json!({"error": "too much to do"}))
        }
        ("GET", ["companies", domain]) => {
            Answer::ok(json!({"domain": domain, "people": domain.len()}))
        }
        ("POST", ["crm", _]) => Answer::of(201, json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

async fn play(stage: &mut Stage) -> Result<()> {
    let domain = |n: u32| match n {
        3 | 17 => format!("unknown-{n}.example"),
        5 | 6 => format!("slow-{n}.example"),
        _ => format!("company-{n}.example"),
    };
    let domains: Vec<String> = (0..40).map(domain).collect();
    let run = stage.trigger(json!({"domains": domains})).await?;
    let run = stage.ended(&run, "success").await?;
    ensure!(
        run["output"] == json!({"found": 38, "unknown": 2}),
        "the output is {}",
        run["output"]
    );
    let calls = stage.calls();
    let body = |path: &str| {
        let found = calls.iter().find(|call| call.path == path);
        found.map(|call| call.body.clone()).unwrap_or_default()
    };
    let saved = body("/crm/companies");
    let saved: Vec<&Value> = saved["companies"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|company| &company["domain"])
        .collect();
    let known: Vec<&String> = domains
        .iter()
        .filter(|domain| !domain.starts_with("unknown"))
        .collect();
    ensure!(
        saved == known,
        "saved is what was found, in the order of the list: {saved:?}"
    );
    let unknown = body("/crm/tasks");
    ensure!(
        unknown == json!({"unknown": ["http-404", "http-404"]}),
        "people are told {unknown}"
    );
    let looked_up = calls
        .iter()
        .filter(|call| call.path.starts_with("/companies/"))
        .count();
    ensure!(
        looked_up == 42,
        "40 lookups and two that were made again are {looked_up}"
    );
    stage.saw("of 40 companies 38 were found, two of them at the second attempt, and saved in the order of the list; 2 were left to people");
    Ok(())
}
