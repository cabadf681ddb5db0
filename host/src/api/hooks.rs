//! `POST /hooks/{path}`: requests from outside that start runs.
//!
//! No token is asked for: whoever sends one shows by its signature that he may. What came before is not looked at until then.

mod payload;
mod signature;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use millwork_core::definition::{Scheme, Verify, WebhookTrigger};
use millwork_core::id::RunId;
use serde::Serialize;

use self::signature::Refusal;
use super::Api;
use super::body;
use super::json::answer;
use super::problem::{Fault, Kind, Problem};
use super::traced;

/// Bytes of what tells a delivery from others.
const DELIVERY_MAX_BYTES: usize = 255;

/// How often a webhook is looked for whose workflow is changed each time before the run is written.
const OVERTAKEN_MAX: usize = 10;

/// A run that a request has started.
#[derive(Debug, Serialize)]
struct Received {
    run_id: RunId,
    status: &'static str,
}

pub(super) async fn receive(
    State(api): State<Api>,
    Path(path): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Read in any case: a client that is still sending would lose the answer.
    let body = body::read(body, api.payload_limit(), api.body_timeout()).await?;
    for _ in 0..OVERTAKEN_MAX {
        // A newer version may ask for another signature: all of it is looked at again.
        if let Some(run_id) = begin(&api, &path, &uri, &headers, &body).await? {
            let received = Received {
                run_id,
                status: "triggered",
            };
            return Ok(answer(StatusCode::OK, &received));
        }
    }
    let detail = "the workflow of this webhook is being changed all the time; try again";
    Err(Problem::new(Kind::Unavailable, detail))
}

/// Begins a run for a request that shows who has sent it. Nothing where the workflow has a newer version by now.
async fn begin(
    api: &Api,
    path: &str,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<RunId>, Problem> {
    let hook = api.engine().find_webhook(path).await?;
    let hook = hook.ok_or_else(|| {
        let detail = format!("no workflow has an inbound webhook at \"{path}\"");
        Problem::new(Kind::UnknownWebhook, detail)
    })?;
    let trigger = hook.trigger();
    if let Some(verify) = &trigger.verify {
        check(api, verify, headers, body).await?;
    }
    let delivery = find_delivery(trigger, headers, body)?;
    let payload = payload::read(trigger, uri, headers, body)?;
    let engine = api.engine();
    let trace = traced::trace(headers);
    let begun = engine.begin_by_webhook(&hook, delivery, payload, trace);
    Ok(begun.await?)
}

/// Checks who has sent a request.
async fn check(
    api: &Api,
    verify: &Verify,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Problem> {
    let secret = read_secret(api, &verify.secret).await?;
    let header = verify.header.as_deref().unwrap_or(match verify.scheme {
        Scheme::HmacSha256 => "x-signature",
        Scheme::Github => "x-hub-signature-256",
        Scheme::Stripe => "stripe-signature",
    });
    let refuse = |refusal: Refusal| {
        let detail = format!("the header {header} {refusal}");
        Problem::new(Kind::BadSignature, detail)
    };
    let found = headers.get(header).and_then(|value| value.to_str().ok());
    let found = found.ok_or_else(|| refuse(Refusal::Missing))?;
    let now = api.engine().now();
    signature::check(verify, found, secret.as_bytes(), body, now).map_err(refuse)
}

async fn read_secret(api: &Api, name: &str) -> Result<String, Problem> {
    let cause = match api.safe().read(name).await {
        Ok(Some(secret)) => return Ok(secret),
        Ok(None) => "there is no such secret".to_owned(),
        Err(cause) => cause,
    };
    tracing::error!(
        secret.name = name,
        cause,
        "an inbound webhook's secret is not there"
    );
    let detail = "the secret of this webhook is not there; the host's log says which";
    Err(Problem::new(Kind::Unavailable, detail))
}

/// What tells this delivery from others: a second one of the same event starts nothing.
fn find_delivery(
    trigger: &WebhookTrigger,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<String>, Problem> {
    let scheme = trigger.verify.as_ref().map(|verify| verify.scheme);
    let header = match (&trigger.dedupe, scheme) {
        (Some(header), _) => header.as_str(),
        (None, Some(Scheme::Github)) => "x-github-delivery",
        (None, Some(Scheme::Stripe)) => return Ok(payload::event_id(body)),
        (None, Some(Scheme::HmacSha256) | None) => return Ok(None),
    };
    let Some(value) = headers.get(header) else {
        return Ok(None);
    };
    let text = value.to_str().ok().map(str::trim);
    match text.filter(|text| (1..=DELIVERY_MAX_BYTES).contains(&text.len())) {
        Some(text) => Ok(Some(text.to_owned())),
        None => {
            let message = format!("must have 1 to {DELIVERY_MAX_BYTES} visible characters");
            Err(Problem::invalid(vec![Fault::new(header, message)]))
        }
    }
}
