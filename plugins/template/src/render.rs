//! A template and its values become a text; or it is said in which line they do not.

use std::error::Error as _;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::{Map, Value};

use crate::{Escape, Missing};

/// Instructions that one text may take: far more than a page of any size, and far less than the sandbox allows.
const FUEL: u64 = 20_000_000;
/// Macros that call each other are stopped here, well before the end of the stack.
const RECURSION_MAX: usize = 64;

/// Says what is wrong with a template before anything is known of its values.
pub(crate) fn check(template: &str) -> Result<(), String> {
    let environment = environment(Escape::None, Missing::Fail);
    let read = environment.template_from_str(template);
    read.map(|_| ()).map_err(|error| in_words(&error, template))
}

/// Writes the text.
pub(crate) fn render(
    template: &str,
    values: &Map<String, Value>,
    escape: Escape,
    missing: Missing,
) -> Result<String, String> {
    let written = environment(escape, missing)
        .template_from_str(template)
        .and_then(|read| read.render(Serde(values)));
    written.map_err(|error| in_words(&error, template))
}

fn environment(escape: Escape, missing: Missing) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(syntax());
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::None => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
        Escape::Json => AutoEscape::Json,
    });
    environment.set_undefined_behavior(match missing {
        // One that is missing may be asked for (`{% if name %}`), and may not be written.
        Missing::Fail => UndefinedBehavior::SemiStrict,
        Missing::Empty => UndefinedBehavior::Lenient,
    });
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    // It would write everything that there is.
    environment.remove_global("debug");
    environment
}

/// A line that holds nothing but a `{% … %}` leaves no empty line behind, and the last line keeps its end.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true);
    syntax.lstrip_blocks(true);
    syntax.keep_trailing_newline(true);
    syntax.build().unwrap_or_default()
}

/// The place in the template, and what is wrong there.
fn in_words(error: &Error, template: &str) -> String {
    let mut words = place(error, template);
    words += &match error.kind() {
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} instructions: does a loop end?"),
        ErrorKind::UndefinedError => format!(
            "{}: add it to \"values\", or write `| default(…)`, or say \"missing\": \"empty\"",
            error.detail().unwrap_or("a name has no value")
        ),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    let mut source = error.source();
    while let Some(cause) = source {
        words += &format!(": {cause}");
        source = cause.source();
    }
    words
}

fn place(error: &Error, template: &str) -> String {
    let Some(line) = error.line() else {
        return String::new();
    };
    let before = error.range().and_then(|range| template.get(..range.start));
    match before {
        Some(before) => {
            let start = before.rfind('\n').map_or(0, |at| at + 1);
            let column = before[start..].chars().count() + 1;
            format!("line {line}, column {column}: ")
        }
        None => format!("line {line}: "),
    }
}
