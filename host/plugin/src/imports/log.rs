//! `millwork:log`: what a plugin says, kept for the log of the run and passed on as an event of the host's log.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use millwork_core::id::RunId;
use wasmtime::component::{HasSelf, Linker};

use self::bindings::millwork::log::log;
use crate::LogLine;
use crate::imports::clock::Clock;
use crate::imports::secrets::redact;
use crate::limits;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/log",
        interfaces: "import millwork:log/log@1.0.0;",
    });
}

/// What a line costs besides its text, so that a million empty lines are bounded too.
const LINE_COST_BYTES: usize = 32;

/// Who is speaking: the fields of every event.
#[derive(Debug, Default)]
pub(crate) struct Speaker {
    pub(crate) plugin: Arc<str>,
    pub(crate) run: Option<RunId>,
    pub(crate) workflow: String,
    pub(crate) step: String,
}

/// The log of one call.
#[derive(Debug)]
pub(crate) struct Log {
    speaker: Speaker,
    clock: Clock,
    lines: Vec<LogLine>,
    max_bytes: usize,
    left_bytes: usize,
    dropped: u64,
    /// What no line may hold: the secrets that the plugin was told.
    hidden: Vec<String>,
}

impl Log {
    pub(crate) fn new(speaker: Speaker, clock: Clock, max_bytes: usize) -> Self {
        Self {
            speaker,
            clock,
            lines: Vec::new(),
            max_bytes,
            left_bytes: max_bytes,
            dropped: 0,
            hidden: Vec::new(),
        }
    }

    /// Says what no line may hold from now on.
    pub(crate) fn hide(&mut self, hidden: Vec<String>) {
        self.hidden = hidden;
    }

    /// Takes a line, or counts it where the limit is reached.
    pub(crate) fn add(&mut self, level: &'static str, message: String) {
        self.add_line(LogLine {
            at: self.clock.timestamp(),
            level,
            message,
        });
    }

    pub(crate) fn add_line(&mut self, mut line: LogLine) {
        if self.left_bytes == 0 {
            self.dropped += 1;
            return;
        }
        if let Cow::Owned(redacted) = redact::text(&self.hidden, &line.message) {
            line.message = redacted;
        }
        let cost = line.message.len() + LINE_COST_BYTES;
        if cost > self.left_bytes {
            let end = line.message.floor_char_boundary(self.left_bytes);
            line.message.truncate(end);
            line.message.push('…');
            self.dropped += 1;
        }
        self.left_bytes = self.left_bytes.saturating_sub(cost);
        self.pass_on(&line);
        self.lines.push(line);
    }

    /// The lines in the order they were said, and a last one where some are missing.
    pub(crate) fn finish(mut self) -> Vec<LogLine> {
        // What came over standard output is added at the end of a call, with the time it was said.
        if !self.lines.is_sorted_by_key(|line| line.at) {
            self.lines.sort_by_key(|line| line.at);
        }
        if self.dropped > 0 {
            let limit = limits::reached("log_max_bytes", self.max_bytes);
            let message = format!(
                "{} lines were dropped or cut: the plugin said more than {limit} bytes",
                self.dropped
            );
            self.lines.push(LogLine {
                at: self.clock.timestamp(),
                level: "warn",
                message,
            });
        }
        self.lines
    }

    /// Who speaks here.
    pub(crate) fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    /// The message of a panic. The SDK's hook writes it as one line; the standard library writes it to standard error,
    /// the place on one line and the message on those after it.
    pub(crate) fn panic_message(&self) -> Option<String> {
        let mut errors = self
            .lines
            .iter()
            .filter(|line| line.level == "error")
            .map(|line| line.message.trim_end());
        let mut message =
            errors.find_map(|text| text.find("panicked at ").map(|at| text[at..].to_owned()))?;
        for text in errors.take_while(|text| !text.starts_with("note: ")) {
            message.push('\n');
            message.push_str(text);
        }
        Some(message)
    }

    fn pass_on(&self, line: &LogLine) {
        let Speaker {
            plugin,
            run,
            workflow,
            step,
        } = &self.speaker;
        // A plugin must not be able to write lines of its own into a log that is read as text.
        let (plugin, message) = (&**plugin, OneLine(&line.message));
        let run = run.map(tracing::field::display);
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(target: "millwork::plugin", plugin, run.id = run, workflow, step.id = step, "{message}")
            };
        }
        match line.level {
            "trace" => event!(trace),
            "debug" => event!(debug),
            "warn" => event!(warn),
            // What a plugin calls an error is the business of its run, and no person has to look at the host.
            "error" => event!(warn),
            _ => event!(info),
        }
    }
}

/// Shows a text with its control characters escaped.
struct OneLine<'a>(&'a str);

impl std::fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

impl log::Host for Log {
    fn write(&mut self, level: log::Level, mut message: String, fields: Vec<(String, String)>) {
        for (name, value) in fields {
            // Longer than the limit it will be cut anyway.
            if message.len() > self.max_bytes {
                break;
            }
            // Writing to a string cannot fail.
            let _ = write!(message, " {name}={value:?}");
        }
        let level = match level {
            log::Level::Trace => "trace",
            log::Level::Debug => "debug",
            log::Level::Info => "info",
            log::Level::Warn => "warn",
            log::Level::Error => "error",
        };
        self.add(level, message);
    }
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut Log,
) -> wasmtime::Result<()> {
    log::add_to_linker::<T, HasSelf<Log>>(linker, get)
}

#[cfg(test)]
mod tests {
    use millwork_core::time::Timestamp;

    use super::*;

    fn log(max_bytes: usize) -> Log {
        Log::new(
            Speaker::default(),
            Clock::starting_at(Timestamp::from_micros(5)),
            max_bytes,
        )
    }

    #[test]
    fn past_the_limit_lines_are_dropped_and_the_log_says_so() {
        let mut log = log(100);
        for _ in 0..1_000 {
            log.add("info", "ééééé".to_owned());
        }
        let lines = log.finish();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[3].message.contains("998 lines were dropped or cut"),
            "{}",
            lines[3].message
        );
        assert!(
            lines[3].message.contains("plugins.limits.log_max_bytes"),
            "{}",
            lines[3].message
        );
    }

    #[test]
    fn the_message_of_a_panic_is_found() {
        let mut log = log(1_000);
        assert_eq!(log.panic_message(), None);
        for text in [
            "thread '<unnamed>' panicked at src/lib.rs:1:2:",
            "no",
            "note: run with more",
        ] {
            log.add("error", text.to_owned());
        }
        assert_eq!(
            log.panic_message().as_deref(),
            Some("panicked at src/lib.rs:1:2:\nno")
        );
    }

    #[test]
    fn a_line_in_the_hosts_log_is_one_line() {
        assert_eq!(OneLine("a\nb\u{1b}[31m").to_string(), "a\\nb\\u{1b}[31m");
    }
}
