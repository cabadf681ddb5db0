//! Waits until somebody approves or rejects, and judges what they send.

use std::time::Duration;

use millwork_sdk::clock::{self, Timestamp};
use millwork_sdk::{
    Action, Context, Draft, Example, Failure, FieldError, Outcome, Resume, Span, Traits, Wake, log,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Verdict};
use crate::form::Form;

/// Answers that do not hold, after which the step gives up: each is written into the journal of the run.
const REFUSED_MAX: u32 = 100;
/// Problems of an answer that are written into the log.
const PROBLEMS_TOLD_MAX: usize = 10;

/// Waits until somebody approves or rejects. The answer is a signal:
/// `{"decision": "approved", "by": "ada@example.com", "comment": "…", "data": {…}}`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of the signal that carries the answer. The name of the step where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = 128))]
    name: Option<String>,
    /// What is to be decided, for the people who decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 10_000))]
    question: Option<String>,
    /// What has to be filled in to approve: a flat JSON Schema. The answer carries it as `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Form")]
    form: Option<Form>,
    /// How long to wait for an answer; for ever where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Span")]
    timeout: Option<Span>,
    /// What it comes to where nobody answers in time.
    #[serde(default)]
    on_timeout: OnTimeout,
    /// What a rejection comes to.
    #[serde(default)]
    on_rejected: OnRejected,
}

/// What it comes to where nobody answers in time.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OnTimeout {
    /// The step fails.
    #[default]
    Fail,
    /// The step completes, its `decision` is `none`.
    None,
    /// As though it had been rejected.
    Rejected,
    /// As though it had been approved, with an empty form.
    Approved,
}

/// What a rejection comes to.
#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum OnRejected {
    /// The step fails.
    #[default]
    Fail,
    /// The step completes, its `decision` is `rejected`.
    Continue,
}

/// What was decided.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    decision: Decision,
    /// Whether it was approved.
    approved: bool,
    /// Who answered, in their own words; null where nobody did or they did not say.
    by: Option<String>,
    /// What they said.
    comment: Option<String>,
    /// What they filled in.
    data: Map<String, Value>,
}

/// What was decided.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Decision {
    /// Yes.
    Approved,
    /// No.
    Rejected,
    /// Nobody answered in time.
    None,
}

/// What is kept while the step waits.
#[derive(Default, Deserialize, Serialize)]
struct Waiting {
    /// Until when, in microseconds since 1970.
    deadline: Option<u64>,
    /// How many answers did not hold.
    refused: u32,
}

/// Waits for somebody's approval.
pub struct Approval;

impl Action for Approval {
    type Config = Config;
    type Output = Output;

    const NAME: &'static str = "approval";
    const TITLE: &'static str = "Wait for an approval";
    const TRAITS: Traits = Traits::NONE.read_only().idempotent();
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

