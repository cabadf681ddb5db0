//! The expressions inside `${…}`: MiniJinja's, compiled once and bounded in what they may cost.
//!
//! This file and `template.rs` are all that knows MiniJinja. An expression cannot read a clock, a file or a variable
//! that nobody put in its scope; it has a budget of instructions; and what it may name is checked when the workflow is
//! created, so a misspelt name does not wait for the first run.

mod budget;
mod tokens;

pub(crate) use budget::Budget;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use minijinja::value::{Serde, Value as Item};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

use crate::definition::cut;
use crate::json::Json;

/// Instructions that one expression may spend. The longest sensible one (a filter over ten thousand items) takes about
/// as many; a loop that would not end stops here within milliseconds.
const FUEL: u64 = 200_000;

/// Bytes of an expression's text.
pub const LENGTH_MAX_BYTES: usize = 16 * 1024;

/// Words and signs in an expression, strings counted as one. A chain of operators is a tree as deep as the chain is
/// long, and the compiler walks it by recursion: this keeps it far from the end of a thread's stack.
const TOKENS_MAX: usize = 1_000;

/// What is said where a key is missing.
const MISSING: &str =
    "refers to something that is missing; write `| default(…)` where that is meant";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    // A missing key may be tested (`x if payload.x else y`), and may not be printed, looped over or looked into.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.remove_global("debug");
    environment
});

/// A compiled expression.
pub struct Expression {
    source: String,
    compiled: minijinja::Expression<'static, 'static>,
    names: BTreeSet<String>,
}

/// Why an expression cannot be used, or gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expression ${{{expression}}}: {problem}")]
pub struct ExpressionError {
    /// The text between the braces.
    pub expression: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Expression {
    /// Compiles the text between `${` and `}`.
    ///
    /// # Errors
    /// Where the text is no expression, or too long.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        let source = source.trim().to_owned();
        let refuse = |problem: String| ExpressionError {
            expression: shorten(&source),
            problem,
        };
        if source.is_empty() {
            return Err(refuse("is empty".to_owned()));
        }
        if source.len() > LENGTH_MAX_BYTES {
            return Err(refuse(format!(
                "is {} bytes long, the limit is {LENGTH_MAX_BYTES}",
                source.len()
            )));
        }
        let tokens = tokens::count(&source);
        if tokens > TOKENS_MAX {
            return Err(refuse(format!(
                "has {tokens} words and signs, the limit is {TOKENS_MAX}"
            )));
        }
        let compiled = ENVIRONMENT
            .compile_expression_owned(source.clone())
            .map_err(|error| refuse(describe(&error)))?;
        if let Some(unknown) = tokens::find_unknown(&source, &ENVIRONMENT) {
            return Err(refuse(unknown));
        }
        let names = compiled.undeclared_variables(false).into_iter().collect();
        Ok(Self {
            source,
            compiled,
            names,
        })
    }

    /// The names that the expression takes from its scope, or from the language where the scope has none
    /// ([`is_function`]).
    #[must_use]
    pub const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Evaluates the expression to a JSON value.
    ///
    /// # Errors
    /// Where a key is missing, a type does not fit, or the budget is used up.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        self.evaluate_within(&Evaluation::of(scope), &mut Budget::new(), 0)
    }

    /// Evaluates the expression as a part of something larger, where its value is to stand so deep.
    pub(crate) fn evaluate_within(
        &self,
        evaluation: &Evaluation<'_>,
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Value, ExpressionError> {
        let item = self.item(evaluation)?;
        budget
            .spend_on(&item, depth)
            .map_err(|problem| self.error(problem))
    }

    /// Evaluates the expression as a condition, by the truth of Python and Jinja: null, zero, and what is empty or missing are false.
    ///
    /// # Errors
    /// As [`Self::evaluate`], but a missing key is false.
    pub fn holds(&self, scope: &dyn Scope) -> Result<bool, ExpressionError> {
        Ok(self.item(&Evaluation::of(scope))?.is_true())
    }

    fn item(&self, evaluation: &Evaluation<'_>) -> Result<Item, ExpressionError> {
        let names = self.names.iter();
        let context = names.filter_map(|name| Some((name.as_str(), evaluation.find(name)?)));
        self.compiled
            .eval(Item::from_pairs(context))
            .map_err(|error| self.error(describe(&error)))
    }

    fn error(&self, problem: String) -> ExpressionError {
        ExpressionError {
            expression: shorten(&self.source),
            problem,
        }
    }
}

