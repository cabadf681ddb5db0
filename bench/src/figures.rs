//! Figures in files, for the summary and the pictures: each command adds its rows to a file of its own, `<command>.csv`.
//!
//! A report is one row; one with a table is a row for each of the table's, with what stands above it repeated. Columns are the
//! names of the report's members, `latency.p99_ms`, and those of a table begin with its name. Every row says of which commit it is,
//! when it was measured, with what kind of build, and on what the server stood.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::time::Timestamp;

/// What is true of all figures of one invocation.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The commit that is checked out, with a `+` where files differ from it; `unknown` outside of a repository.
    pub commit: String,
    /// When it was measured.
    pub time: Timestamp,
    /// `release` or `debug`: what this tool is, and so what is beside it.
    pub build: &'static str,
}

impl Stamp {
    /// What is true now.
    #[must_use]
    pub fn now() -> Self {
        Self {
            commit: commit(),
            time: Timestamp::now(),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        }
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_some_and(|changed| changed.is_empty()) {
        commit
    } else {
        format!("{commit}+")
    }
}

/// Adds a report's rows to the file of its command, which is made where it is missing.
///
/// # Errors
/// Where it cannot be written, or has other columns than this report.
pub fn append(
    directory: &Path,
    command: &str,
    stamp: &Stamp,
    store: &str,
    report: &impl Serialize,
) -> Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("could not make {}", directory.display()))?;
    let path = file(directory, command);
    let mut above = vec![
        ("commit".to_owned(), stamp.commit.clone()),
        ("time".to_owned(), stamp.time.to_string()),
        ("build".to_owned(), stamp.build.to_owned()),
        ("store".to_owned(), store.to_owned()),
    ];
    let mut tables = Vec::new();
    let report = serde_json::to_value(report)?;
    for (name, value) in report.as_object().into_iter().flatten() {
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) => tables.push((name, rows)),
            Value::Object(problems) if name == "problems" => {
                above.push((name.clone(), cell(&problems["count"])));
            }
            _ => flatten(name, value, &mut above),
        }
    }
    ensure!(
        tables.len() <= 1,
        "the report of {command} has {} tables, and a file has room for one",
        tables.len()
    );
    let rows: Vec<Vec<(String, String)>> = match tables.first() {
        None => vec![above],
        Some((name, rows)) => rows
            .iter()
            .map(|row| {
                let mut all = above.clone();
                flatten(name, row, &mut all);
                all
            })
            .collect(),
    };
    write(&path, &rows).with_context(|| format!("could not add figures to {}", path.display()))
}

