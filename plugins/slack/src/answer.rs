//! What Slack answers. It says no with status 200.

use millwork_sdk::Failure;
use millwork_sdk::http::Response;
use serde::Deserialize;
use serde_json::json;

use crate::Posted;

/// What Slack answers, as far as it matters here.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    ts: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    needed: Option<String>,
}

/// The message that was posted, or why none was.
pub(crate) fn read(response: Response) -> Result<Posted, Failure> {
    let answer: Answer = response.error_for_status()?.json()?;
    if answer.ok {
        return Ok(Posted {
            channel: answer.channel,
            ts: answer.ts,
        });
    }
    Err(refusal(&answer))
}

fn refusal(answer: &Answer) -> Failure {
    let error = if answer.error.is_empty() {
        "unknown_error"
    } else {
        answer.error.as_str()
    };
    let mut message = format!("Slack refused the message: {error}");
    if let Some(advice) = advice(error) {
        message += &format!(": {advice}");
    }
    if let Some(scope) = &answer.needed {
        message += &format!(" (the token needs the scope {scope})");
    }
    let code = "slack-refused";
    let failure = if may_pass(error) {
        Failure::retryable(code, message)
    } else {
        Failure::permanent(code, message)
    };
    failure.with_details(json!({ "error": error, "needed": answer.needed }))
}

/// Whether another attempt may work.
fn may_pass(error: &str) -> bool {
    matches!(
        error,
        "ratelimited"
            | "rate_limited"
            | "message_limit_exceeded"
            | "internal_error"
            | "fatal_error"
            | "service_unavailable"
            | "team_added_to_org"
            | "request_timeout"
    )
}

/// What to do about the refusals that people meet first.
fn advice(error: &str) -> Option<&'static str> {
    Some(match error {
        "channel_not_found" => "is the channel's name right, and is the bot in it?",
        "not_in_channel" => "invite the bot to the channel",
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" => {
            "is the secret slack-token the token of a bot (xoxb-…)?"
        }
        "missing_scope" => "give the bot the scope chat:write",
        "msg_too_long" => "the text is too long",
        _ => return None,
    })
}
