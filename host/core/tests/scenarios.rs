//! Stories of runs: commands in, events and effects out. The stories are in `scenarios/*.txt`; this file is the one
//! that knows the machine.
//!
//! Above a story's definition may stand `connector NAME [timeout SPAN] [attempts N]`, `payload JSON`, `env JSON`,
//! `limit NAME N`, `inside N` (a step of another run, so deep) and `vanished TYPE` (a plugin that was there when the workflow was created and is not when the run starts).
//!
//! The acts, each begun by `at TIME` (`crash` and `show` need none):
//!
//! ```text
//! take-up | admit | resync [STEP…] | wake | record-start STEP#ATTEMPT | crash | show
//! pause ["REASON"] | resume | cancel ["REASON"] | kill ["REASON"]
//! retry [from STEP | from-start] [with JSON], JSON being a definition: version 2 of the workflow
//! signal "NAME" JSON [key "KEY"]
//! child-ended STEP run N (success JSON | failed "ERROR" | cancelled)
//! return STEP#ATTEMPT completed JSON [said "TEXT"]
//! return STEP#ATTEMPT suspended (after SPAN | until TIME | signal "NAME" [for SPAN] | run N) [state "TEXT"] then (call-again | complete JSON)
//! return STEP#ATTEMPT failed KIND CODE "MESSAGE" [after SPAN] [details JSON] [chance N = 0.5] [said "TEXT"]
//! ```
//!
//! In the answers `+` is an event, `>` an effect, `!` a refusal, `~` the time at which the run wakes, where it changed,
//! and `=` how things stand.

#[path = "support/book.rs"]
mod book;
#[path = "support/plugins.rs"]
mod plugins;
#[path = "support/told.rs"]
mod told;
#[path = "support/words.rs"]
mod words;
#[path = "support/world.rs"]
mod world;

use std::collections::BTreeMap;

use millwork_core::command::{AttemptReturned, ChildEnd, Command, From, Retry, Signal};
use millwork_core::effect::Effect;
use millwork_core::event::{LogLevel, LogLine};
use millwork_core::graph::Graph;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use millwork_core::limits::Limits;
use millwork_core::outcome::{Failure, FailureKind, Outcome, Suspension, Then, Until};
use millwork_core::retry::Chance;
use millwork_core::run::RunStatus;
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use serde_json::Value;

use plugins::Plugins;
use words::Words;
use world::{Beginning, START, World};

#[test]
fn every_story_ends_as_it_is_written() {
    let stories = book::play::<Scene>("scenarios");
    assert!(stories > 0, "no story was found");
}

struct Scene {
    world: World,
    /// When each attempt was ordered: where a story does not say more, that is when it began.
    ordered: BTreeMap<(StepKey, u32), Timestamp>,
}

impl book::Stage for Scene {
    fn set(head: &str) -> Result<Self, String> {
        let mut beginning = Beginning {
            document: Value::Null,
            plugins: Plugins::new(),
            env: Value::Object(serde_json::Map::new()),
            payload: Json::empty_object(),
            vanished: Vec::new(),
            limits: Limits::default(),
            depth: None,
        };
        let mut rest = head;
        while !rest.starts_with('{') {
            let (line, below) = rest.split_once('\n').ok_or("there is no definition")?;
            let mut words = Words::of(line);
            match words.word("a setting")? {
                "connector" => {
                    let name = words.word("the name of a plugin")?;
                    let timeout = words.take("timeout").then(|| words.span()).transpose()?;
                    let attempts = words
                        .take("attempts")
                        .then(|| words.number("a number"))
                        .transpose()?;
                    beginning.plugins.insert(name, timeout, attempts);
                }
                "vanished" => beginning.vanished.push(words.word("a type")?.to_owned()),
                "payload" => beginning.payload = words.json()?,
                "inside" => beginning.depth = Some(words.number("a depth")?),
                "limit" => {
                    let limits = &mut beginning.limits;
                    match words.word("a limit")? {
                        "items" => limits.items_max = words.number("a number")?,
                        "outputs" => limits.outputs_max_bytes = words.number("a number")?,
                        "events" => limits.events_max = words.number("a number")?,
                        "depth" => limits.depth_max = words.number("a number")?,
                        other => return Err(format!("{other:?} is no limit")),
                    }
                }
                "env" => beginning.env = words.json()?.value().clone(),
                other => return Err(format!("{other:?} is no setting")),
            }
            words.end()?;
            rest = below;
        }
        beginning.document = serde_json::from_str(rest)
            .map_err(|error| format!("the definition is no JSON: {error}"))?;
        let world = World::create(beginning)
            .map_err(|problems| format!("the definition does not hold: {problems:#?}"))?;
        Ok(Self {
            world,
            ordered: BTreeMap::new(),
        })
    }

