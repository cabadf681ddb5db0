//! Asks for every power once, and tells what the answer was.

use crate::bindings::millwork::http::client::{self, Request};
use crate::bindings::millwork::kv::kv;
use crate::bindings::millwork::secrets::secrets;

pub(crate) fn http() -> String {
    let request = Request {
        method: "GET".to_owned(),
        url: "http://127.0.0.1:1/".to_owned(),
        headers: Vec::new(),
        body: None,
        timeout: None,
        redirects: 0,
    };
    format!(
        "{:?}",
        client::send(&request).map(|response| response.status)
    )
}

pub(crate) fn kv() -> String {
    format!("{:?}", kv::get("key").map(|entry| entry.is_some()))
}

pub(crate) fn reveal() -> String {
    format!("{:?}", secrets::reveal("token"))
}

pub(crate) fn placeholder() -> String {
    format!("{:?}", secrets::placeholder("token"))
}
