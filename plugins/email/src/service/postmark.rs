//! Postmark: addresses are texts with commas between them, and errors have a number.

use millwork_sdk::Failure;
use millwork_sdk::http::{self, Request, Response};
use serde::{Deserialize, Serialize};

use super::{Service, refusal};
use crate::Config;
use crate::address::{Address, Addresses};

const URL: &str = "https://api.postmarkapp.com/email";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mail<'a> {
    from: String,
    to: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cc: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    bcc: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html_body: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "MessageID", default)]
    message_id: Option<String>,
    #[serde(default)]
    error_code: i64,
    #[serde(default)]
    message: String,
}

pub(super) fn request(mail: &Config, key: &str) -> Request {
    http::post(URL)
        .header("x-postmark-server-token", key)
        .header("accept", "application/json")
        .json(&Mail {
            from: mail.from.full(),
            to: joined(&mail.to),
            cc: joined(&mail.cc),
            bcc: joined(&mail.bcc),
            reply_to: mail.reply_to.as_ref().map(Address::full),
            subject: &mail.subject,
            text_body: mail.text.as_deref(),
            html_body: mail.html.as_deref(),
        })
}

pub(super) fn read(response: &Response) -> Result<Option<String>, Failure> {
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    match answer {
        Some(answer) if response.is_success() && answer.error_code == 0 => Ok(answer.message_id),
        Some(answer) if !answer.message.is_empty() => {
            let reason = format!("{} (error {})", answer.message, answer.error_code);
            Err(refusal(Service::Postmark, response, &reason))
        }
        Some(_) | None => {
            let reason = format!("it answered with status {}", response.status);
            Err(refusal(Service::Postmark, response, &reason))
        }
    }
}

fn joined(addresses: &Addresses) -> String {
    let addresses: Vec<_> = addresses.iter().map(Address::full).collect();
    addresses.join(", ")
}
