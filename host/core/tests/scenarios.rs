//! Stories of runs: commands in, events and effects out. The stories are in `scenarios/*.txt`; this file is the one
//! that knows the machine.
//!
//! Above a story's definition may stand `connector NAME [timeout SPAN] [attempts N]`, `payload JSON`, `env JSON` and
//! `vanished TYPE` (a plugin that was there when the workflow was created and is not when the run starts).
//!
//! The acts, each begun by `at TIME` (`crash` and `show` need none):
//!
//! ```text
//! take-up | admit | resync [STEP…] | wake | record-start STEP#ATTEMPT | cancel ["REASON"] | crash | show
//! signal "NAME" JSON [key "KEY"]
//! return STEP#ATTEMPT completed JSON [said "TEXT"]
//! return STEP#ATTEMPT suspended (after SPAN | until TIME | signal "NAME" [for SPAN]) [state "TEXT"] then (call-again | complete JSON)
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

use millwork_core::command::{AttemptReturned, Command, Signal};
use millwork_core::effect::Effect;
use millwork_core::event::{LogLevel, LogLine};
use millwork_core::json::Json;
use millwork_core::outcome::{Failure, FailureKind, Outcome, Suspension, Then, Until};
use millwork_core::retry::Chance;
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
            if let Effect::InvokePlugin(invoke) = effect {
                self.ordered
                    .insert((invoke.step.clone(), invoke.attempt), now);
            }
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

    fn read_command(&self, words: &mut Words<'_>, now: Timestamp) -> Result<Command, String> {
        match words.word("a command")? {
            "take-up" => Ok(Command::TakeUp),
            "admit" => Ok(Command::Admit),
            "wake" => Ok(Command::Wake),
            "resync" => {
                let mut under_way = Vec::new();
                while words.end().is_err() {
                    under_way.push(StepKey::of(words.word("a step")?));
                }
                Ok(Command::Resync { under_way })
            }
            "record-start" => {
                let (step, attempt) = read_call(words)?;
                Ok(Command::RecordStart { step, attempt })
            }
            "signal" => Ok(Command::Signal(Signal {
                name: words.text()?,
                payload: words.json()?,
                key: words.take("key").then(|| words.text()).transpose()?,
            })),
            "cancel" => Ok(Command::Cancel {
                reason: words.end().is_err().then(|| words.text()).transpose()?,
            }),
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
    let name = quoted.as_deref().unwrap_or(bare);
    let key = match bare.strip_suffix(']').and_then(|step| step.split_once('[')) {
        None => StepKey::of(name),
        Some((name, iteration)) => {
            let iteration = iteration
                .parse()
                .map_err(|_| format!("{iteration:?} is no iteration"))?;
            StepKey {
                name: name.into(),
                iteration: Some(iteration),
            }
        }
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
