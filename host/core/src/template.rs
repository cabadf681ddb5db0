//! A configuration with `${…}` in it: compiled once per definition, evaluated once per attempt.
//!
//! A string that is one `${…}` and nothing more becomes the value itself, with its JSON type. Inside a longer string the
//! value is written as text, lists and objects as JSON. `$${` is a literal `${`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::expression::{Expression, ExpressionError, Scope};
use crate::json::Json;

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

/// One thing wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateProblem {
    /// A JSON Pointer (RFC 6901) into the template.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl Template {
    /// Compiles a document. `is_step` says whether a text is the name of a step.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub fn compile(document: &Value, is_step: &dyn Fn(&str) -> bool) -> Result<Self, Vec<TemplateProblem>> {
        let mut problems = Vec::new();
        let node = compile(document, "", is_step, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let fixed = match &node {
            Node::Fixed(value) => Some(Json::from(value)),
            Node::Whole(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
        };
        Ok(Self { node, fixed })
    }

    /// The names that the expressions take from their scope, each with the place where it is used.
    #[must_use]
    pub fn names(&self) -> BTreeSet<(String, String)> {
        let mut names = BTreeSet::new();
        collect_names(&self.node, "", &mut names);
        names
    }

    /// Evaluates every expression.
    ///
    /// # Errors
    /// The first expression that gives no value.
    pub fn render(&self, scope: &dyn Scope) -> Result<Json, ExpressionError> {
        match &self.fixed {
            Some(json) => Ok(json.clone()),
            None => render(&self.node, scope).map(Json::from),
        }
    }
}

fn compile(
    document: &Value,
    path: &str,
    is_step: &dyn Fn(&str) -> bool,
    problems: &mut Vec<TemplateProblem>,
) -> Node {
    match document {
        Value::Null | Value::Bool(_) | Value::Number(_) => Node::Fixed(document.clone()),
        Value::String(text) => compile_text(text, is_step).unwrap_or_else(|message| {
            problems.push(TemplateProblem { path: path.to_owned(), message });
            Node::Fixed(Value::Null)
        }),
        Value::Array(items) => {
            let nodes: Vec<Node> = items
                .iter()
                .enumerate()
                .map(|(index, item)| compile(item, &format!("{path}/{index}"), is_step, problems))
                .collect();
            match nodes.iter().map(fixed).collect::<Option<Vec<_>>>() {
                Some(values) => Node::Fixed(Value::Array(values)),
                None => Node::List(nodes),
            }
        }
        Value::Object(members) => {
            let nodes: Vec<(String, Node)> = members
                .iter()
                .map(|(name, member)| {
                    let path = format!("{path}/{}", escape_pointer(name));
                    (name.clone(), compile(member, &path, is_step, problems))
                })
                .collect();
            match nodes.iter().map(|(name, node)| Some((name.clone(), fixed(node)?))).collect::<Option<_>>() {
                Some(members) => Node::Fixed(Value::Object(members)),
                None => Node::Object(nodes),
            }
        }
    }
}

fn fixed(node: &Node) -> Option<Value> {
    match node {
        Node::Fixed(value) => Some(value.clone()),
        Node::Whole(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
    }
}

fn compile_text(text: &str, is_step: &dyn Fn(&str) -> bool) -> Result<Node, String> {
    let mut parts = split(text)?
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => Ok(Part::Text(text)),
            Piece::Expression(source) if is_step(source.trim()) => Ok(Part::Value(Reference::Step(source.trim().to_owned()))),
            Piece::Expression(source) => Expression::compile(&source)
                .map(|expression| Part::Value(Reference::Expression(Box::new(expression))))
                .map_err(|error| error.to_string()),
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

enum Piece {
    Text(String),
    Expression(String),
}

/// Cuts a string into text and expressions. Braces and quotes inside an expression are followed, so that
/// `${ {"a": "}"} }` is one expression.
fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            plain.push_str(&rest[..at - 1]);
            plain.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let body = &rest[at + 2..];
        let end = end_of_expression(body)
            .ok_or_else(|| "has a ${ without its }; write $${ for a literal ${".to_owned())?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Expression(body[..end].to_owned()));
        rest = &body[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn end_of_expression(body: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, character) in body.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(end), _) if character == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// Whether a string holds an expression, so that its value is not known before a run.
#[must_use]
pub fn has_expression(text: &str) -> bool {
    split(text).map_or(true, |pieces| pieces.iter().any(|piece| matches!(piece, Piece::Expression(_))))
}

/// Writes a name as a part of a JSON Pointer (RFC 6901, section 3).
#[must_use]
pub fn escape_pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn collect_names(node: &Node, path: &str, names: &mut BTreeSet<(String, String)>) {
    let mut add = |reference: &Reference| match reference {
        Reference::Step(name) => {
            names.insert((name.clone(), path.to_owned()));
        }
        Reference::Expression(expression) => {
            names.extend(expression.names().iter().map(|name| (name.clone(), path.to_owned())));
        }
    };
    match node {
        Node::Fixed(_) => {}
        Node::Whole(reference) => add(reference),
        Node::Text(parts) => parts.iter().for_each(|part| match part {
            Part::Text(_) => {}
            Part::Value(reference) => add(reference),
        }),
        Node::List(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                collect_names(node, &format!("{path}/{index}"), names);
            }
        }
        Node::Object(members) => {
            for (name, node) in members {
                collect_names(node, &format!("{path}/{}", escape_pointer(name)), names);
            }
        }
    }
}

