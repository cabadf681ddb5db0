//! Executes the fake's runs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millwork_bench::time::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::template::{Scope, holds, render};
use super::{Fault, Memory, lock, webhook};

type Shared = Arc<Mutex<Memory>>;

/// Takes a run from where it is to its end.
pub(super) async fn execute(memory: Shared, run: String) {
    let steps = {
        let memory = lock(&memory);
        let Some(document) = memory.run(&run) else {
            return;
        };
        let workflow = document["workflow_id"].as_str().unwrap_or_default();
        let fourth = memory.places.get(&run) == Some(&3);
        match memory.fault {
            Fault::NeverEndsARun if fourth => return,
            _ => memory.workflows[workflow]["steps"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        }
    };
    let mut begun: HashSet<usize> = HashSet::new();
    let mut under_way = JoinSet::new();
    loop {
        let document = lock(&memory).run(&run).cloned().unwrap_or_default();
        for (index, step) in steps.iter().enumerate() {
            if is_done(&document, &step["name"]) {
                begun.insert(index);
            } else if !begun.contains(&index)
                && needs(&steps, index)
                    .iter()
                    .all(|need| is_done(&document, need))
            {
                begun.insert(index);
                under_way.spawn(perform(Arc::clone(&memory), run.clone(), step.clone()));
            }
        }
        match under_way.join_next().await {
            None => break,
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(message))) => return lock(&memory).end_run(&run, "failed", message.into()),
            Some(Err(_)) => return,
        }
    }
    let fault = lock(&memory).fault;
    let fourth = lock(&memory).places.get(&run) == Some(&3);
    match fault {
        Fault::FailsARun if fourth => {
            lock(&memory).end_run(&run, "failed", "step \"call\" failed: chance".into());
        }
        _ => lock(&memory).end_run(&run, "success", Value::Null),
    }
    if fault == Fault::CallsAfterTheEnd {
        for step in steps.iter().filter(|step| step["type"] == "webhook") {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let scope = RunScope(lock(&memory).run(&run).cloned().unwrap_or_default());
            let config = render(&step["config"], &scope, true).unwrap_or_default();
            drop(webhook::send(&config, &format!("{run}/call"), false).await);
        }
    }
}

fn is_done(run: &Value, step: &Value) -> bool {
    let status = &run["step_results"][step.as_str().unwrap_or_default()]["status"];
    status == "success" || status == "skipped"
}

/// The steps that a step waits for.
fn needs(steps: &[Value], index: usize) -> Vec<Value> {
    match steps[index]["needs"].as_array() {
        Some(needs) => needs.clone(),
        None => index
            .checked_sub(1)
            .map(|before| steps[before]["name"].clone())
            .into_iter()
            .collect(),
    }
}

struct RunScope(Value);

impl Scope for RunScope {
    fn find(&self, name: &str) -> Option<Value> {
        match name {
            "payload" => Some(self.0["payload"].clone()),
            "run" => Some(json!({"id": self.0["uuid"]})),
            step => Some(self.0["step_results"].get(step)?["output"].clone()),
        }
    }
}

async fn perform(memory: Shared, run: String, step: Value) -> Result<(), String> {
    let name = step["name"].as_str().unwrap_or_default().to_owned();
    let (scope, fault) = {
        let memory = lock(&memory);
        (
            RunScope(memory.run(&run).cloned().unwrap_or_default()),
            memory.fault,
        )
    };
    let started_at = Timestamp::now();
    let skipped = step["if"]
        .as_str()
        .is_some_and(|condition| !holds(condition, &scope));
    let result = match render(&step["config"], &scope, fault != Fault::LeavesPlaceholders) {
        _ if skipped => Ok(Value::Null),
        Err(problem) => Err(problem),
        Ok(config) if step["type"] == "delay" => Ok(delay(&memory, &config, fault).await),
        Ok(config) => call(&config, &step["retry"], &run, fault).await,
    };
    let (status, output, error) = match &result {
        Ok(_) if skipped => ("skipped", Value::Null, Value::Null),
        Ok(output) => ("success", output.clone(), Value::Null),
        Err(message) => ("failed", Value::Null, message.clone().into()),
    };
    let result_of_step = json!({
        "step_name": name, "status": status, "output": output, "error": error,
        "started_at": started_at.to_string(), "completed_at": Timestamp::now().to_string(),
    });
    lock(&memory).change(&run, |run| run["step_results"][&name] = result_of_step);
    result
        .map(|_| ())
        .map_err(|message| format!("step \"{name}\" failed: {message}"))
}

/// Seconds until a time; a little more than there are, since it must not be early.
fn until(text: &str) -> Option<f64> {
    let until: Timestamp = serde_json::from_value(text.into()).ok()?;
    let micros = until.micros_since(Timestamp::now()).max(0);
    Some((micros as f64 + 500.0) / 1e6)
}

async fn delay(memory: &Shared, config: &Value, fault: Fault) -> Value {
    let until = config["until"].as_str().and_then(until);
    let seconds = match &config["duration"] {
        Value::Null => until.unwrap_or(0.0),
        Value::String(text) => {
            text.strip_suffix("ms")
                .and_then(|ms| ms.parse::<f64>().ok())
                .unwrap_or(0.0)
                / 1e3
        }
        number => number.as_f64().unwrap_or(0.0),
    };
    let wait = match fault {
        Fault::WakesEarly => Duration::from_secs_f64(seconds * 0.5),
        _ => Duration::from_secs_f64(seconds),
    };
    let row = lock(memory).row.clone();
    let turn = if fault == Fault::SleepsInARow {
        Some(row.lock().await)
    } else {
        None
    };
    tokio::time::sleep(wait).await;
    drop(turn);
    json!({"type": "delay", "duration": config["duration"], "message": format!("Delayed for {seconds} seconds")})
}

async fn call(config: &Value, retry: &Value, run: &str, fault: Fault) -> Result<Value, String> {
    let attempts = match fault {
        Fault::NeverRetries => 1,
        _ => retry["max_attempts"].as_u64().unwrap_or(3),
    };
    let mut failure = String::new();
    for attempt in 1..=attempts {
        let key = match fault {
            Fault::SharesAKey => "the one key".to_owned(),
            Fault::ChangesKeys => format!("{run}/call/{attempt}"),
            _ => format!("{run}/call"),
        };
        match webhook::send(config, &key, fault == Fault::SendsAHeaderTwice).await {
            Ok(mut output) => {
                let status = output["status_code"].as_u64().unwrap_or(0);
                let accepted = config["accept_status"].as_array();
                if status < 300
                    || accepted.is_some_and(|accepted| accepted.contains(&status.into()))
                {
                    if fault == Fault::InventsAnswers {
                        output["response_data"]["call"] = 99.into();
                    }
                    return Ok(output);
                }
                failure = format!("answered {status}");
                if status < 500 {
                    return Err(failure);
                }
            }
            Err(error) => failure = format!("{error:#}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(failure)
}
