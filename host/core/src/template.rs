//! A configuration with `${…}` in it: compiled once per definition, evaluated once per attempt.
//!
//! A string that is one `${…}` and nothing more becomes the value itself, with its JSON type. Inside a longer string the
//! value is written as text, lists and objects as JSON. `$${` is a literal `${`.

mod pieces;

pub use pieces::has_expression;

use serde_json::Value;

use crate::definition::{Problem, Problems, cut};
use crate::expression::{Budget, Evaluation, Expression, ExpressionError, Scope};
use crate::json::{DEPTH_MAX, Json};
use crate::pointer::Pointer;
use pieces::{Piece, split};

/// Expressions in one document. Each may take a while, and somebody waits for them all.
pub const EXPRESSIONS_MAX: usize = 1_000;

/// A JSON document with expressions in its strings.
#[derive(Debug)]
pub struct Template {
    node: Node,
    /// The finished document, where there is nothing to evaluate.
    fixed: Option<Json>,
}

#[derive(Debug)]
enum Node {
    Fixed(Value),
    /// A string that is one `${…}`.
    Whole(Reference),
    /// Text with `${…}` in it.
    Text(Vec<Part>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug)]
enum Part {
    Text(String),
    Value(Reference),
}

/// What stands between the braces.
#[derive(Debug)]
enum Reference {
    /// Exactly a step's name, which need not be an identifier of the expression language.
    Step(String),
    Expression(Box<Expression>),
}

impl Template {
    /// Compiles a document that stands at a place. Nothing where something is wrong with it, which is then among the
    /// problems.
    pub fn compile(
        document: &Value,
        place: &Pointer<'_>,
        vocabulary: &dyn Vocabulary,
        problems: &mut Problems,
    ) -> Option<Self> {
        let mut compiling = Compiling {
            vocabulary,
            problems,
            expressions: 0,
            failed: false,
        };
        let node = compiling.node(document, place, 0);
        if compiling.expressions > EXPRESSIONS_MAX {
            let found = compiling.expressions;
            compiling.problem(place, || {
                format!("has {found} expressions, the limit is {EXPRESSIONS_MAX}")
            });
        }
        if compiling.failed {
            return None;
        }
        let fixed = match &node {
            Node::Fixed(value) => Some(Json::from(value)),
            Node::Whole(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
        };
        Some(Self { node, fixed })
    }

    /// Evaluates every expression.
    ///
    /// # Errors
    /// The first expression that gives no value, or the one with which the document grows too large.
    pub fn render(&self, scope: &dyn Scope) -> Result<Json, ExpressionError> {
        match &self.fixed {
            Some(json) => Ok(json.clone()),
            None => {
                let mut rendering = Rendering {
                    evaluation: Evaluation::of(scope),
                    budget: Budget::new(),
                };
                rendering.node(&self.node, 0).map(Json::from)
            }
        }
    }
}

/// What the expressions of a document may name.
pub trait Vocabulary {
    /// Whether a text is the name of a step.
    fn is_step(&self, text: &str) -> bool;

    /// Whether a name may be taken from the scope.
    fn allows(&self, name: &str) -> bool;

    /// Why [`Self::allows`] does not.
    fn explain(&self, name: &str) -> String;
}

struct Compiling<'a> {
    vocabulary: &'a dyn Vocabulary,
    problems: &'a mut Problems,
    expressions: usize,
    failed: bool,
}

