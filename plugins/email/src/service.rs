//! The mail services: what each wants to be asked, and what it answers.

mod postmark;
mod sendgrid;

use std::fmt;

use millwork_sdk::Failure;
use millwork_sdk::http::{Request, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Config;

/// A mail service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Service {
    /// <https://postmarkapp.com>
    Postmark,
    /// <https://sendgrid.com>
    Sendgrid,
}

impl Service {
    /// The request that sends the mail. The key is a placeholder.
    pub(crate) fn request(self, mail: &Config, key: &str) -> Request {
        match self {
            Service::Postmark => postmark::request(mail, key),
            Service::Sendgrid => sendgrid::request(mail, key),
        }
    }

    /// What the service calls the mail, or why it did not take it.
    pub(crate) fn read(self, response: &Response) -> Result<Option<String>, Failure> {
        match self {
            Service::Postmark => postmark::read(response),
            Service::Sendgrid => sendgrid::read(response),
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Service::Postmark => "Postmark",
            Service::Sendgrid => "SendGrid",
        })
    }
}

/// The failure that a refusal means: of the kind that its status says, with the service's own reason in its message.
fn refusal(service: Service, response: &Response, reason: &str) -> Failure {
    let by_status = response.to_failure();
    let message = format!("{service} did not take the mail: {reason}");
    let failure = Failure::new(by_status.kind(), "mail-refused", message);
    match by_status.details() {
        Some(details) => failure.with_details(details),
        None => failure,
    }
}
