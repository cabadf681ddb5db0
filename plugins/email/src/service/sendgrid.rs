//! SendGrid: a mail is nested, an answer is empty with the mail's identifier in a header, and errors are a list.

use millwork_sdk::Failure;
use millwork_sdk::http::{self, Request, Response};
use serde_json::{Value, json};

use super::{Service, refusal};
use crate::Config;
use crate::address::{Address, Addresses};

const URL: &str = "https://api.sendgrid.com/v3/mail/send";

pub(super) fn request(mail: &Config, key: &str) -> Request {
    let mut recipients = json!({ "to": list(&mail.to) });
    for (name, addresses) in [("cc", &mail.cc), ("bcc", &mail.bcc)] {
        if addresses.count() > 0 {
            recipients[name] = list(addresses);
        }
    }
    // Plain text has to come first.
    let bodies = [("text/plain", &mail.text), ("text/html", &mail.html)];
    let content: Vec<_> = bodies
        .into_iter()
        .filter_map(|(kind, body)| Some(json!({ "type": kind, "value": body.as_ref()? })))
        .collect();
    let mut body = json!({
        "personalizations": [recipients],
        "from": one(&mail.from),
        "subject": mail.subject,
        "content": content,
    });
    if let Some(address) = &mail.reply_to {
        body["reply_to"] = one(address);
    }
    http::post(URL).bearer(key).json(&body)
}

pub(super) fn read(response: &Response) -> Result<Option<String>, Failure> {
    if response.is_success() {
        return Ok(response.header("x-message-id").map(str::to_owned));
    }
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let errors = answer["errors"].as_array().into_iter().flatten();
    let reasons: Vec<_> = errors
        .filter_map(|error| error["message"].as_str())
        .collect();
    let reason = if reasons.is_empty() {
        format!("it answered with status {}", response.status)
    } else {
        reasons.join("; ")
    };
    Err(refusal(Service::Sendgrid, response, &reason))
}

fn list(addresses: &Addresses) -> Value {
    addresses.iter().map(one).collect()
}

fn one(address: &Address) -> Value {
    match &address.name {
        Some(name) => json!({ "email": address.mail, "name": name }),
        None => json!({ "email": address.mail }),
    }
}
