//! The connector that the README writes, and its test.

use millwork_sdk::{Action, Context, Failure, Outcome, http, log, secrets};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Opens a ticket.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The queue to open it in.
    queue: String,
    /// One line that says what it is about.
    title: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Ticket {
    /// The number of the ticket.
    number: u64,
}

struct Open;

impl Action for Open {
    type Config = Config;
    type Output = Ticket;

    const NAME: &'static str = "open";

    fn invoke(cx: &Context, config: Config) -> Result<Outcome<Ticket>, Failure> {
        let token = secrets::placeholder("tracker-token")?;
        let ticket: Ticket = http::post("https://tracker.example/tickets")
            .bearer(&token)
            .idempotency_key(cx)
            .json(&serde_json::json!({"queue": config.queue, "title": config.title}))
            .send()?
            .error_for_status()?
            .json()?;
        log::info!("opened ticket {}", ticket.number);
        Ok(Outcome::completed(ticket))
    }
}

millwork_sdk::export!(connector {
    name: "tickets",
    actions: [Open],
    asks: [http("https://tracker.example"), secret("tracker-token")],
});

#[cfg(test)]
mod tests {
    use super::Connector;
    use millwork_sdk::testing::{Host, Reply};
    use serde_json::json;

    #[test]
    fn opens_a_ticket_with_the_token() {
        let host = Host::new::<Connector>();
        host.check();
        host.secret("tracker-token", "s3cret");
        host.reply(Reply::json(201, &json!({"number": 7})));

        let output = host.run("open", json!({"queue": "ops", "title": "disk full"}));

        assert_eq!(output, Ok(json!({"number": 7})));
        let request = &host.requests()[0];
        assert_eq!(request.url(), "https://tracker.example/tickets");
        assert_eq!(request.header_value("authorization"), Some("Bearer s3cret"));
        assert!(
            host.revealed().is_empty(),
            "the connector never sees the secret"
        );
    }

    #[test]
    fn tells_a_misspelt_key() {
        let host = Host::new::<Connector>();
        let problems = host.validate("open", json!({"queue": "ops", "titel": "disk full"}));
        assert_eq!(problems[0].path, "/titel");
    }
}

#[test]
fn the_readme_shows_this_connector() {
    let this = include_str!("tickets.rs");
    let (_, shown) = this
        .split_once("test.\n\n")
        .expect("it begins with its doc comment");
    let (shown, _) = shown
        .split_once("\n#[test]\nfn the_readme")
        .expect("this test stands last");
    for part in shown.split("\n#[cfg(test)]\n") {
        assert!(
            include_str!("../README.md").contains(part.trim()),
            "not in the README:\n{part}"
        );
    }
}