    fn act(&mut self, line: &str) -> Result<Vec<String>, String> {
        let mut words = Words::of(line);
        if words.take("crash") {
            self.world.crash();
            return words.end().map(|()| Vec::new());
        }
        if words.take("show") {
            return words.end().map(|()| told::run(&self.world.live));
        }
        if !words.take("at") {
            return Err("an act begins with `at TIME`, or is `crash` or `show`".to_owned());
        }
        let now = START.after(words.span()?);
        let command = self.read_command(&mut words, now)?;
        words.end()?;
        Ok(self.carry_out(command, now))
    }
}

impl Scene {
    fn carry_out(&mut self, command: Command, now: Timestamp) -> Vec<String> {
        let wakes_before = self.world.live.wake_at();
        let decision = match self.world.decide(command, now) {
            Ok(decision) => decision,
            Err(rejection) => {
                return vec![
                    format!("! {rejection}").replace(&self.world.live.id().to_string(), "R"),
                ];
            }
        };
        for effect in &decision.effects {
            let ordered = match effect {
                Effect::InvokePlugin(invoke) => (invoke.step.clone(), invoke.attempt),
                Effect::StartRun(start) => (start.step.clone(), start.attempt),
                Effect::CancelRun { .. } | Effect::StopAttempts => continue,
            };
            self.ordered.insert(ordered, now);
        }
        let mut lines: Vec<String> = decision.records.iter().map(told::event).collect();
        lines.extend(decision.effects.iter().map(told::effect));
        if self.world.live.wake_at() != wakes_before {
            let wakes = self
                .world
                .live
                .wake_at()
                .map_or_else(|| "never".to_owned(), told::time);
            lines.push(format!("~ wakes {wakes}"));
        }
        if lines.is_empty() {
            lines.push("nothing".to_owned());
        }
        lines
    }

    /// What a run goes on with; with another definition, that becomes the workflow.
    fn read_retry(&mut self, words: &mut Words<'_>) -> Result<Command, String> {
        let from = if words.take("from") {
            let quoted = words.is_quoted().then(|| words.text()).transpose()?;
            From::Step(match quoted {
                Some(name) => StepKey::of(name),
                None => read_step(words.word("a step")?)?,
            })
        } else if words.take("from-start") {
            From::Start
        } else {
            From::Failure
        };
        let mut version = self.world.live.version();
        if words.take("with") {
            version += 1;
            let document = words.json()?;
            let mut graph = Graph::load(document.value(), &self.world.graph.env)
                .map_err(|problems| format!("the definition does not hold: {problems:#?}"))?;
            graph.limits = self.world.graph.limits;
            self.world.graph = graph;
        }
        Ok(Command::Retry(Box::new(Retry {
            from,
            version,
            plugins: None,
        })))
    }

    fn read_command(&mut self, words: &mut Words<'_>, now: Timestamp) -> Result<Command, String> {
        match words.word("a command")? {
            "take-up" => Ok(Command::TakeUp),
            "admit" => Ok(Command::Admit),
            "wake" => Ok(Command::Wake),
            "resync" => {
                let mut under_way = Vec::new();
                while words.end().is_err() {
                    under_way.push(read_step(words.word("a step")?)?);
                }
                Ok(Command::Resync { under_way })
            }
            "record-start" => {
                let (step, attempt) = read_call(words)?;
                let round = self.world.live.round();
                Ok(Command::RecordStart {
                    step,
                    attempt,
                    round,
                })
            }
            "signal" => Ok(Command::Signal(Signal {
                name: words.text()?,
                payload: words.json()?,
                key: words.take("key").then(|| words.text()).transpose()?,
            })),
            "child-ended" => {
                let step = read_step(words.word("a step")?)?;
                if !words.take("run") {
                    return Err("`run N` is missing".to_owned());
                }
                let run = read_child(words)?;
                let (status, output, error) = match words.word("how it ended")? {
                    "success" => (RunStatus::Success, Some(words.json()?), None),
                    "failed" => (RunStatus::Failed, None, Some(words.text()?)),
                    "cancelled" => (RunStatus::Cancelled, None, None),
                    other => return Err(format!("{other:?} is no end")),
                };
                Ok(Command::EndChild(Box::new(ChildEnd {
                    step,
                    run,
                    status,
                    output,
                    error,
                })))
            }
            "pause" => Ok(Command::Pause {
                reason: read_reason(words)?,
            }),
            "resume" => Ok(Command::Resume),
            "cancel" => Ok(Command::Cancel {
                reason: read_reason(words)?,
            }),
            "kill" => Ok(Command::Kill {
                reason: read_reason(words)?,
            }),
            "retry" => self.read_retry(words),
            "return" => {
                let (step, attempt) = read_call(words)?;
                let began = self.ordered.get(&(step.clone(), attempt)).copied();
                let mut chance = 0.5;
                let result = match words.word("a result")? {
                    "completed" => Ok(Outcome::Completed(words.json()?)),
                    "suspended" => Ok(Outcome::Suspended(read_suspension(words)?)),
                    "failed" => Err(read_failure(words, &mut chance)?),
                    other => return Err(format!("{other:?} is no result")),
                };
                let said = words.take("said").then(|| words.text()).transpose()?;
                Ok(Command::CompleteAttempt(Box::new(AttemptReturned {
                    step,
                    attempt,
                    round: self.world.live.round(),
                    started_at: began.unwrap_or(now),
                    result,
                    log: said
                        .map(|message| LogLine {
                            at: now,
                            level: LogLevel::Info,
                            message,
                        })
                        .into_iter()
                        .collect(),
                    chance: chance_of(chance),
                })))
            }
            other => Err(format!("{other:?} is no command")),
        }
    }
}

