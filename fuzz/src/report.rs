//! What came of all inputs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Counts and findings.
#[derive(Debug, Default)]
pub struct Report {
    /// Inputs that were tried to the end.
    pub inputs: u64,
    /// What came of them, by word.
    pub came: BTreeMap<String, u64>,
    /// What must not be: input and what happened.
    pub findings: Vec<(u64, String)>,
    /// The one that took longest, and how long.
    pub slowest: (u64, Duration),
    /// How long all of it took.
    pub took: Duration,
}

/// More of them say nothing new.
const FINDINGS_SHOWN: usize = 20;

impl Report {
    /// Notes what came of an input.
    pub(crate) fn note(&mut self, number: u64, took: Duration, came: &str) {
        self.inputs += 1;
        *self.came.entry(came.to_owned()).or_default() += 1;
        if took > self.slowest.1 {
            self.slowest = (number, took);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        writeln!(f, "{} inputs in {seconds:.0} s", self.inputs)?;
        for (came, count) in &self.came {
            writeln!(f, "  {count:>8}  {came}")?;
        }
        let (number, took) = self.slowest;
        writeln!(f, "slowest: input {number} with {} ms", took.as_millis())?;
        writeln!(f, "findings: {}", self.findings.len())?;
        for (number, finding) in self.findings.iter().take(FINDINGS_SHOWN) {
            writeln!(f, "  input {number}: {finding}")?;
        }
        Ok(())
    }
}