/// Whether a name means something by itself: `range`, `dict`. A scope may give it another meaning.
#[must_use]
pub fn is_function(name: &str) -> bool {
    ENVIRONMENT.globals().any(|(global, _)| global == name)
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${{{}}}", self.source)
    }
}

/// Where an expression finds what it names.
pub trait Scope {
    /// What a name means; nothing where it means nothing.
    fn find(&self, name: &str) -> Option<Found<'_>>;
}

/// What a name means.
#[derive(Clone, Debug)]
pub enum Found<'a> {
    /// A value.
    Value(Cow<'a, Value>),
    /// A document that is kept anyway: it is made ready for expressions once, however many name it.
    Document(&'a Json),
    /// A list of such.
    List(Vec<Found<'a>>),
    /// Such by their names.
    Map(Vec<(&'a str, Found<'a>)>),
}

impl Found<'_> {
    /// No value: `null`.
    pub const NULL: Self = Self::Value(Cow::Owned(Value::Null));

    /// The value itself.
    #[must_use]
    pub fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value.into_owned(),
            Self::Document(json) => json.value().clone(),
            Self::List(items) => items.into_iter().map(Self::into_value).collect(),
            Self::Map(members) => members
                .into_iter()
                .map(|(name, member)| (name.to_owned(), member.into_value()))
                .collect(),
        }
    }

    fn into_item(self) -> Item {
        match self {
            Self::Value(value) => Item::from(Serde(value)),
            Self::Document(json) => json.ready().0.clone(),
            Self::List(items) => items.into_iter().map(Self::into_item).collect(),
            Self::Map(members) => {
                let members = members.into_iter();
                Item::from_pairs(members.map(|(name, member)| (name, member.into_item())))
            }
        }
    }
}

/// A document as expressions see it.
pub(crate) struct Ready(Item);

impl Ready {
    pub(crate) fn of(value: &Value) -> Self {
        Self(Item::from(Serde(value)))
    }
}

/// The evaluation of a configuration, with one expression in it or many. What they name is looked up once.
pub(crate) struct Evaluation<'a> {
    scope: &'a dyn Scope,
    found: RefCell<BTreeMap<String, Item>>,
}

impl<'a> Evaluation<'a> {
    pub(crate) fn of(scope: &'a dyn Scope) -> Self {
        Self {
            scope,
            found: RefCell::default(),
        }
    }

    /// The scope, for who needs no expression.
    pub(crate) fn scope(&self) -> &'a dyn Scope {
        self.scope
    }

    fn find(&self, name: &str) -> Option<Item> {
        let mut found = self.found.borrow_mut();
        if let Some(item) = found.get(name) {
            return Some(item.clone());
        }
        let item = self.scope.find(name)?.into_item();
        found.insert(name.to_owned(), item.clone());
        Some(item)
    }
}

