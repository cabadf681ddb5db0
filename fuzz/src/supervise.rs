//! Watches over the process in which inputs are tried: what ends it or holds it up is a finding, and it goes on behind that.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::report::Report;
use crate::target::Kind;
use crate::worker::{BEGUN, DONE, WRONG};

/// No input takes that much of a processor: compiling what is that small takes a second, and all else has a limit of its own.
const WORK_MAX: Duration = Duration::from_secs(60);

/// No input takes that long, however busy the machine is: who does not even work waits for what does not come.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// How often it looks whether an input is held up.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often it says how far it has come.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Plan {
    /// This program, or another that does its work as it does.
    pub program: PathBuf,
    /// What is tried.
    pub kind: Kind,
    /// What the inputs are made of.
    pub seed: u64,
    /// The first input.
    pub from: u64,
    /// How many, at most.
    pub inputs: u64,
    /// How long, at most.
    pub time: Duration,
}

/// Tries inputs until there are enough.
///
/// # Errors
/// Where the process does not start at all.
pub fn run(plan: &Plan) -> Result<Report> {
    let began = Instant::now();
    let mut report = Report::default();
    let end = plan.from.saturating_add(plan.inputs);
    let mut next = plan.from;
    while next < end && began.elapsed() < plan.time {
        next = watch(plan, next..end, began, &mut report)?;
    }
    report.took = began.elapsed();
    Ok(report)
}

/// Starts the process once and follows it to its end. Returns the input to go on with.
fn watch(
    plan: &Plan,
    numbers: std::ops::Range<u64>,
    began: Instant,
    report: &mut Report,
) -> Result<u64> {
    let mut child = start(plan, &numbers)?;
    let lines = lines(&mut child)?;
    let (mut under_way, mut next) = (None, numbers.start);
    let mut told = Instant::now();
    let mut stall = Stall::begin(child.id());
    let ended = loop {
        if began.elapsed() >= plan.time {
            break None;
        }
        let line = match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => match stall.look(child.id()) {
                Some(stalled) => break Some(stalled),
                None => continue,
            },
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait().context("could not wait for the worker")?;
                break (!status.success()).then(|| format!("the process ended: {status}"));
            }
        };
        let Some((what, text)) = line.split_once(' ') else {
            continue;
        };
        match what.chars().next() {
            Some(BEGUN) => {
                stall = Stall::begin(child.id());
                under_way = text.parse().ok();
                next = under_way.map_or(next, |number: u64| number + 1);
            }
            Some(DONE) => {
                let (micros, came) = text.split_once(' ').unwrap_or((text, ""));
                let took = Duration::from_micros(micros.parse().unwrap_or_default());
                report.note(under_way.take().unwrap_or(next), took, came);
            }
            Some(WRONG) => report
                .findings
                .push((under_way.unwrap_or(next), text.to_owned())),
            _ => {}
        }
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            report.took = began.elapsed();
            println!("{report}");
        }
    };
    // It may have ended; then there is nobody to kill.
    let _ = child.kill();
    let _ = child.wait();
    if let Some(ended) = ended {
        report.findings.push((under_way.unwrap_or(next), ended));
        // Where it does not even begin, going on would be for ever.
        return Ok(match under_way {
            Some(_) => next,
            None => numbers.end,
        });
    }
    Ok(match under_way {
        Some(number) => number,
        None => next,
    })
}

fn start(plan: &Plan, numbers: &std::ops::Range<u64>) -> Result<Child> {
    let count = numbers.end - numbers.start;
    let mut command = Command::new(&plan.program);
    command
        .args(["--worker", plan.kind.word()])
        .args(["--seed", &plan.seed.to_string()])
        .args(["--from", &numbers.start.to_string()])
        .args(["--inputs", &count.to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    child.with_context(|| format!("could not start {}", plan.program.display()))
}

fn lines(child: &mut Child) -> Result<Receiver<String>> {
    let out = child.stdout.take().context("the worker has no output")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Since when an input is under way, and what the process had worked by then.
struct Stall {
    since: Instant,
    worked: Option<Duration>,
}

impl Stall {
    fn begin(pid: u32) -> Self {
        Self {
            since: Instant::now(),
            worked: worked(pid),
        }
    }

    /// Says that it is held up, where it is.
    fn look(&self, pid: u32) -> Option<String> {
        let worked = worked(pid).zip(self.worked);
        let worked = worked.map(|(now, before)| now.saturating_sub(before));
        if worked.is_some_and(|worked| worked > WORK_MAX) {
            return Some(format!("no end after {WORK_MAX:?} of work"));
        }
        (self.since.elapsed() > WAIT_MAX).then(|| format!("no end within {WAIT_MAX:?}"))
    }
}

/// The processor time that a process has used, where the machine tells: a machine that is busy with others is no stall.
fn worked(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program is in parentheses and may hold anything; what follows it is numbers.
    let (_, numbers) = stat.rsplit_once(')')?;
    let mut times = numbers.split_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    // In hundredths of a second, on every Linux there is.
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}
