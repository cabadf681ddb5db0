//! What a webhook sends: every header once, the user's before the default.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Walk, only};
use crate::sink::{Call, KEY_HEADER};

pub(super) async fn walk(walk: &mut Walk<'_>) {
    let result = defaults(walk).await;
    walk.note("a webhook with a body sends each header once", result);
    let result = own(walk).await;
    walk.note("a user's header takes the place of the default", result);
    let result = own_key(walk).await;
    walk.note("a user's header arrives, whatever its case, once", result);
    let result = methods(walk).await;
    walk.note("every method arrives as it is", result);
}

async fn defaults(walk: &mut Walk<'_>) -> Result<String> {
    let config = json!({"url": walk.sink.url("/headers"), "method": "POST", "body": {"a": 1}});
    let (_, calls) = walk.call(config, json!({})).await?;
    let call = only(&calls)?;
    each_once(call)?;
    let kind = call.header("content-type");
    ensure!(
        kind.len() == 1 && kind[0].starts_with("application/json"),
        "content-type is {kind:?}"
    );
    ensure!(
        call.key().is_some_and(|key| !key.is_empty()),
        "it carries no {KEY_HEADER}"
    );
    ensure!(
        call.body == json!({"a": 1}),
        "the body arrived as {}",
        call.body
    );
    Ok(names(call))
}

async fn own(walk: &mut Walk<'_>) -> Result<String> {
    let headers = json!({"Content-Type": "application/vnd.example+json", "User-Agent": "mine/1"});
    let config = json!({"url": walk.sink.url("/headers"), "method": "POST", "headers": headers, "body": {"a": 1}});
    let (_, calls) = walk.call(config, json!({})).await?;
    let call = only(&calls)?;
    each_once(call)?;
    for (name, value) in [
        ("content-type", "application/vnd.example+json"),
        ("user-agent", "mine/1"),
    ] {
        ensure!(
            call.header(name) == [value],
            "{name} is {:?}",
            call.header(name)
        );
    }
    Ok(names(call))
}

async fn own_key(walk: &mut Walk<'_>) -> Result<String> {
    let headers = json!({"X-Test": "one", "AUTHORIZATION": "Bearer abc", "accept": "text/html"});
    let config = json!({"url": walk.sink.url("/headers"), "method": "GET", "headers": headers});
    let (_, calls) = walk.call(config, json!({})).await?;
    let call = only(&calls)?;
    each_once(call)?;
    for (name, value) in [
        ("x-test", "one"),
        ("authorization", "Bearer abc"),
        ("accept", "text/html"),
    ] {
        ensure!(
            call.header(name) == [value],
            "{name} is {:?}",
            call.header(name)
        );
    }
    ensure!(
        call.raw_body.is_empty(),
        "a request without a body has {} bytes of it",
        call.raw_body.len()
    );
    Ok(names(call))
}

async fn methods(walk: &mut Walk<'_>) -> Result<String> {
    let mut seen = Vec::new();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] {
        let config =
            json!({"url": walk.sink.url("/method"), "method": method, "body": Value::Null});
        let (run, calls) = walk.call(config, json!({})).await?;
        ensure!(
            run.status == "success",
            "{method}: the run ended as {}: {}",
            run.status,
            run.error
        );
        let call = only(&calls)?;
        ensure!(call.method == method, "{method} arrived as {}", call.method);
        seen.push(method);
    }
    Ok(seen.join(" "))
}

fn each_once(call: &Call) -> Result<()> {
    for (name, _) in &call.headers {
        let values = call.header(name);
        ensure!(
            values.len() == 1,
            "{name} was sent {} times: {values:?}",
            values.len()
        );
    }
    Ok(())
}

fn names(call: &Call) -> String {
    let names: Vec<&str> = call.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.join(", ")
}
