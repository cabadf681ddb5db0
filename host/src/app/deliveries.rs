//! `millwork deliveries`.

use anyhow::Result;
use hyper::Method;
use serde_json::Value;

use super::workflow::{client, encode, text};
use crate::cli::deliveries::{DeliveriesCommand, List, Resend};

/// Does what is asked.
pub(super) async fn run(command: DeliveriesCommand) -> Result<()> {
    match command {
        DeliveriesCommand::List(wanted) => list(wanted).await,
        DeliveriesCommand::Show(wanted) => {
            let path = format!("/api/v1/deliveries/{}", encode(&wanted.delivery));
            let shown = client(&wanted.server)?
                .ask(Method::GET, &path, None)
                .await?;
            println!("{}", serde_json::to_string_pretty(&shown)?);
            Ok(())
        }
        DeliveriesCommand::Resend(wanted) => resend(wanted).await,
    }
}

async fn list(wanted: List) -> Result<()> {
    let mut path = "/api/v1/deliveries?limit=200".to_owned();
    if wanted.exhausted {
        path += "&state=exhausted";
    }
    if let Some(webhook) = &wanted.webhook {
        path += &format!("&webhook={}", encode(webhook));
    }
    let page = client(&wanted.server)?
        .ask(Method::GET, &path, None)
        .await?;
    print!("{}", table(&page));
    Ok(())
}

async fn resend(wanted: Resend) -> Result<()> {
    let client = client(&wanted.server)?;
    let path = match (&wanted.delivery, &wanted.webhook) {
        (Some(delivery), _) => format!("/api/v1/deliveries/{}/resend", encode(delivery)),
        (None, Some(webhook)) => {
            format!("/api/v1/deliveries/resend?webhook={}", encode(webhook))
        }
        (None, None) => "/api/v1/deliveries/resend".to_owned(),
    };
    let answer = client.ask(Method::POST, &path, None).await?;
    let count = answer["resent"].as_u64().unwrap_or(1);
    println!("{count} on the way again");
    Ok(())
}

fn table(page: &Value) -> String {
    let items = page["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        return "there is nothing that has not arrived\n".to_owned();
    }
    let mut told = format!(
        "{:36}  {:16}  {:9}  attempts  why not\n",
        "delivery", "webhook", "state"
    );
    for delivery in items {
        let (id, webhook, state) = (
            text(delivery, "id"),
            text(delivery, "webhook"),
            text(delivery, "state"),
        );
        let failure = delivery["failure"].as_str().unwrap_or_default();
        told += &format!(
            "{id}  {webhook:16}  {state:9}  {:8}  {failure}\n",
            delivery["attempts"].as_u64().unwrap_or_default()
        );
    }
    if page["next_cursor"].is_string() {
        told += "and more\n";
    }
    told
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn deliveries_are_shown_in_a_table() {
        let delivery = json!({"id": "019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66", "webhook": "shop", "state": "exhausted", "attempts": 14, "failure": "the webhook answered 503"});
        let told = table(&json!({"items": [delivery], "next_cursor": null}));
        let line = "019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66  shop              exhausted        14  the webhook answered 503\n";
        assert!(told.ends_with(line), "{told}");
        let nothing = table(&json!({"items": []}));
        assert_eq!(nothing, "there is nothing that has not arrived\n");
    }
}
