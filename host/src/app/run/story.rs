//! The events of a run as lines for people.

use std::collections::HashMap;

use millwork_core::time::Timestamp;
use serde_json::Value;

use crate::app::workflow::text;

/// What has been told of a run so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    began: Option<String>,
    /// When the first attempt at each step began.
    steps: HashMap<String, String>,
}

impl Story {
    /// The line about an event.
    pub(super) fn tell(&mut self, event: &Value) -> String {
        let at = text(event, "at");
        let step = step_of(event);
        if let Some(started_at) = event["started_at"].as_str() {
            let first = self.steps.entry(step.clone());
            first.or_insert_with(|| started_at.to_owned());
        }
        let kind = text(event, "type");
        if kind == "run-created" {
            self.began = Some(at.to_owned());
        }
        let is_of_the_run = kind.starts_with("run-") || kind.starts_with("end-");
        let is_of_a_step = !is_of_the_run && !step.is_empty();
        let since = match is_of_a_step {
            true => self.steps.get(&step),
            false => self.began.as_ref(),
        };
        let took = since.and_then(|since| between(since, at));
        let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
        let whose = if is_of_a_step { &step } else { "the run" };
        let told = tell(kind, event, &step, &took);
        format!("{}  {whose:20}  {told}", clock(at))
    }
}

fn tell(kind: &str, event: &Value, step: &str, took: &str) -> String {
    let attempt = &event["attempt"];
    let until = event["until"].as_str().map(clock);
    let signal = text(event, "signal");
    let failure = &event["failure"];
    let failure = format!("{}: {}", text(failure, "code"), text(failure, "message"));
    match kind {
        "run-created" => format!(
            "began: workflow {}, version {}",
            text(event, "workflow_id"),
            event["workflow_version"]
        ),
        "step-started" if *attempt == 1 => "is under way".to_owned(),
        "step-started" => format!("is tried again, attempt {attempt}"),
        "step-suspended" if event["run_id"].is_string() => {
            format!("waits for the run {}", text(event, "run_id"))
        }
        "step-suspended" => match (signal, until) {
            ("", Some(until)) => format!("sleeps until {until}"),
            ("", None) => "sleeps".to_owned(),
            (signal, Some(until)) => format!("waits for the signal \"{signal}\", until {until}"),
            (signal, None) => format!("waits for the signal \"{signal}\""),
        },
        "step-resumed" => match text(event, "woken_by") {
            "signal" => format!("got the signal \"{signal}\""),
            "signal-timeout" => "got no signal in time".to_owned(),
            _ => "woke up".to_owned(),
        },
        "step-succeeded" => format!("done{took}"),
        "step-retry-scheduled" => {
            let until = until.unwrap_or_default();
            format!("attempt {attempt} failed: {failure}; again at {until}")
        }
        "step-failed" if event["continued"] == true => {
            format!("failed{took}, and the run goes on: {failure}")
        }
        "step-failed" => format!("failed{took}: {failure}"),
        "loop-started" => {
            let items = event["items"].as_array().map_or(0, Vec::len);
            format!(
                "goes through {items} items, {} at a time",
                event["parallel"]
            )
        }
        "child-ended" => match text(event, "error") {
            "" => format!("its run has ended: {}", text(event, "status")),
            error => format!("its run has ended: {}: {error}", text(event, "status")),
        },
        "end-began" => format!("is about to end: {}", text(event, "status")),
        "run-retried" => {
            let steps = event["steps"].as_array().into_iter().flatten();
            let steps: Vec<_> = steps.filter_map(Value::as_str).collect();
            format!("is done again: {}", steps.join(", "))
        }
        "signal-received" => format!("was sent the signal \"{signal}\""),
        "run-succeeded" => format!("succeeded{took}"),
        "run-failed" if step.is_empty() => format!("failed{took}: {failure}"),
        "run-failed" => format!("failed{took}: step \"{step}\": {failure}"),
        "run-cancelled" | "run-paused" | "run-killed" => {
            let word = kind.strip_prefix("run-").unwrap_or(kind);
            match text(event, "reason") {
                "" => word.to_owned(),
                reason => format!("{word}: {reason}"),
            }
        }
        // What says it all with its name; and a later server may know more.
        other => {
            let words = other.strip_prefix("step-");
            let words = words.or_else(|| other.strip_prefix("run-"));
            words.unwrap_or(other).replace('-', " ")
        }
    }
}

fn step_of(event: &Value) -> String {
    let step = text(event, "step");
    match event["iteration"].as_u64() {
        Some(iteration) => format!("{step}[{iteration}]"),
        None => step.to_owned(),
    }
}

/// The time of the day, to the millisecond, out of a time as the API writes it.
fn clock(at: &str) -> &str {
    at.get(11..23).unwrap_or(at)
}

fn between(from: &str, to: &str) -> Option<String> {
    let read = |at: &str| at.parse::<Timestamp>().ok();
    let took = read(to)?.since(read(from)?);
    Some(match took.as_secs() {
        0 => format!("{} ms", took.as_millis()),
        1..60 => format!("{:.1} s", took.as_secs_f64()),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    })
}

