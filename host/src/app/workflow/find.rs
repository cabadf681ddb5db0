//! Which workflow of a server is meant.

use anyhow::{Result, bail};
use hyper::Method;
use millwork_core::id::WorkflowId;
use serde_json::{Value, json};

use crate::client::Client;

/// Finds the workflow that a definition describes: by its `id`, or by its name where it has none.
pub(super) async fn find_own(client: &Client, definition: &Value) -> Result<Option<Value>> {
    let (field, value) = match (definition["id"].as_str(), definition["name"].as_str()) {
        (Some(id), _) => ("id", id),
        (None, Some(name)) => ("name", name),
        (None, None) => bail!("the definition has neither an `id` nor a name"),
    };
    let mut found = search(client, field, value).await?;
    if field == "name" {
        // One of this name that has an `id` is another one: it is found by that.
        found.retain(|item| item["id"].is_null());
    }
    one_of(found, field, value)
}

/// Finds a workflow by what a person calls it: its UUID, its `id` or its name.
pub(in crate::app) async fn find(client: &Client, called: &str) -> Result<Value> {
    if called.parse::<WorkflowId>().is_ok() {
        return Ok(json!({"uuid": called}));
    }
    for field in ["id", "name"] {
        let found = search(client, field, called).await?;
        if let Some(item) = one_of(found, field, called)? {
            return Ok(item);
        }
    }
    let path = format!("/api/v1/workflows?limit=5&search={}", encode(called));
    let near = client.ask(Method::GET, &path, None).await?;
    let near: Vec<_> = items(&near).map(name_of).collect();
    match near.is_empty() {
        true => bail!("there is no workflow {called:?}: `millwork workflows list` shows them"),
        false => bail!(
            "there is no workflow {called:?}; there is {}",
            near.join(", ")
        ),
    }
}

async fn search(client: &Client, field: &str, value: &str) -> Result<Vec<Value>> {
    let value = encode(value);
    let path = format!("/api/v1/workflows?archived=true&limit=10&{field}={value}");
    let page = client.ask(Method::GET, &path, None).await?;
    Ok(items(&page).cloned().collect())
}

fn one_of(mut found: Vec<Value>, field: &str, value: &str) -> Result<Option<Value>> {
    if found.len() > 1 {
        let ids: Vec<_> = found.iter().map(|item| text(item, "uuid")).collect();
        bail!(
            "several workflows have the {field} {value:?}: {}; delete all but one, or name it by its UUID",
            ids.join(", ")
        );
    }
    Ok(found.pop())
}

/// The items of a page.
pub(in crate::app) fn items(page: &Value) -> impl Iterator<Item = &Value> {
    page["items"].as_array().into_iter().flatten()
}

/// What a person calls a workflow.
pub(super) fn name_of(definition: &Value) -> &str {
    let id = definition["id"].as_str();
    id.unwrap_or_else(|| text(definition, "name"))
}

/// A text of an object; empty where there is none.
pub(in crate::app) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A value as it may stand in a query or a path.
pub(in crate::app) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded += &format!("%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_of_one_name_are_not_guessed_among() {
        let item = |uuid: &str| json!({"uuid": uuid});
        assert_eq!(one_of(vec![], "id", "x").expect("there is none"), None);
        let refused = one_of(vec![item("1"), item("2")], "id", "x").expect_err("there are two");
        let refused = refused.to_string();
        assert!(
            refused.starts_with("several workflows have the id \"x\": 1, 2;"),
            "{refused}"
        );
    }

    #[test]
    fn what_stands_in_a_query_is_encoded() {
        assert_eq!(encode("a b/ü&"), "a%20b%2F%C3%BC%26");
    }
}