fn write(path: &Path, rows: &[Vec<(String, String)>]) -> Result<()> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    let there = match csv::Reader::from_path(path) {
        Ok(mut reader) => Some(reader.headers()?.clone()),
        Err(error) if is_missing(&error) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(there) = &there {
        ensure!(
            there.iter().eq(names.iter().copied()),
            "it has other columns, of another version: move it away, or name another folder"
        );
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut writer = csv::Writer::from_writer(file);
    if there.is_none() {
        writer.write_record(&names)?;
    }
    for row in rows {
        writer.write_record(row.iter().map(|(_, cell)| cell))?;
    }
    Ok(writer.flush()?)
}

fn is_missing(error: &csv::Error) -> bool {
    matches!(error.kind(), csv::ErrorKind::Io(error) if error.kind() == ErrorKind::NotFound)
}

fn flatten(name: &str, value: &Value, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                flatten(&format!("{name}.{member}"), value, cells);
            }
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(cell).collect();
            cells.push((name.to_owned(), items.join(" ")));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            cells.push((name.to_owned(), cell(value)));
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// One row of a file.
#[derive(Clone, Debug)]
pub struct Row(Vec<(String, String)>);

impl Row {
    /// What stands in a column; nothing where there is no such column.
    #[must_use]
    pub fn text(&self, column: &str) -> &str {
        let cell = self.0.iter().find(|(name, _)| name == column);
        cell.map_or("", |(_, cell)| cell)
    }

    /// The number in a column; none where there is none.
    #[must_use]
    pub fn number(&self, column: &str) -> Option<f64> {
        self.text(column).parse().ok()
    }
}

/// Whether a row is of a server alone, with its store in it.
pub(crate) fn embedded(row: &Row) -> bool {
    row.text("store") != "postgres+kafka"
}

/// Whether a column has a whole number.
pub(crate) fn is(row: &Row, column: &str, value: f64) -> bool {
    row.number(column)
        .is_some_and(|number| (number - value).abs() < 0.5)
}

/// The number in a column of a row that may not be there.
pub(crate) fn in_column(row: &Option<Row>, column: &str) -> Option<f64> {
    row.as_ref()?.number(column)
}

/// All figures of a folder, the newest of each.
#[derive(Debug)]
pub(crate) struct Measured {
    directory: PathBuf,
}

impl Measured {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// The newest row of a command that is as wanted.
    pub(crate) fn newest(
        &self,
        command: &str,
        wanted: impl Fn(&Row) -> bool,
    ) -> Result<Option<Row>> {
        let rows = read(&self.directory, command)?;
        Ok(rows.into_iter().rev().find(|row| wanted(row)))
    }

    /// All rows of the newest measurement of a command that has one that is as wanted.
    pub(crate) fn newest_all(
        &self,
        command: &str,
        wanted: impl Fn(&Row) -> bool,
    ) -> Result<Vec<Row>> {
        let Some(newest) = self.newest(command, wanted)? else {
            return Ok(Vec::new());
        };
        let mut rows = read(&self.directory, command)?;
        rows.retain(|row| row.text("time") == newest.text("time"));
        Ok(rows)
    }
}

/// Reads a command's rows, oldest first; none where it has written none.
///
/// # Errors
/// Where the file cannot be read.
pub fn read(directory: &Path, command: &str) -> Result<Vec<Row>> {
    let path = file(directory, command);
    let reading = || format!("could not read {}", path.display());
    let mut reader = match csv::Reader::from_path(&path) {
        Ok(reader) => reader,
        Err(error) if is_missing(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(reading),
    };
    let names = reader.headers().with_context(reading)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.with_context(reading)?;
        let cells = names.iter().zip(record.iter());
        rows.push(Row(cells
            .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
            .collect()));
    }
    Ok(rows)
}

fn file(directory: &Path, command: &str) -> PathBuf {
    directory.join(format!("{command}.csv"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            commit: "abc".to_owned(),
            time: Timestamp::default(),
            build: "debug",
        }
    }

    #[test]
    fn reports_of_a_command_are_rows_under_one_header() {
        let folder = tempfile::tempdir().expect("there is room");
        let report = |users: u32| {
            json!({
                "users": users, "rate": null, "latency": {"p99_ms": 1.5},
                "rows": [{"kind": "a, b", "latency": {"p99_ms": 2}}, {"kind": "c", "latency": {"p99_ms": 3}}],
                "problems": {"count": 4, "first": ["x"]},
            })
        };
        for users in [1, 2] {
            append(folder.path(), "mix", &stamp(), "sqlite", &report(users))
                .expect("it is written");
        }
        let text = std::fs::read_to_string(folder.path().join("mix.csv")).expect("it is there");
        assert_eq!(
            text.lines().next(),
            Some(
                "commit,time,build,store,users,rate,latency.p99_ms,problems,rows.kind,rows.latency.p99_ms"
            )
        );
        let rows = read(folder.path(), "mix").expect("it is read");
        assert_eq!(rows.len(), 4);
        let last = rows.last().expect("there is one");
        assert_eq!(
            (
                last.number("users"),
                last.text("rows.kind"),
                last.number("rows.latency.p99_ms")
            ),
            (Some(2.0), "c", Some(3.0))
        );
        assert_eq!(
            (rows[0].text("rows.kind"), rows[0].number("rate")),
            ("a, b", None)
        );
        assert_eq!(rows[0].text("store"), "sqlite");
    }

    #[test]
    fn a_file_of_another_version_is_not_mixed_with_this_one() {
        let folder = tempfile::tempdir().expect("there is room");
        append(folder.path(), "x", &stamp(), "", &json!({"a": 1})).expect("it is written");
        let refusal = append(folder.path(), "x", &stamp(), "", &json!({"b": 1}))
            .expect_err("the columns differ");
        let refusal = format!("{refusal:#}");
        assert!(
            refusal.contains("x.csv") && refusal.contains("move it away"),
            "{refusal}"
        );
        assert!(
            read(folder.path(), "nothing")
                .expect("none is no error")
                .is_empty()
        );
    }
}
