//! Somebody answers at once; nobody answers until the head does; nobody answers.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Example, Stage};
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "approval-escalation",
    services,
    story: |stage| Box::pin(play(stage)),
};

fn services(call: &Call, _: &[Call]) -> Answer {
    match call.route() {
        ("POST", path) if path == ["chat"] || path == ["purchases"] => Answer::of(201, json!({})),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

fn wish(what: &str) -> Value {
    json!({"what": what, "amount": 900, "manager": "@mo", "head": "@hedy"})
}

fn yes(by: &str) -> Value {
    json!({"decision": "approved", "by": by, "data": {"cost_centre": "R7"}})
}

/// Whom the chat asked about something, and whether it was bought.
fn told(stage: &Stage, what: &str) -> (Vec<String>, bool) {
    let calls = stage.calls();
    let about = calls
        .iter()
        .filter(|call| call.body.to_string().contains(what));
    let (chat, bought): (Vec<&Call>, Vec<&Call>) = about.partition(|call| call.path == "/chat");
    let to = chat
        .iter()
        .map(|call| call.body["to"].as_str().unwrap_or_default().to_owned());
    (to.collect(), !bought.is_empty())
}

async fn play(stage: &mut Stage) -> Result<()> {
    let lathe = stage.trigger(wish("a lathe")).await?;
    let plane = stage.trigger(wish("a plane")).await?;
    let yacht = stage.trigger(wish("a yacht")).await?;

    // Without a cost centre it is no answer, and the run goes on waiting.
    stage
        .signal(
            &lathe,
            "decision",
            &json!({"decision": "approved", "by": "@mo"}),
        )
        .await?;
    stage.signal(&lathe, "decision", &yes("@mo")).await?;
    let run = stage.ended(&lathe, "success").await?;
    ensure!(
        run["output"] == json!({"approved": true, "by": "@mo", "asked": 1}),
        "the output is {}",
        run["output"]
    );
    let (asked, bought) = told(stage, "a lathe");
    ensure!(asked == ["@mo"] && bought, "asked were {asked:?}");
    stage.saw("the lathe: approved at once, nobody was reminded; an answer without the cost centre was not taken for one");

    stage.waits_for_signal(&plane, "third").await?;
    stage.signal(&plane, "decision", &yes("@hedy")).await?;
    let run = stage.ended(&plane, "success").await?;
    ensure!(
        run["output"] == json!({"approved": true, "by": "@hedy", "asked": 3}),
        "the output is {}",
        run["output"]
    );
    let (asked, bought) = told(stage, "a plane");
    ensure!(
        asked == ["@mo", "@mo", "@hedy"] && bought,
        "asked were {asked:?}"
    );
    stage.saw("the plane: the manager was reminded, the head was asked, and approved");

    let run = stage.ended(&yacht, "success").await?;
    ensure!(
        run["output"]["approved"] == false,
        "the output is {}",
        run["output"]
    );
    let (asked, bought) = told(stage, "a yacht");
    ensure!(
        asked == ["@mo", "@mo", "@hedy"] && !bought,
        "asked were {asked:?}, bought: {bought}"
    );
    stage.saw("the yacht: nobody answered, so it was not bought");
    Ok(())
}
