//! What a command found: a small table for people, a line of JSON for programs, and what was wrong.

use serde::Serialize;
use serde_json::{Map, Value};

/// How many problems are told one by one.
const TOLD_MAX: usize = 20;

/// What was wrong. Counts all, tells the first few.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// How many there were.
    pub count: u64,
    /// The first of them, each naming its culprit.
    pub first: Vec<String>,
}

impl Problems {
    /// Remembers a problem.
    pub fn add(&mut self, problem: impl Into<String>) {
        self.count += 1;
        if self.first.len() < TOLD_MAX {
            self.first.push(problem.into());
        }
    }

    /// Whether there were none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What a command found.
pub trait Report: Serialize {
    /// What was wrong, if anything.
    fn problems(&self) -> &Problems;

    /// Turns problems into an error that tells them.
    ///
    /// # Errors
    /// Where anything was wrong.
    fn verdict(&self) -> anyhow::Result<()> {
        let problems = self.problems();
        anyhow::ensure!(
            problems.is_empty(),
            "{} problems:\n  {}",
            problems.count,
            problems.first.join("\n  ")
        );
        Ok(())
    }
}

/// Renders a report for people, then as a line of JSON that begins with the command's name.
///
/// # Errors
/// Where the report cannot be written as JSON.
pub fn render(command: &str, report: &impl Report) -> anyhow::Result<String> {
    let mut line = Map::new();
    line.insert("command".to_owned(), command.into());
    if let Value::Object(members) = serde_json::to_value(report)? {
        line.extend(members);
    }
    let mut scalars = Vec::new();
    let mut tables = Vec::new();
    for (name, value) in line.iter().filter(|(name, _)| *name != "problems") {
        collect(name, value, &mut scalars, &mut tables);
    }
    let width = scalars
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, value) in scalars {
        text.push_str(&format!("{name:width$}  {value}\n"));
    }
    for rows in tables {
        text.push('\n');
        text.push_str(&table(rows));
    }
    text.push('\n');
    text.push_str(&Value::Object(line).to_string());
    Ok(text)
}

fn collect<'v>(
    name: &str,
    value: &'v Value,
    scalars: &mut Vec<(String, String)>,
    tables: &mut Vec<&'v [Value]>,
) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (member, value) in members {
                collect(&format!("{name}.{member}"), value, scalars, tables);
            }
        }
        Value::Array(rows) if rows.iter().any(Value::is_object) => tables.push(rows),
        Value::String(text) => scalars.push((name.to_owned(), text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            scalars.push((name.to_owned(), value.to_string()));
        }
    }
}

/// Rows of objects as columns, as wide as they have to be.
fn table(rows: &[Value]) -> String {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        let mut cells = Vec::new();
        collect_cells("", row, &mut cells);
        if names.is_empty() {
            names = cells.iter().map(|(name, _)| name.clone()).collect();
            lines.push(names.clone());
        }
        let cell = |name: &String| {
            cells
                .iter()
                .find(|(cell, _)| cell == name)
                .map_or("", |(_, value)| value)
                .to_owned()
        };
        lines.push(names.iter().map(cell).collect());
    }
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells: Vec<String> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn collect_cells(name: &str, value: &Value, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (member, value) in members {
                let name = if name.is_empty() {
                    member.clone()
                } else {
                    format!("{name}.{member}")
                };
                collect_cells(&name, value, cells);
            }
        }
        Value::String(text) => cells.push((name.to_owned(), text.clone())),
        Value::Null => cells.push((name.to_owned(), String::new())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            cells.push((name.to_owned(), value.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Example {
        runs: u64,
        rows: Vec<Value>,
        problems: Problems,
    }

    impl Report for Example {
        fn problems(&self) -> &Problems {
            &self.problems
        }
    }

    #[test]
    fn a_report_is_a_table_and_a_line_of_json() {
        let rows = vec![
            serde_json::json!({"kind": "a", "ms": 1.5}),
            serde_json::json!({"kind": "long", "ms": 20}),
        ];
        let report = Example {
            runs: 7,
            rows,
            problems: Problems::default(),
        };
        let text = render("example", &report).expect("it is JSON");
        assert!(
            text.starts_with("command  example\nruns     7\n\nkind  ms\na     1.5\nlong  20\n"),
            "{text}"
        );
        let line: Value = serde_json::from_str(text.lines().last().expect("there is a line"))
            .expect("it is JSON");
        assert_eq!(line["runs"], 7);
        assert!(report.verdict().is_ok());
    }

    #[test]
    fn a_report_with_a_problem_is_an_error_that_tells_it() {
        let mut problems = Problems::default();
        (0..30).for_each(|n| problems.add(format!("run {n} is lost")));
        let report = Example {
            runs: 30,
            rows: Vec::new(),
            problems,
        };
        let error = report
            .verdict()
            .expect_err("there are problems")
            .to_string();
        assert!(
            error.contains("30 problems")
                && error.contains("run 0 is lost")
                && !error.contains("run 29")
        );
    }
}
