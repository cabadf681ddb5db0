#![doc = include_str!("../README.md")]

mod answer;

use std::time::Duration;

use millwork_sdk::{
    Action, Context, Draft, Example, Failure, FieldError, Outcome, http, log, secrets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where messages are posted.
const URL: &str = "https://slack.com/api/chat.postMessage";

/// The secret with the token of a bot (`xoxb-…`) that may `chat:write`.
const TOKEN: &str = "slack-token";

/// Posts a message to a channel of Slack.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The channel: its identifier (`C024BE91L`), or its name (`#orders`).
    #[schemars(length(min = 1))]
    channel: String,
    /// The message, in Slack's own markup. With `blocks` it is what notifications show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 40_000))]
    text: Option<String>,
    /// The message as blocks of Slack's Block Kit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<Value>", length(max = 50))]
    blocks: Option<Vec<Value>>,
    /// The `ts` of the message to answer to, in its thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    thread_ts: Option<String>,
    /// Whether links are shown with what they lead to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    unfurl_links: Option<bool>,
}

/// A message that was posted.
#[derive(Serialize, JsonSchema)]
pub struct Posted {
    /// The identifier of the channel.
    channel: String,
    /// The identifier of the message in it; as `thread_ts` of a later message it makes that an answer.
    ts: String,
}

/// Posts a message.
pub struct PostMessage;

impl Action for PostMessage {
    type Config = Config;
    type Output = Posted;

    const NAME: &'static str = "post-message";
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));

    fn examples() -> Vec<Example> {
        vec![
            Example::new(
                "A line in a channel",
                json!({"channel": "#orders", "text": "Order ${payload.order_id} is *paid*."}),
            ),
            Example::new(
                "An answer in the thread of an earlier message",
                json!({"channel": "${ask.channel}", "thread_ts": "${ask.ts}", "text": "Still nobody?"}),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        let says_nothing = !draft.has("/text") && !draft.has("/blocks");
        if draft.is_whole() && says_nothing {
            return vec![FieldError::new("", "give `text` or `blocks`, or both")];
        }
        Vec::new()
    }

    fn invoke(_: &Context, config: Config) -> Result<Outcome<Posted>, Failure> {
        // A placeholder: the host puts the token in its place on the way out, and this component never sees it.
        let token = secrets::placeholder(TOKEN)?;
        let response = http::post(URL).bearer(&token).json(&config).send()?;
        let posted = answer::read(response)?;
        log::info!("posted to {}", posted.channel; ts = posted.ts);
        Ok(Outcome::completed(posted))
    }
}

millwork_sdk::export!(connector {
    name: "slack",
    actions: [PostMessage],
    asks: [http("https://slack.com"), secret(TOKEN)],
});