fn read_reason(words: &mut Words<'_>) -> Result<Option<String>, String> {
    words.end().is_err().then(|| words.text()).transpose()
}

/// The run that a step waits for: stories name it by a number.
fn read_child(words: &mut Words<'_>) -> Result<RunId, String> {
    let mut bytes = [0; 16];
    bytes[15] = words.number("the number of a run")?;
    Ok(RunId::from_bytes(bytes))
}

/// `fetch`, or `loop[3]`.
fn read_step(word: &str) -> Result<StepKey, String> {
    let Some((name, iteration)) = word.strip_suffix(']').and_then(|step| step.split_once('['))
    else {
        return Ok(StepKey::of(word));
    };
    let iteration = iteration
        .parse()
        .map_err(|_| format!("{iteration:?} is no iteration"))?;
    Ok(StepKey {
        name: name.into(),
        iteration: Some(iteration),
    })
}

/// `fetch#2`, or `"two words"#2`, or `loop[3]#1`.
fn read_call(words: &mut Words<'_>) -> Result<(StepKey, u32), String> {
    let quoted = words.is_quoted().then(|| words.text()).transpose()?;
    let word = words.word("STEP#ATTEMPT")?;
    let (bare, attempt) = word
        .rsplit_once('#')
        .ok_or_else(|| format!("{word:?} is not STEP#ATTEMPT"))?;
    let attempt = attempt
        .parse()
        .map_err(|_| format!("{attempt:?} is no attempt"))?;
    let key = match quoted {
        Some(name) => StepKey::of(name),
        None => read_step(bare)?,
    };
    Ok((key, attempt))
}

fn read_suspension(words: &mut Words<'_>) -> Result<Suspension, String> {
    let until = match words.word("what it waits for")? {
        "after" => Until::After(words.span()?),
        "until" => Until::At(START.after(words.span()?)),
        "signal" => Until::Signal {
            name: words.text()?,
            timeout: words.take("for").then(|| words.span()).transpose()?,
        },
        "run" => Until::Run(read_child(words)?),
        other => return Err(format!("{other:?} is nothing to wait for")),
    };
    let state = words
        .take("state")
        .then(|| words.text())
        .transpose()?
        .unwrap_or_default()
        .into_bytes();
    if !words.take("then") {
        return Err("`then` is missing".to_owned());
    }
    let then = match words.word("what happens then")? {
        "call-again" => Then::CallAgain,
        "complete" => Then::Complete(words.json()?),
        other => return Err(format!("{other:?} is nothing that happens then")),
    };
    Ok(Suspension { until, state, then })
}

fn read_failure(words: &mut Words<'_>, chance: &mut f64) -> Result<Failure, String> {
    let kind = words.word("a kind of failure")?;
    let (code, message) = (words.word("a code")?, words.text()?);
    let after = words.take("after").then(|| words.span()).transpose()?;
    let kind = match kind {
        "retryable" => FailureKind::Retryable,
        "rate-limited" => FailureKind::RateLimited {
            after_ms: after
                .map(|after| u64::try_from(after.as_millis()).expect("it is a short time")),
        },
        "permanent" => FailureKind::Permanent,
        "timeout" => FailureKind::Timeout,
        "cancelled" => FailureKind::Cancelled,
        "outcome-unknown" => FailureKind::OutcomeUnknown,
        other => return Err(format!("{other:?} is no kind of failure")),
    };
    let details = words.take("details").then(|| words.json()).transpose()?;
    if words.take("chance") {
        *chance = words.number("a number")?;
    }
    Ok(Failure {
        details,
        ..Failure::new(kind, code, message)
    })
}

/// A chance as the host would draw it. Four random bytes are all there is to make one of.
fn chance_of(share: f64) -> Chance {
    assert!((0.0..1.0).contains(&share), "a chance is from 0 to 1");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the share is from 0 to 1"
    )]
    let drawn = (share * (f64::from(u32::MAX) + 1.0)) as u32;
    Chance::from_random(drawn.to_le_bytes())
}