/// A line that a step said.
pub(super) fn log_line(line: &Value) -> String {
    let (at, step) = (clock(text(line, "at")), step_of(line));
    let (level, message) = (text(line, "level"), text(line, "message"));
    format!("{at}  {step:20}  {level:5}  {message}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_reads_as_a_story() {
        let at = |millis: u32| {
            let (seconds, millis) = (millis / 1_000, millis % 1_000);
            format!("2026-01-31T09:00:{seconds:02}.{millis:03}000Z")
        };
        let event = |millis: u32, kind: &str, more: Value| {
            let mut event = json!({"seq": 0, "at": at(millis), "type": kind});
            let fields = event.as_object_mut().expect("it is one");
            fields.extend(more.as_object().cloned().unwrap_or_default());
            event
        };
        let failure = json!({"code": "http-503", "message": "busy"});
        let events = [
            event(
                0,
                "run-created",
                json!({"workflow_id": "019a", "workflow_version": 3}),
            ),
            event(
                40,
                "step-retry-scheduled",
                json!({"step": "fetch", "attempt": 1, "started_at": at(10), "failure": failure, "until": at(1_040)}),
            ),
            event(
                1_040,
                "step-started",
                json!({"step": "fetch", "attempt": 2}),
            ),
            event(
                1_510,
                "step-succeeded",
                json!({"step": "fetch", "attempt": 2, "started_at": at(1_040)}),
            ),
            event(
                1_520,
                "step-succeeded",
                json!({"step": "each", "iteration": 3, "attempt": 1, "started_at": at(1_515)}),
            ),
            event(
                1_530,
                "step-suspended",
                json!({"step": "nap", "attempt": 1, "started_at": at(1_520), "until": at(9_000)}),
            ),
            event(
                1_540,
                "step-suspended",
                json!({"step": "ask", "attempt": 1, "started_at": at(1_520), "signal": "approved"}),
            ),
            event(1_550, "signal-received", json!({"signal": "approved"})),
            event(
                1_560,
                "step-resumed",
                json!({"step": "ask", "woken_by": "signal", "signal": "approved"}),
            ),
            event(1_570, "step-skipped", json!({"step": "tell"})),
            event(1_580, "something-new", json!({"step": "tell"})),
            event(
                1_590,
                "step-failed",
                json!({"step": "ask", "attempt": 1, "started_at": at(1_520), "failure": failure}),
            ),
            event(
                1_600,
                "run-failed",
                json!({"step": "ask", "failure": failure}),
            ),
            event(1_610, "run-cancelled", json!({"reason": "taken back"})),
            event(
                1_620,
                "loop-started",
                json!({"step": "each", "items": [1, 2, 3], "parallel": 2}),
            ),
            event(
                1_630,
                "step-suspended",
                json!({"step": "ship", "attempt": 1, "started_at": at(1_630), "run_id": "019b"}),
            ),
            event(
                1_640,
                "child-ended",
                json!({"step": "ship", "run_id": "019b", "status": "failed", "error": "no"}),
            ),
            event(
                1_650,
                "step-failed",
                json!({"step": "opt", "attempt": 1, "started_at": at(1_640), "failure": failure, "continued": true}),
            ),
            event(1_660, "run-paused", json!({})),
            event(1_670, "run-resumed", json!({})),
            event(
                1_680,
                "end-began",
                json!({"step": "ship", "status": "failed", "failure": failure}),
            ),
            event(1_690, "run-killed", json!({"reason": "enough"})),
            event(1_700, "run-retried", json!({"steps": ["ship", "each[3]"]})),
        ];
        let mut story = Story::default();
        let lines: Vec<_> = events.iter().map(|event| story.tell(event)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        09:00:00.000  the run               began: workflow 019a, version 3
        09:00:00.040  fetch                 attempt 1 failed: http-503: busy; again at 09:00:01.040
        09:00:01.040  fetch                 is tried again, attempt 2
        09:00:01.510  fetch                 done in 1.5 s
        09:00:01.520  each[3]               done in 5 ms
        09:00:01.530  nap                   sleeps until 09:00:09.000
        09:00:01.540  ask                   waits for the signal "approved"
        09:00:01.550  the run               was sent the signal "approved"
        09:00:01.560  ask                   got the signal "approved"
        09:00:01.570  tell                  skipped
        09:00:01.580  tell                  something new
        09:00:01.590  ask                   failed in 70 ms: http-503: busy
        09:00:01.600  the run               failed in 1.6 s: step "ask": http-503: busy
        09:00:01.610  the run               cancelled: taken back
        09:00:01.620  each                  goes through 3 items, 2 at a time
        09:00:01.630  ship                  waits for the run 019b
        09:00:01.640  ship                  its run has ended: failed: no
        09:00:01.650  opt                   failed in 10 ms, and the run goes on: http-503: busy
        09:00:01.660  the run               paused
        09:00:01.670  the run               resumed
        09:00:01.680  the run               is about to end: failed
        09:00:01.690  the run               killed: enough
        09:00:01.700  the run               is done again: ship, each[3]
        "#);
    }

    #[test]
    fn a_line_of_a_log_names_its_step() {
        let line = json!({"at": "2026-01-31T09:00:01.500000Z", "level": "warn", "step": "fetch", "attempt": 1, "message": "slow"});
        assert_eq!(
            log_line(&line),
            "09:00:01.500  fetch                 warn   slow"
        );
    }
}
