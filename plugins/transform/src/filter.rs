//! A filter: compiled, with everything that is wrong with it told by its place; and run.

use std::fmt;

use jaq_core::compile::Undefined;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Exn, Vars};
use jaq_json::Val;
use millwork_sdk::Failure;
use serde_json::{Value, json};

use crate::functions::{self, Data};
use crate::place::Place;
use crate::value;

/// How much of what a filter complains of is told.
const COMPLAINT_MAX_BYTES: usize = 1_000;
/// How alike two names are, at least, of which one may have been meant for the other.
const ALIKE: f64 = 0.75;

/// A filter that may be run.
pub(crate) struct Filter(jaq_core::Filter<Data>);

/// One thing wrong with a filter.
#[derive(Debug)]
pub(crate) struct Problem {
    place: Option<Place>,
    what: What,
}

#[derive(Debug)]
enum What {
    Syntax(String),
    UnknownFunction { signature: String },
    UnknownVariable { name: String, known: Vec<String> },
    Module,
}

impl Filter {
    /// Compiles a filter in which variables of these names are known; or says everything that is wrong with it.
    pub(crate) fn compile(text: &str, names: &[String]) -> Result<Filter, Vec<Problem>> {
        let arena = Arena::default();
        let file = File {
            code: text,
            path: (),
        };
        let modules = Loader::new(functions::definitions())
            .load(&arena, file)
            .map_err(|errors| {
                let errors = errors.into_iter().map(|(_, error)| error);
                errors
                    .flat_map(|error| unreadable(error, text))
                    .collect::<Vec<_>>()
            })?;
        let variables: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
        let compiled = Compiler::default()
            .with_funs(functions::natives())
            .with_global_vars(variables.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| {
                let errors = errors.into_iter().flat_map(|(_, errors)| errors);
                let told =
                    errors.map(|(name, undefined)| unknown(name, &undefined, text, &variables));
                told.collect::<Vec<_>>()
            })?;
        Ok(Filter(compiled))
    }

    /// Applies it, and makes of its results what is to be made of them. The values are those of the variables, in the order
    /// of their names.
    pub(crate) fn run<T>(
        &self,
        input: Value,
        values: Vec<Value>,
        gather: impl FnOnce(&mut dyn Iterator<Item = Result<Value, Failure>>) -> T,
    ) -> T {
        let values = values.into_iter().map(value::from_json);
        let context = Ctx::<Data>::new(&self.0.lut, Vars::new(values));
        let results = self.0.id.run((context, value::from_json(input)));
        gather(&mut results.map(|result| {
            let result = result.map_err(raised)?;
            value::to_json(&result).map_err(|why| {
                Failure::permanent(
                    "no-json",
                    format!("the result of the filter is no JSON: {why}"),
                )
            })
        }))
    }
}

/// What cannot be read as a filter.
fn unreadable(error: load::Error<&str>, text: &str) -> Vec<Problem> {
    let problem = |expected: &str, found: &str| Problem {
        place: Place::of(found, text),
        what: What::Syntax(wanted(expected, found)),
    };
    match error {
        load::Error::Lex(errors) => errors
            .into_iter()
            .map(|(expected, found)| problem(expected.as_str(), found))
            .collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, found)| problem(expected.as_str(), found))
            .collect(),
        load::Error::Io(errors) => errors
            .into_iter()
            .map(|(path, _)| Problem {
                place: Place::of(path, text),
                what: What::Module,
            })
            .collect(),
    }
}

fn wanted(expected: &str, found: &str) -> String {
    let found = match found.chars().next() {
        None => "the end of the filter".to_owned(),
        Some(_) => format!("{:?}", beginning(found, 20)),
    };
    match expected {
        "nothing" => format!("{found} is one too many"),
        "term" => format!("a value or a function is wanted, not {found}"),
        expected => format!("{expected} is wanted, not {found}"),
    }
}

/// What the filter names and nobody knows.
fn unknown(name: &str, undefined: &Undefined, text: &str, variables: &[String]) -> Problem {
    let what = match undefined {
        Undefined::Var => What::UnknownVariable {
            name: name.to_owned(),
            known: variables.to_vec(),
        },
        Undefined::Filter(arguments) => What::UnknownFunction {
            signature: format!("{name}/{arguments}"),
        },
        Undefined::Label => What::Syntax(format!("there is no `label {name}` around it")),
        Undefined::Mod => What::Module,
        _ => What::Syntax(format!("{name} is unknown")),
    };
    Problem {
        place: Place::of(name, text),
        what,
    }
}

impl Problem {
    /// Whether it is about a variable that nobody has named.
    pub(crate) fn is_unknown_variable(&self) -> bool {
        matches!(self.what, What::UnknownVariable { .. })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}: ")?;
        }
        match &self.what {
            What::Syntax(problem) => f.write_str(problem),
            What::Module => f.write_str("a filter cannot use modules: write what it needs into it"),
            What::UnknownFunction { signature } => {
                write!(f, "there is no function {signature}")?;
                match nearest(signature) {
                    Some(near) => write!(f, ": did you mean {near}?"),
                    None => Ok(()),
                }
            }
            What::UnknownVariable { name, known } if known.is_empty() => {
                write!(f, "there is no variable {name}: add it to \"vars\"")
            }
            What::UnknownVariable { name, known } => {
                let known = known.join(", ");
                write!(f, "there is no variable {name}: \"vars\" has {known}")
            }
        }
    }
}

/// The function that was probably meant: the same name with other arguments, or one that is written much like it.
fn nearest(signature: &str) -> Option<String> {
    let name = |signature: &str| signature.split('/').next().unwrap_or_default().to_owned();
    let wanted = name(signature);
    let likeness = |known: &String| strsim::jaro_winkler(&name(known), &wanted);
    functions::signatures()
        .into_iter()
        // What ends so is for the library itself.
        .filter(|known| !name(known).ends_with("_empty") && !name(known).ends_with('_'))
        .filter(|known| likeness(known) > ALIKE)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// What a filter raised while it ran.
fn raised(exception: Exn<'_, Val>) -> Failure {
    let Ok(error) = exception.get_err() else {
        let advice = "`halt` ends jq as a program: raise an `error(…)`, or give a result";
        return Failure::permanent("filter-failed", format!("the filter failed: {advice}"));
    };
    let message = error.to_string();
    let failure = Failure::permanent(
        "filter-failed",
        format!(
            "the filter failed: {}",
            beginning(&message, COMPLAINT_MAX_BYTES)
        ),
    );
    // What was raised with `error` may be more than a text.
    match value::to_json(&error.into_val()) {
        Ok(raised) if !raised.is_string() && raised.to_string().len() <= COMPLAINT_MAX_BYTES => {
            failure.with_details(json!({ "error": raised }))
        }
        _ => failure,
    }
}

/// The beginning of a text, marked where it is not all of it.
fn beginning(text: &str, max_bytes: usize) -> String {
    let end = text.floor_char_boundary(max_bytes);
    if end < text.len() {
        format!("{}…", &text[..end])
    } else {
        text.to_owned()
    }
}
