#![doc = include_str!("../README.md")]

mod address;
mod service;

use std::time::Duration;

use millwork_sdk::{
    Action, Context, Draft, Example, Failure, FieldError, Outcome, Traits, log, secrets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::address::{Address, Addresses};
use self::service::Service;

/// The secret with the service's key.
const KEY: &str = "email-key";

/// Recipients of one mail; the services take no more.
const RECIPIENTS_MAX: usize = 50;

/// Sends a mail by the HTTP API of a mail service.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The service that sends it.
    service: Service,
    /// Who it is from: an address that the service knows as yours, `ada@example.com` or `Ada <ada@example.com>`.
    from: Address,
    /// Who it is for: an address, or a list of them.
    to: Addresses,
    /// Who gets a copy.
    #[serde(default)]
    cc: Addresses,
    /// Who gets a copy that the others do not see.
    #[serde(default)]
    bcc: Addresses,
    /// Where answers go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Address")]
    reply_to: Option<Address>,
    /// The subject, one line.
    #[schemars(length(min = 1, max = 998))]
    subject: String,
    /// The mail as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    text: Option<String>,
    /// The mail as HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    html: Option<String>,
}

/// A mail that the service has taken.
#[derive(Serialize, JsonSchema)]
pub struct Sent {
    /// The service.
    service: Service,
    /// What the service calls the mail; null where it did not say.
    message_id: Option<String>,
}

/// Sends a mail.
pub struct Send;

impl Action for Send {
    type Config = Config;
    type Output = Sent;

    const NAME: &'static str = "send";
    const TITLE: &'static str = "Send a mail";
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));
    const TRAITS: Traits = Traits::NONE;

    fn examples() -> Vec<Example> {
        vec![Example::new(
            "Tell a customer that the order is on its way",
            json!({
                "service": "postmark",
                "from": "Shop <orders@shop.example>",
                "to": "${payload.customer.mail}",
                "subject": "Order ${payload.order_id} is on its way",
                "text": "${letter}",
            }),
        )]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        let mut problems = Vec::new();
        if draft.is_whole() && !draft.has("/text") && !draft.has("/html") {
            problems.push(FieldError::new("", "give `text` or `html`, or both"));
        }
        let subject: Option<String> = draft.get("/subject");
        if subject.is_some_and(|subject| subject.contains(char::is_control)) {
            problems.push(FieldError::new(
                "/subject",
                "must be one line, without control characters",
            ));
        }
        let known = ["/to", "/cc", "/bcc"].map(|field| draft.get::<Addresses>(field));
        if known[0].as_ref().is_some_and(|to| to.count() == 0) {
            problems.push(FieldError::new("/to", "must be at least one address"));
        }
        let count: usize = known.iter().flatten().map(Addresses::count).sum();
        if count > RECIPIENTS_MAX {
            let message = format!(
                "has {count} recipients with those of `cc` and `bcc`: the limit is {RECIPIENTS_MAX}"
            );
            problems.push(FieldError::new("/to", message));
        }
        problems
    }

    fn invoke(_: &Context, config: Config) -> Result<Outcome<Sent>, Failure> {
        // A placeholder: the host puts the key in its place on the way out, and this component never sees it.
        let key = secrets::placeholder(KEY)?;
        let service = config.service;
        let response = service.request(&config, &key).send()?;
        let message_id = service.read(&response)?;
        log::info!("{service} has taken the mail"; id = message_id.as_deref().unwrap_or("unknown"));
        Ok(Outcome::completed(Sent {
            service,
            message_id,
        }))
    }
}

millwork_sdk::export!(connector {
    name: "email",
    actions: [Send],
    asks: [
        http("https://api.postmarkapp.com"),
        http("https://api.sendgrid.com"),
        secret(KEY),
    ],
});
