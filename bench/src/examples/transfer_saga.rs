//! A transfer is made, one is refused by the other bank, and one is taken back in time: no money comes or goes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::json;

use super::{Example, Stage};
use crate::client::Request;
use crate::sink::{Answer, Call};

pub(super) const EXAMPLE: Example = Example {
    name: "transfer-saga",
    services,
    story: |stage| Box::pin(play(stage)),
};

fn services(call: &Call, _: &[Call]) -> Answer {
    let (method, path) = call.route();
    match (method, &path[..]) {
        ("POST", ["banks", ..]) if call.body["account"] == "closed" => {
            Answer::of(409, json!({"error": "the account is closed"}))
        }
        // The bank is away just when something has to be put back.
        ("POST", ["banks", "north", "entries"])
            if !call.body["reverses"].is_null() && call.number < 3 =>
        {
            Answer::of(503, json!({"error": "closed for the night"}))
        }
        ("POST", ["banks", bank, "entries"]) => Answer::of(
            201,
            json!({"entry": format!("{bank}-{}", call.key().unwrap_or_default())}),
        ),
        _ => Answer::of(404, json!({"error": "no such service"})),
    }
}

/// What is on the accounts: every entry that a bank has taken, once for each key.
fn balances(calls: &[Call]) -> BTreeMap<String, i64> {
    let mut known = BTreeSet::new();
    let mut balances = BTreeMap::new();
    for call in calls.iter().filter(|call| call.status == 201) {
        if known.insert(call.key()) {
            let account = call.body["account"].as_str().unwrap_or_default();
            *balances.entry(account.to_owned()).or_default() +=
                call.body["amount"].as_i64().unwrap_or_default();
        }
    }
    balances
}

async fn play(stage: &mut Stage) -> Result<()> {
    let run = stage
        .trigger(json!({"from": "ada", "to": "bob", "amount": 100}))
        .await?;
    stage.ended(&run, "success").await?;
    let expected = BTreeMap::from([("ada".to_owned(), -100), ("bob".to_owned(), 100)]);
    ensure!(
        balances(&stage.calls()) == expected,
        "the accounts are {:?}",
        balances(&stage.calls())
    );
    stage.saw("100 went from ada to bob");

    let first = stage.calls().len();
    let run = stage
        .trigger(json!({"from": "ada", "to": "closed", "amount": 50}))
        .await?;
    let run = stage.ended(&run, "failed").await?;
    ensure!(
        run["failure"]["step"] == "deposit",
        "it failed as {}",
        run["failure"]
    );
    ensure!(
        run["step_results"]["withdraw.compensate"]["status"] == "success",
        "it was put back: {run}"
    );
    let told = stage.told(first);
    let north = |status: u16| format!("POST /banks/north/entries -> {status}");
    let refused = "POST /banks/south/entries -> 409".to_owned();
    ensure!(
        told == [north(201), refused, north(503), north(503), north(201)],
        "the banks were told {told:#?}"
    );
    let keys: BTreeSet<_> = stage.calls()[first + 2..]
        .iter()
        .map(|call| call.key().map(str::to_owned))
        .collect();
    ensure!(
        keys.len() == 1,
        "all attempts to put it back carry one key: {keys:?}"
    );
    ensure!(
        balances(&stage.calls()) == expected,
        "the accounts are {:?}",
        balances(&stage.calls())
    );
    stage
        .saw("50 could not be paid in, and were put back at the third attempt, under the same key");

    let run = stage
        .trigger(json!({"from": "ada", "to": "bob", "amount": 5000}))
        .await?;
    stage
        .until(&run, "the time to think again", |run| {
            run["waiting_for"]["step"] == "cool-off"
        })
        .await?;
    let cancel = Request::post(&format!("/api/v1/runs/{run}/cancel"));
    let (status, answer) = stage
        .ask(cancel, Some(&json!({"reason": "it was a trick"})))
        .await?;
    ensure!(
        status < 300,
        "the transfer cannot be cancelled ({status}): {answer}"
    );
    stage.ended(&run, "cancelled").await?;
    ensure!(
        balances(&stage.calls()) == expected,
        "the accounts are {:?}",
        balances(&stage.calls())
    );
    stage.saw("5000 were withdrawn, somebody thought again, and they were put back");
    Ok(())
}
