//! The figures of a folder as one table: each beside the limit that was measured with it, and beside its aim.

pub(crate) mod aims;
mod lines;

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::figures::{self, Measured};

/// Which figures, and where the table goes.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The folder with the figures, as `--csv` named it.
    pub directory: PathBuf,
    /// Write the table into this file as well.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// One figure.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    what: String,
    /// The figure with its unit; nothing where it was not measured.
    figure: Option<String>,
    /// What nobody can be faster than, with its unit.
    limit: String,
    /// The share of the figure in that.
    share: Option<f64>,
    aim: String,
    /// Whether the aim is met, where there is one and the figure was measured.
    holds: Option<bool>,
}

/// Reads the figures and writes the table.
///
/// # Errors
/// Where there is no such folder, or a file in it cannot be read.
pub fn run(options: &Options) -> Result<String> {
    let directory = &options.directory;
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("there are no figures in {}", directory.display()))?;
    let mut builds = Vec::new();
    let mut commits = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let command = path.file_stem().and_then(|stem| stem.to_str());
        let is_figures = path.extension().is_some_and(|extension| extension == "csv");
        if let Some(command) = command.filter(|_| is_figures) {
            for row in figures::read(directory, command)? {
                builds.push(row.text("build").to_owned());
                commits.push(row.text("commit").to_owned());
            }
        }
    }
    commits.sort();
    commits.dedup();
    let measured = Measured::new(directory);
    let mut text = format!("Of commit {}.\n\n", commits.join(", "));
    if builds.iter().any(|build| build != "release") {
        text.push_str("**Some of these are figures of a debug build, which say nothing.**\n\n");
    }
    text.push_str(&table(&lines::all(&measured)?));
    if let Some(out) = &options.out {
        std::fs::write(out, &text).with_context(|| format!("could not write {}", out.display()))?;
    }
    Ok(text)
}

fn table(lines: &[Line]) -> String {
    let mut text =
        "| what | figure | limit | share | aim | |\n|---|---|---|---|---|---|\n".to_owned();
    for line in lines {
        let Line {
            what, limit, aim, ..
        } = line;
        let figure = line.figure.as_deref().unwrap_or("not measured");
        let share = line.share.map(|share| format!("{share:.2}"));
        let share = share.unwrap_or_default();
        let verdict = match line.holds {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        text.push_str(&format!(
            "| {what} | {figure} | {limit} | {share} | {aim} | {verdict} |\n"
        ));
    }
    text
}

/// A number as people write it: `12,345`, `3.14`, `0.021`.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude < 100.0 {
        let decimals = if magnitude < 10.0 { 3 } else { 1 };
        let text = format!("{value:.decimals$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{magnitude:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests;