fn render(node: &Node, scope: &dyn Scope) -> Result<Value, ExpressionError> {
    match node {
        Node::Fixed(value) => Ok(value.clone()),
        Node::Whole(reference) => evaluate(reference, scope),
        Node::Text(parts) => {
            let mut text = String::new();
            for part in parts {
                match part {
                    Part::Text(plain) => text.push_str(plain),
                    Part::Value(reference) => match evaluate(reference, scope)? {
                        Value::String(value) => text.push_str(&value),
                        value => text.push_str(&value.to_string()),
                    },
                }
            }
            Ok(Value::String(text))
        }
        Node::List(nodes) => nodes.iter().map(|node| render(node, scope)).collect::<Result<_, _>>().map(Value::Array),
        Node::Object(members) => members
            .iter()
            .map(|(name, node)| Ok((name.clone(), render(node, scope)?)))
            .collect::<Result<_, _>>()
            .map(Value::Object),
    }
}

fn evaluate(reference: &Reference, scope: &dyn Scope) -> Result<Value, ExpressionError> {
    match reference {
        Reference::Expression(expression) => expression.evaluate(scope),
        Reference::Step(name) => scope.find(name).map(std::borrow::Cow::into_owned).ok_or_else(|| ExpressionError {
            expression: name.clone(),
            problem: "names a step that has no output".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde_json::json;

    use super::*;

    struct Names(Value);

    impl Scope for Names {
        fn find(&self, name: &str) -> Option<Cow<'_, Value>> {
            self.0.get(name).map(Cow::Borrowed)
        }
    }

    fn render(document: &Value) -> Result<Value, String> {
        let scope = Names(json!({"payload": {"n": 3, "who": "Ada", "list": [1, 2]}, "initial-delay": {"d": 1}}));
        let template = Template::compile(document, &|name| name == "initial-delay").map_err(|problems| format!("{problems:?}"))?;
        template.render(&scope).map(|json| json.value().clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_string_keeps_its_type_and_an_embedded_one_becomes_text() {
        assert_eq!(render(&json!("${payload.n}")), Ok(json!(3)));
        assert_eq!(render(&json!(" ${payload.n}")), Ok(json!(" 3")));
        assert_eq!(render(&json!("${payload.list}")), Ok(json!([1, 2])));
        assert_eq!(render(&json!("list: ${payload.list}, ${payload.who}")), Ok(json!("list: [1,2], Ada")));
        assert_eq!(render(&json!({"a": ["x", "${payload.n}"], "b": true})), Ok(json!({"a": ["x", 3], "b": true})));
    }

    #[test]
    fn a_step_name_that_is_no_identifier_means_its_output() {
        assert_eq!(render(&json!("${initial-delay}")), Ok(json!({"d": 1})));
        assert_eq!(render(&json!("got ${ initial-delay }")), Ok(json!("got {\"d\":1}")));
    }

    #[test]
    fn two_dollars_are_a_literal() {
        assert_eq!(render(&json!("$${payload.n}")), Ok(json!("${payload.n}")));
        assert_eq!(render(&json!("costs $5 and $${x} and ${payload.n}")), Ok(json!("costs $5 and ${x} and 3")));
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
        let document = json!({"a": "${", "b/c": ["${1 +}", "fine"], "d": "${}"});
        let problems = Template::compile(&document, &|_| false).expect_err("it does not hold");
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["/a", "/b~1c/0", "/d"]);
    }

    #[test]
    fn what_a_template_names_is_known_with_its_place() {
        let template = Template::compile(&json!({"x": ["${payload.n + fetch.m}"]}), &|_| false).expect("it compiles");
        let names: Vec<_> = template.names().into_iter().collect();
        assert_eq!(names, [("fetch".to_owned(), "/x/0".to_owned()), ("payload".to_owned(), "/x/0".to_owned())]);
    }
}
