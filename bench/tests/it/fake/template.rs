//! The fake's `${…}`: dotted names, and one comparison or sum with a number.

use serde_json::{Value, json};

/// Where names are looked up.
pub(super) trait Scope {
    fn find(&self, name: &str) -> Option<Value>;
}

/// Every name in a document.
pub(super) fn names(document: &Value) -> Vec<String> {
    match document {
        Value::String(text) => {
            let plain = text.replace("$${", "");
            plain
                .split("${")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('}')?.0.trim().to_owned()))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        Value::Object(members) => members.values().flat_map(names).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

pub(super) fn render(document: &Value, scope: &dyn Scope, embedded: bool) -> Result<Value, String> {
    Ok(match document {
        Value::String(text) => render_text(text, scope, embedded)?,
        Value::Array(items) => items
            .iter()
            .map(|item| render(item, scope, embedded))
            .collect::<Result<_, _>>()?,
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                Ok((name.clone(), render(value, scope, embedded)?))
            };
            Value::Object(members.iter().map(member).collect::<Result<_, String>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => document.clone(),
    })
}

fn render_text(text: &str, scope: &dyn Scope, embedded: bool) -> Result<Value, String> {
    let inner = text
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'));
    if let Some(expression) = inner.filter(|inner| !inner.contains('}')) {
        return evaluate(expression, scope);
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &after[2..];
            continue;
        }
        out.push_str(before);
        let (expression, behind) = after[2..].split_once('}').ok_or("a ${ without its }")?;
        match evaluate(expression, scope)? {
            _ if !embedded => out.push_str(&format!("${{{expression}}}")),
            Value::String(value) => out.push_str(&value),
            value => out.push_str(&value.to_string()),
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out.into())
}

/// Whether a step's condition holds.
pub(super) fn holds(condition: &str, scope: &dyn Scope) -> bool {
    let bare = condition
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(condition);
    evaluate(bare, scope) == Ok(Value::Bool(true))
}

fn evaluate(expression: &str, scope: &dyn Scope) -> Result<Value, String> {
    let words: Vec<&str> = expression.split_whitespace().collect();
    let (name, operation) = match words[..] {
        [name] => (name, None),
        [name, operator, number] => (name, Some((operator, number.parse::<i64>().unwrap_or(0)))),
        _ => return Err(format!("cannot read ${{{expression}}}")),
    };
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let mut value = scope
        .find(first)
        .ok_or_else(|| format!("nothing is called {first}"))?;
    for part in parts {
        let member = value.get(part).cloned();
        value = member.ok_or_else(|| format!("expression ${{{name}}}: there is no \"{part}\""))?;
    }
    let Some((operator, number)) = operation else {
        return Ok(value);
    };
    let left = value.as_i64().unwrap_or(0);
    Ok(match operator {
        "+" => json!(left + number),
        ">" => json!(left > number),
        "<" => json!(left < number),
        _ => return Err(format!("cannot read ${{{expression}}}")),
    })
}