impl Compiling<'_> {
    fn problem(&mut self, place: &Pointer<'_>, message: impl FnOnce() -> String) {
        self.failed = true;
        self.problems
            .add(|| Problem::new(place.to_string(), message()));
    }

    fn node(&mut self, document: &Value, place: &Pointer<'_>, depth: usize) -> Node {
        match document {
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Fixed(document.clone()),
            Value::String(text) => self.text(text, place).unwrap_or_else(|message| {
                self.problem(place, || message);
                Node::Fixed(Value::Null)
            }),
            Value::Array(_) | Value::Object(_) if depth >= DEPTH_MAX => {
                self.problem(place, || format!("nests deeper than {DEPTH_MAX} levels"));
                Node::Fixed(Value::Null)
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let nodes: Vec<Node> = items
                    .map(|(index, item)| self.node(item, &place.item(index), depth + 1))
                    .collect();
                match nodes.iter().map(fixed).collect::<Option<Vec<_>>>() {
                    Some(values) => Node::Fixed(Value::Array(values)),
                    None => Node::List(nodes),
                }
            }
            Value::Object(members) => {
                let members = members.iter();
                let nodes: Vec<(String, Node)> = members
                    .map(|(name, member)| {
                        (
                            name.clone(),
                            self.node(member, &place.member(name), depth + 1),
                        )
                    })
                    .collect();
                match nodes
                    .iter()
                    .map(|(name, node)| Some((name.clone(), fixed(node)?)))
                    .collect::<Option<_>>()
                {
                    Some(members) => Node::Fixed(Value::Object(members)),
                    None => Node::Object(nodes),
                }
            }
        }
    }

    fn text(&mut self, text: &str, place: &Pointer<'_>) -> Result<Node, String> {
        let mut parts = split(text)?
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => Ok(Part::Text(text)),
                Piece::Expression(source) => self.reference(&source, place).map(Part::Value),
            })
            .collect::<Result<Vec<_>, String>>()?;
        let only = if parts.len() == 1 { parts.pop() } else { None };
        Ok(match only {
            Some(Part::Text(text)) => Node::Fixed(Value::String(text)),
            Some(Part::Value(reference)) => Node::Whole(reference),
            None if parts.is_empty() => Node::Fixed(Value::String(String::new())),
            None => Node::Text(parts),
        })
    }

    fn reference(&mut self, source: &str, place: &Pointer<'_>) -> Result<Reference, String> {
        self.expressions += 1;
        let vocabulary = self.vocabulary;
        let reference = if vocabulary.is_step(source.trim()) {
            Reference::Step(source.trim().to_owned())
        } else {
            Reference::Expression(Box::new(
                Expression::compile(source).map_err(|error| error.to_string())?,
            ))
        };
        let refused: Vec<&str> = reference
            .names()
            .filter(|name| !vocabulary.allows(name))
            .collect();
        for name in refused {
            self.problem(place, || vocabulary.explain(name));
        }
        Ok(reference)
    }
}

impl Reference {
    fn names(&self) -> impl Iterator<Item = &str> {
        let (step, expression) = match self {
            Self::Step(name) => (Some(name.as_str()), None),
            Self::Expression(expression) => {
                (None, Some(expression.names().iter().map(String::as_str)))
            }
        };
        step.into_iter().chain(expression.into_iter().flatten())
    }
}

fn fixed(node: &Node) -> Option<Value> {
    match node {
        Node::Fixed(value) => Some(value.clone()),
        Node::Whole(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
    }
}

struct Rendering<'a> {
    evaluation: Evaluation<'a>,
    budget: Budget,
}

