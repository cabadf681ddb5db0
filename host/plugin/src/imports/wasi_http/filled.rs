//! Secrets in a request that comes by `wasi:http`: put in before it leaves, and taken out of the head of its answer.
//!
//! The body is gathered for it, since its length changes with what is put in. A request that mentions no secret passes as it is.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt as _, Full};
use url::Url;

use crate::imports::Outfit;
use crate::imports::http::client::Body;
use crate::imports::http::door::HttpError;
use crate::imports::secrets::placeholders::{Placeholders, Sending};

/// Puts the secrets in the place of their placeholders in the URL, the headers and the body.
pub(super) async fn fill(
    outfit: &Outfit,
    placeholders: &Placeholders,
    head: &mut Parts,
    url: &mut Url,
    body: Body,
) -> Result<Body, HttpError> {
    let gathered = body.collect().await;
    let gathered = gathered.map_err(|error| HttpError::Protocol(error.to_string()))?;
    if gathered.trailers().is_some() {
        return Err(HttpError::InvalidRequest(
            "a call that uses secrets cannot send trailers".to_owned(),
        ));
    }
    let (method, target) = (head.method.clone(), url.clone());
    let sending = Sending {
        powers: &outfit.powers,
        method: &method,
        url: &target,
        max_bytes: outfit.limits.http_request_max_bytes,
    };
    url.set_path(&placeholders.fill(target.path(), &sending)?);
    if let Some(query) = target.query() {
        url.set_query(Some(&placeholders.fill(query, &sending)?));
    }
    for (name, value) in &mut head.headers {
        let filled = placeholders.fill_bytes(value.as_bytes().to_vec(), &sending)?;
        *value = HeaderValue::from_bytes(&filled).map_err(|_| {
            HttpError::InvalidRequest(format!(
                "the value of the header {name} would hold a control character"
            ))
        })?;
    }
    // What the guest counted holds no longer; the client writes what does.
    head.headers.remove(header::CONTENT_LENGTH);
    let body = placeholders.fill_bytes(gathered.to_bytes().to_vec(), &sending)?;
    let whole = Full::new(body.into()).map_err(|never| match never {});
    Ok(whole.boxed_unsync())
}

/// Takes secrets out of the head of an answer. Its body no longer has the length that the server counted.
pub(super) fn hide(placeholders: &Placeholders, headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    for value in headers.values_mut() {
        let hidden = placeholders.hide_bytes(value.as_bytes().to_vec());
        // A placeholder has letters and digits alone.
        if let Ok(hidden) = HeaderValue::from_bytes(&hidden) {
            *value = hidden;
        }
    }
}