/// What MiniJinja has to say, without the name and the line of a template that is none.
fn describe(error: &minijinja::Error) -> String {
    use minijinja::ErrorKind;
    match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, _) => MISSING.to_owned(),
        (ErrorKind::OutOfFuel, _) => format!("costs more than {FUEL} instructions"),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn shorten(source: &str) -> String {
    cut(source.to_owned(), 120)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Names(Value);

    impl Scope for Names {
        fn find(&self, name: &str) -> Option<Found<'_>> {
            let value = self.0.get(name)?;
            Some(Found::Value(Cow::Borrowed(value)))
        }
    }

    fn evaluate(source: &str) -> Result<Value, String> {
        let scope = Names(json!({
            "payload": {"total": 41, "items": [{"sku": "a"}, {"sku": "b"}], "name": "", "price": 9.5, "big": u64::MAX},
            "fetch": {"status_code": 200},
        }));
        let expression = Expression::compile(source).map_err(|error| error.to_string())?;
        expression
            .evaluate(&scope)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_keep_their_json_type() {
        assert_eq!(evaluate("payload.total + 1"), Ok(json!(42)));
        assert_eq!(evaluate("payload.price * 2"), Ok(json!(19.0)));
        assert_eq!(evaluate("payload.big"), Ok(json!(u64::MAX)));
        assert_eq!(
            evaluate("payload.items"),
            Ok(json!([{"sku": "a"}, {"sku": "b"}]))
        );
        assert_eq!(
            evaluate(r#"payload.items | map(attribute="sku") | join(",")"#),
            Ok(json!("a,b"))
        );
        assert_eq!(
            evaluate(r#"payload.name if payload.name else "nobody""#),
            Ok(json!("nobody"))
        );
        assert_eq!(evaluate(r#"fetch.x | default("none")"#), Ok(json!("none")));
        assert_eq!(
            evaluate("{'a': fetch.status_code == 200}"),
            Ok(json!({"a": true}))
        );
        assert_eq!(evaluate("'abc'.startswith('a')"), Ok(json!(true)));
        assert_eq!(evaluate("none"), Ok(json!(null)));
    }

    #[test]
    fn a_missing_key_is_an_error_that_names_the_expression() {
        for source in ["fetch.x", "fetch.x.y", "[fetch.x]", "unknown"] {
            let error = evaluate(source).expect_err("it is missing");
            assert!(
                error.starts_with(&format!(
                    "expression ${{{source}}}: refers to something that is missing"
                )),
                "{error}"
            );
        }
    }

    #[test]
    fn hostile_expressions_stop_soon() {
        for source in [
            "range(100000000) | list",
            "'x' * 2000000000",
            "[0] * 2000000000",
            "((range(1000) | list) * 1000) | list",
            "(('x' * 100000) * 100000)",
            "range(10000) | map('string') | join('x' * 10000)",
        ] {
            let error = evaluate(source).expect_err("it is too large");
            assert!(error.len() < 300, "{error}");
        }
        let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
        assert!(evaluate(&deep).is_err());
        let long = "1+".repeat(LENGTH_MAX_BYTES) + "1";
        assert!(evaluate(&long).is_err());
    }

    #[test]
    fn long_chains_of_operators_do_not_end_the_stack() {
        for (start, link, end) in [
            ("1", "+1", ""),
            ("", "not ", "true"),
            ("payload", ".a", ""),
            ("payload", "|abs", ""),
            ("", "-", "1"),
        ] {
            let refused = format!("{start}{}{end}", link.repeat(4_000));
            assert!(
                evaluate(&refused)
                    .expect_err("it is too long")
                    .contains("the limit is 1000")
            );
            let largest = format!(
                "{start}{}{end}",
                link.repeat(if link.len() == 2 { 499 } else { 480 })
            );
            // Whatever it says to this, it says it within the stack of a test thread.
            let _ = evaluate(&largest);
        }
    }

    #[test]
    fn what_an_expression_names_is_known_before_it_runs() {
        let names = |source| {
            Expression::compile(source)
                .expect("it compiles")
                .names()
                .iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names("payload.a + fetch.b[index]"),
            ["fetch", "index", "payload"]
        );
        assert_eq!(names("range(3) | list"), ["range"]);
        assert_eq!(names("steps['my-step'].id"), ["steps"]);
    }

    #[test]
    fn conditions_follow_python() {
        let scope = Names(json!({"payload": {"zero": 0, "text": "x"}}));
        let holds = |source: &str| {
            Expression::compile(source)
                .expect("it compiles")
                .holds(&scope)
        };
        assert_eq!(holds("payload.text"), Ok(true));
        assert_eq!(holds("payload.zero"), Ok(false));
        assert_eq!(holds("payload.missing"), Ok(false));
        assert_eq!(holds("payload.zero < 1 and not payload.missing"), Ok(true));
    }
}
