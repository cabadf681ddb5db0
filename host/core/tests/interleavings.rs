//! Every order in which the things may happen that happen to a run: small workflows, and all interleavings of answers, the
//! clock, crashes, late news, signals, the ends of other runs, and of somebody who pauses, resumes, cancels, kills and
//! retries, and of other runs that compete for a slot, each a bounded number of times.
//!
//! The world is that of the engine: a journal that is appended to where its reader expects its end, a row that says when
//! the run is due, at most one driver, who may be behind the journal, and who may die between writing and doing. In every
//! state it is asked whether
//!
//! - the journal folds to the run that the driver has in mind;
//! - a run that has ended stays so, until it is retried;
//! - each step came to its end once a round, and each of its compensations once, in the reverse order;
//! - nothing began while the run was held, or before the limit that binds it let it in; and it holds one slot, which it gives
//!   back, while another run competes for it;
//! - whatever has happened, the run can still come to an end without anybody's help: nothing waits that nobody wakes.
//!
//! `INTERLEAVINGS=deep cargo test -p millwork-core --test interleavings -- --nocapture` looks at many more.

#[path = "support/model.rs"]
mod model;
#[path = "support/plugins.rs"]
mod plugins;

use model::{Budget, explore};
use serde_json::{Value, json};

/// Explores a workflow, and says how many states it has.
fn all_is_well(name: &str, workflow: &Value, budget: Budget) {
    let is_deep = std::env::var_os("INTERLEAVINGS").is_some();
    let budget = if is_deep { budget.deep() } else { budget };
    let explored = explore(workflow, budget);
    println!(
        "{name}: {} states, {} transitions, {} of them ends",
        explored.states, explored.transitions, explored.ends
    );
    assert!(explored.states > 100, "that is not all: {explored:?}");
}

/// Nothing disturbs the run.
const CALM: Budget = Budget {
    failures: 0,
    retries: 0,
    crashes: 0,
    pauses: 0,
    cancels: 0,
    kills: 0,
    again: 0,
    signals: 0,
    others: 0,
};

fn saga() -> Value {
    json!({"name": "saga", "steps": [
        {"name": "a", "type": "webhook", "needs": [], "compensate": {"type": "webhook"}},
        {"name": "b", "type": "webhook", "needs": [], "compensate": {"type": "webhook"}},
        {"name": "c", "type": "webhook", "needs": ["a", "b"]},
    ], "finally": [{"name": "z", "type": "webhook"}]})
}

#[test]
fn a_saga_that_is_held_and_cancelled_and_whose_host_dies() {
    all_is_well(
        "saga, held",
        &saga(),
        Budget {
            pauses: 1,
            cancels: 1,
            crashes: 1,
            ..CALM
        },
    );
}

#[test]
fn a_saga_that_fails_and_is_done_again() {
    all_is_well(
        "saga, again",
        &saga(),
        Budget {
            failures: 1,
            again: 1,
            crashes: 1,
            ..CALM
        },
    );
}

#[test]
fn a_saga_that_is_killed_and_done_again_while_its_driver_is_behind() {
    all_is_well(
        "saga, killed",
        &saga(),
        Budget {
            kills: 1,
            again: 1,
            pauses: 1,
            ..CALM
        },
    );
}

#[test]
fn waits_for_the_clock_and_a_signal_and_a_time_limit() {
    all_is_well(
        "waits",
        &json!({"name": "waits", "timeout": "20s", "steps": [
            {"name": "nap", "type": "delay", "needs": [], "compensate": {"type": "webhook"}},
            {"name": "ask", "type": "signal", "needs": []},
        ], "on_failure": [{"name": "alert", "type": "webhook"}]}),
        Budget {
            signals: 1,
            pauses: 1,
            cancels: 1,
            ..CALM
        },
    );
}

#[test]
fn attempts_that_fail_and_are_made_again_while_the_run_is_held() {
    all_is_well(
        "retries",
        &json!({"name": "retries", "steps": [
            {"name": "a", "type": "webhook", "needs": [], "compensate": {"type": "webhook"}},
            {"name": "b", "type": "webhook", "needs": [], "retry": {"jitter": "none"}},
        ]}),
        Budget {
            retries: 1,
            pauses: 1,
            failures: 1,
            crashes: 1,
            ..CALM
        },
    );
}

