#![doc = include_str!("../README.md")]

mod config;
mod request;
mod response;

use std::time::Duration;

use millwork_sdk::{Action, Context, Draft, Example, Failure, FieldError, Outcome, Span};
use serde_json::json;

pub use config::Config;
pub use response::Output;

/// The one action of this connector.
pub struct Send;

impl Action for Send {
    type Config = Config;
    type Output = Output;

    const NAME: &'static str = "send";
    const TITLE: &'static str = "Webhook";
    // Longer than a request takes by default, so that a step's `timeout` need not be raised with every `config.timeout`.
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(300));

    fn examples() -> Vec<Example> {
        vec![
            Example::new(
                "Fetch a document",
                json!({"url": "https://example.com/orders/7"}),
            ),
            Example::new(
                "Post JSON",
                json!({"url": "https://example.com/hook", "method": "POST", "body": {"order": 7, "state": "paid"}}),
            ),
            Example::new(
                "Take \"not found\" for an answer",
                json!({"url": "https://example.com/stock/7", "accept_status": ["2xx", 404], "timeout": "5s"}),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        match draft.get::<Span>("/timeout") {
            Some(timeout) if Duration::from(timeout.clone()).is_zero() => {
                vec![FieldError::new(
                    "/timeout",
                    "must be more than nothing: leave it out for 30 seconds",
                )]
            }
            _ => Vec::new(),
        }
    }

    fn invoke(cx: &Context, config: Config) -> Result<Outcome<Output>, Failure> {
        let method = config.method();
        let exchange = json!({"url": config.url, "method": method});
        let response = request::build(cx, &config, &method)
            .send()
            .map_err(|error| Failure::from(error).with_details(exchange))?;
        if !config.accepts(response.status) {
            return Err(response::failure(&response, &config.url, &method));
        }
        Ok(Outcome::completed(Output::of(
            &response,
            config.url.into(),
            method,
        )))
    }
}

millwork_sdk::export!(connector {
    name: "webhook",
    actions: [Send],
    asks: [http("*")],
});