    fn examples() -> Vec<Example> {
        vec![
            Example::new(
                "Ask whether a release may go out, for two days",
                json!({"name": "release", "question": "May version ${payload.version} go out?", "timeout": "48h"}),
            ),
            Example::new(
                "Ask for an amount and a reason",
                json!({
                    "question": "Refund order ${payload.order}?",
                    "form": {
                        "properties": {
                            "amount": {"type": "number", "title": "Amount", "minimum": 0},
                            "reason": {"type": "string", "title": "Reason", "enum": ["damaged", "late", "other"]}
                        },
                        "required": ["amount"]
                    },
                    "on_rejected": "continue"
                }),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        let mut problems: Vec<_> = crate::check_name(draft).into_iter().collect();
        if let Some(form) = draft.get::<Form>("/form") {
            let found = form.problems().into_iter();
            problems.extend(found.map(|FieldError { path, message }| {
                FieldError::new(format!("/form{path}"), message)
            }));
        }
        problems
    }

    fn invoke(cx: &Context, config: Config) -> Result<Outcome<Output>, Failure> {
        match cx.resumed() {
            None => {
                let timeout = config
                    .timeout
                    .as_ref()
                    .map(|span| Duration::from(span.clone()));
                let deadline = timeout.map(|timeout| clock::now().saturating_add(timeout));
                let waiting = Waiting {
                    deadline: deadline.map(Timestamp::as_micros),
                    refused: 0,
                };
                wait(cx, &config, &waiting)
            }
            Some(resume) => match resume.cause() {
                Wake::Signal(signal) => match Answer::read(&signal.payload, config.form.as_ref()) {
                    Ok(answer) => answered(answer, &config),
                    Err(problems) => refused(cx, &config, resume, &problems),
                },
                // It suspends for nothing but its signal.
                Wake::SignalTimeout | Wake::Timer => nobody_answered(cx, &config),
            },
        }
    }
}

/// Suspends until an answer comes, or until there is no more time for one.
fn wait(cx: &Context, config: &Config, waiting: &Waiting) -> Result<Outcome<Output>, Failure> {
    let name = crate::name_of(cx, config.name.clone())?;
    let left = waiting
        .deadline
        .map(|deadline| Timestamp::from_micros(deadline).saturating_since(clock::now()));
    if let Some(question) = config.question.as_ref().filter(|_| waiting.refused == 0) {
        log::info!("{question}"; signal = name);
    }
    Ok(Outcome::wait_for_signal(name, left).state(waiting)?.into())
}

/// An answer that holds.
fn answered(answer: Answer, config: &Config) -> Result<Outcome<Output>, Failure> {
    let Answer {
        decision,
        by,
        comment,
        data,
    } = answer;
    let decision = match decision {
        Verdict::Approved => Decision::Approved,
        Verdict::Rejected => Decision::Rejected,
    };
    decided(
        Output {
            decision,
            approved: decision == Decision::Approved,
            by,
            comment,
            data,
        },
        config,
    )
}

/// An answer that does not hold: it is as though it had not come, but for a line in the log.
fn refused(
    cx: &Context,
    config: &Config,
    resume: &Resume,
    problems: &[FieldError],
) -> Result<Outcome<Output>, Failure> {
    let told: Vec<_> = problems
        .iter()
        .take(PROBLEMS_TOLD_MAX)
        .map(ToString::to_string)
        .collect();
    let told = told.join("; ");
    log::warn!("an answer was refused, and the step goes on waiting: {told}");
    let Waiting { deadline, refused } = resume.state()?;
    let waiting = Waiting {
        deadline,
        refused: refused + 1,
    };
    if waiting.refused >= REFUSED_MAX {
        let message =
            format!("{REFUSED_MAX} answers were refused, and that is the limit; the last: {told}");
        return Err(Failure::permanent("too-many-refused-answers", message));
    }
    wait(cx, config, &waiting)
}

fn nobody_answered(cx: &Context, config: &Config) -> Result<Outcome<Output>, Failure> {
    let decision = match config.on_timeout {
        OnTimeout::Fail => {
            let waited = config
                .timeout
                .as_ref()
                .map_or_else(String::new, |span| format!(" within {span}"));
            let name = crate::name_of(cx, config.name.clone())?;
            let message = format!("nobody answered {name:?}{waited}");
            return Err(Failure::permanent("approval-timeout", message));
        }
        OnTimeout::None => Decision::None,
        OnTimeout::Rejected => Decision::Rejected,
        OnTimeout::Approved => Decision::Approved,
    };
    decided(
        Output {
            decision,
            approved: decision == Decision::Approved,
            by: None,
            comment: None,
            data: Map::new(),
        },
        config,
    )
}

/// The decision as the output of the step, or as its failure.
fn decided(output: Output, config: &Config) -> Result<Outcome<Output>, Failure> {
    if let (Decision::Rejected, OnRejected::Fail) = (output.decision, config.on_rejected) {
        let by = output
            .by
            .as_deref()
            .map_or_else(String::new, |by| format!(" by {by}"));
        let comment = output
            .comment
            .as_deref()
            .map_or_else(String::new, |comment| format!(": {comment}"));
        let failure = Failure::permanent("rejected", format!("it was rejected{by}{comment}"));
        return Err(failure.with_details(output));
    }
    Ok(Outcome::completed(output))
}