impl Rendering<'_> {
    fn node(&mut self, node: &Node, depth: usize) -> Result<Value, ExpressionError> {
        match node {
            Node::Fixed(value) => Ok(value.clone()),
            Node::Whole(reference) => self.evaluate(reference, depth),
            Node::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Text(plain) => text.push_str(plain),
                        Part::Value(reference) => match self.evaluate(reference, 0)? {
                            Value::String(value) => text.push_str(&value),
                            value => text.push_str(&value.to_string()),
                        },
                    }
                }
                Ok(Value::String(text))
            }
            Node::List(nodes) => nodes
                .iter()
                .map(|node| self.node(node, depth + 1))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Node::Object(members) => members
                .iter()
                .map(|(name, node)| Ok((name.clone(), self.node(node, depth + 1)?)))
                .collect::<Result<_, _>>()
                .map(Value::Object),
        }
    }

    fn evaluate(&mut self, reference: &Reference, depth: usize) -> Result<Value, ExpressionError> {
        match reference {
            Reference::Expression(expression) => {
                expression.evaluate_within(&self.evaluation, &mut self.budget, depth)
            }
            Reference::Step(name) => {
                let refuse = |problem: String| ExpressionError {
                    expression: cut(name.clone(), 120),
                    problem,
                };
                let value = self.evaluation.scope().find(name);
                let value =
                    value.ok_or_else(|| refuse("names a step that has no output".to_owned()))?;
                let value = value.into_value();
                self.budget.spend_value(&value, depth).map_err(refuse)?;
                Ok(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::*;
    use crate::expression::Found;

    struct Names(Value);

    impl Scope for Names {
        fn find(&self, name: &str) -> Option<Found<'_>> {
            let value = self.0.get(name)?;
            Some(Found::Value(Cow::Borrowed(value)))
        }
    }

    /// Only `initial-delay` is a step, and every name but `nobody` is allowed.
    struct Anything;

    impl Vocabulary for Anything {
        fn is_step(&self, text: &str) -> bool {
            text == "initial-delay"
        }

        fn allows(&self, name: &str) -> bool {
            name != "nobody"
        }

        fn explain(&self, name: &str) -> String {
            format!("{name} is not allowed")
        }
    }

    fn render(document: &Value) -> Result<Value, String> {
        let scope = Names(
            json!({"payload": {"n": 3, "who": "Ada", "list": [1, 2]}, "initial-delay": {"d": 1}}),
        );
        let mut problems = Problems::default();
        let template = Template::compile(document, &Pointer::Root(""), &Anything, &mut problems);
        let template = template.ok_or_else(|| format!("{problems:?}"))?;
        template
            .render(&scope)
            .map(|json| json.value().clone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_string_keeps_its_type_and_an_embedded_one_becomes_text() {
        assert_eq!(render(&json!("${payload.n}")), Ok(json!(3)));
        assert_eq!(render(&json!(" ${payload.n}")), Ok(json!(" 3")));
        assert_eq!(render(&json!("${payload.list}")), Ok(json!([1, 2])));
        assert_eq!(
            render(&json!("list: ${payload.list}, ${payload.who}")),
            Ok(json!("list: [1,2], Ada"))
        );
        assert_eq!(
            render(&json!({"a": ["x", "${payload.n}"], "b": true})),
            Ok(json!({"a": ["x", 3], "b": true}))
        );
    }

    #[test]
    fn a_step_name_that_is_no_identifier_means_its_output() {
        assert_eq!(render(&json!("${initial-delay}")), Ok(json!({"d": 1})));
        assert_eq!(
            render(&json!("got ${ initial-delay }")),
            Ok(json!("got {\"d\":1}"))
        );
    }

    #[test]
    fn two_dollars_are_a_literal() {
        assert_eq!(render(&json!("$${payload.n}")), Ok(json!("${payload.n}")));
        assert_eq!(
            render(&json!("costs $5 and $${x} and ${payload.n}")),
            Ok(json!("costs $5 and ${x} and 3"))
        );
        assert!(!has_expression("$${x}"));
        assert!(has_expression("a ${x}"));
    }

    #[test]
    fn braces_and_quotes_inside_an_expression_are_followed() {
        assert_eq!(render(&json!("${ {\"a\": \"}\"} }")), Ok(json!({"a": "}"})));
        assert_eq!(render(&json!("${'it\\'s }'}!")), Ok(json!("it's }!")));
    }

    #[test]
    fn every_problem_is_found_with_its_place() {
        let document = json!({"a": "${", "b/c": ["${1 +}", "fine"], "d": "${}", "e": ["${payload} ${nobody.x}"]});
        let mut problems = Problems::default();
        assert!(
            Template::compile(
                &document,
                &Pointer::Root("/config"),
                &Anything,
                &mut problems
            )
            .is_none()
        );
        let paths: Vec<_> = problems
            .in_order_of(&json!({"config": document}))
            .into_iter()
            .map(|problem| problem.path)
            .collect();
        assert_eq!(
            paths,
            ["/config/a", "/config/b~1c/0", "/config/d", "/config/e/0"]
        );
    }

    #[test]
    fn a_document_is_bounded_in_depth_and_size_with_all_that_it_takes_in() {
        let nested = |depth: usize, inner: Value| (0..depth).fold(inner, |inner, _| json!([inner]));
        let scope = Names(
            json!({"deep": nested(DEPTH_MAX - 10, json!(1)), "large": "x".repeat(1_000_000)}),
        );
        struct Steps(bool);
        impl Vocabulary for Steps {
            fn is_step(&self, _: &str) -> bool {
                self.0
            }

            fn allows(&self, _: &str) -> bool {
                true
            }

            fn explain(&self, name: &str) -> String {
                name.to_owned()
            }
        }
        let rendered = |document: &Value, is_step: bool| {
            let mut problems = Problems::default();
            let template =
                Template::compile(document, &Pointer::Root(""), &Steps(is_step), &mut problems);
            let template = template.ok_or_else(|| format!("{problems:?}"))?;
            template.render(&scope).map_err(|error| error.to_string())
        };
        for is_step in [true, false] {
            let json =
                rendered(&nested(10, json!("${deep}")), is_step).expect("it is just not too deep");
            assert_eq!(Json::from_text(json.text()), Ok(json));
            let error =
                rendered(&nested(11, json!("${deep}")), is_step).expect_err("it is too deep");
            assert!(error.contains("nested deeper than 96 levels"), "{error}");
            let error =
                rendered(&json!(vec!["${large}"; 9]), is_step).expect_err("it is too large");
            assert!(
                error.contains("gives more than 8388608 bytes of text"),
                "{error}"
            );
        }
        assert!(rendered(&nested(DEPTH_MAX, json!(1)), false).is_ok());
        assert!(
            rendered(&nested(DEPTH_MAX + 1, json!(1)), false)
                .expect_err("it is too deep")
                .contains("96 levels")
        );
        let error = rendered(&json!(vec!["${1}"; EXPRESSIONS_MAX + 1]), false)
            .expect_err("they are too many");
        assert!(
            error.contains("has 1001 expressions, the limit is 1000"),
            "{error}"
        );
    }
}