#[test]
fn a_loop_that_passes_errors_over_and_is_undone() {
    all_is_well(
        "loop",
        &json!({"name": "loop", "steps": [
            {"name": "each", "type": "webhook", "foreach": [1, 2, 3], "max_parallel": 2, "on_error": "continue",
             "compensate": {"type": "webhook"}},
        ]}),
        Budget {
            failures: 1,
            crashes: 1,
            cancels: 1,
            pauses: 1,
            ..CALM
        },
    );
}

#[test]
fn a_loop_that_fails_and_is_done_again() {
    all_is_well(
        "loop, again",
        &json!({"name": "loop", "steps": [
            {"name": "each", "type": "webhook", "foreach": [1, 2, 3], "max_parallel": 2, "compensate": {"type": "webhook"}},
            {"name": "last", "type": "webhook"},
        ]}),
        Budget {
            failures: 1,
            again: 1,
            crashes: 1,
            ..CALM
        },
    );
}

#[test]
fn a_step_that_is_another_run() {
    all_is_well(
        "child",
        &json!({"name": "child", "steps": [
            {"name": "a", "type": "webhook", "compensate": {"type": "webhook"}},
            {"name": "ship", "type": "workflow", "config": {"workflow": "shipping"}},
            {"name": "b", "type": "webhook", "needs": ["a"]},
        ]}),
        Budget {
            failures: 1,
            cancels: 1,
            crashes: 1,
            pauses: 1,
            ..CALM
        },
    );
}

#[test]
fn attempts_that_may_be_made_only_once() {
    all_is_well(
        "once",
        &json!({"name": "once", "steps": [
            {"name": "a", "type": "webhook", "delivery": "at-most-once", "retry": {"max_attempts": 2}},
            {"name": "b", "type": "webhook", "delivery": "at-most-once", "on_error": "continue"},
        ], "finally": [{"name": "z", "type": "webhook", "delivery": "at-most-once"}]}),
        Budget {
            crashes: 2,
            retries: 1,
            pauses: 1,
            cancels: 1,
            ..CALM
        },
    );
}

/// One run at a time.
fn bound() -> Value {
    json!({"name": "bound", "concurrency": {"limit": 1}, "timeout": "20s", "steps": [
        {"name": "a", "type": "webhook", "needs": [], "compensate": {"type": "webhook"}},
        {"name": "nap", "type": "delay", "needs": []},
    ]})
}

#[test]
fn a_run_that_a_limit_binds_is_held_and_cancelled_beside_others() {
    all_is_well(
        "bound, cancelled",
        &bound(),
        Budget {
            pauses: 1,
            cancels: 1,
            others: 1,
            ..CALM
        },
    );
}

#[test]
fn a_run_that_a_limit_binds_is_cancelled_and_done_again_beside_others() {
    all_is_well(
        "bound, again",
        &bound(),
        Budget {
            cancels: 1,
            again: 1,
            others: 1,
            ..CALM
        },
    );
}

#[test]
fn a_run_that_a_limit_binds_fails_and_its_host_dies() {
    all_is_well(
        "bound, failing",
        &bound(),
        Budget {
            failures: 1,
            crashes: 1,
            again: 1,
            others: 1,
            ..CALM
        },
    );
}

#[test]
fn a_run_that_a_limit_binds_is_killed_while_its_driver_is_behind_and_sent_signals() {
    all_is_well(
        "bound, killed",
        &json!({"name": "bound", "concurrency": {"limit": 1}, "steps": [
            {"name": "ask", "type": "signal", "needs": []},
            {"name": "a", "type": "webhook", "needs": []},
        ], "finally": [{"name": "z", "type": "webhook"}]}),
        Budget {
            kills: 1,
            again: 1,
            signals: 1,
            others: 1,
            ..CALM
        },
    );
}
