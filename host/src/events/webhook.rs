//! The webhooks of the configuration: where they are, what they want to know, and what their requests are signed with.

use std::collections::BTreeMap;

use hyper::Uri;
use millwork_core::id::WorkflowId;

use super::TYPES;
use super::signature::{KeyError, SigningKey};
use crate::config::{Events, SigningSecret};
use crate::nearest::unknown;
use crate::safe::Safe;

/// Characters of a webhook's name.
const NAME_MAX: usize = 64;

/// Secrets of one webhook: each is a signature in every request.
const SECRETS_MAX: usize = 4;

/// What a webhook wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The webhook's name.
    pub name: String,
    /// Only these types; all where empty.
    pub types: Vec<String>,
    /// Only runs of these workflows, by name or identifier; of all where empty.
    pub workflows: Vec<String>,
    /// Only runs with all of these labels.
    pub labels: BTreeMap<String, String>,
}

impl Wish {
    /// Whether it wants to know of this.
    #[must_use]
    pub fn wants(
        &self,
        kind: &str,
        workflow: WorkflowId,
        name: Option<&str>,
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let is_it =
            |called: &String| Some(called.as_str()) == name || called.parse() == Ok(workflow);
        (self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind))
            && (self.workflows.is_empty() || self.workflows.iter().any(is_it))
            && self
                .labels
                .iter()
                .all(|(label, text)| labels.get(label) == Some(text))
    }
}

/// A webhook.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// What it wants to know.
    pub wish: Wish,
    /// Where it is.
    pub url: Uri,
    /// What its requests are signed with.
    pub secrets: Vec<SigningSecret>,
}

/// What is wrong with a webhook of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("events.webhooks.{name}: {what}")]
pub struct WebhookError {
    name: String,
    what: String,
}

/// Reads the webhooks of the configuration.
///
/// # Errors
/// The first that does not hold, with its place: an address that is none, a type that nobody knows, no secret, or one that is none.
/// A secret that is kept by the API is not looked at: it may be given later.
pub fn read_webhooks(events: &Events) -> Result<Vec<Webhook>, WebhookError> {
    let read = |(name, webhook): (&String, &crate::config::Webhook)| {
        let wrong = |what: String| WebhookError {
            name: name.clone(),
            what,
        };
        if !is_name(name) {
            return Err(wrong(format!(
                "{name:?} is no name for a webhook: 1 to {NAME_MAX} letters, digits, dashes and underscores"
            )));
        }
        let url = read_url(&webhook.url).map_err(&wrong)?;
        for kind in &webhook.types {
            if !TYPES.contains(&kind.as_str()) {
                return Err(wrong(format!("types: {}", unknown("type", kind, TYPES))));
            }
        }
        if webhook.secrets.is_empty() {
            return Err(wrong(format!(
                "has no secrets: a request without a signature could come from anybody; {KeyError}"
            )));
        }
        if webhook.secrets.len() > SECRETS_MAX {
            return Err(wrong(format!(
                "has {} secrets, and {SECRETS_MAX} is the limit: take out what no receiver needs any more",
                webhook.secrets.len()
            )));
        }
        for (number, secret) in webhook.secrets.iter().enumerate() {
            if let SigningSecret::Here(secret) = secret {
                let key = secret
                    .read()
                    .and_then(|text| SigningKey::read(&text).map_err(|error| error.to_string()));
                key.map_err(|error| wrong(format!("secrets[{number}]: {error}")))?;
            }
        }
        Ok(Webhook {
            wish: Wish {
                name: name.clone(),
                types: webhook.types.clone(),
                workflows: webhook.workflows.clone(),
                labels: webhook.labels.clone(),
            },
            url,
            secrets: webhook.secrets.clone(),
        })
    };
    events.webhooks.iter().map(read).collect()
}

impl Webhook {
    /// Reads the keys, now: a file that was changed, and a secret that was given over the API, is seen.
    ///
    /// # Errors
    /// A sentence that names the secret which cannot be read or is none.
    pub async fn read_keys(&self, safe: &Safe) -> Result<Vec<SigningKey>, String> {
        let mut keys = Vec::with_capacity(self.secrets.len());
        for (number, secret) in self.secrets.iter().enumerate() {
            let text = match secret {
                SigningSecret::Here(secret) => secret.read(),
                SigningSecret::Named { secret } => match safe.read(secret).await {
                    Ok(Some(text)) => Ok(text),
                    Ok(None) => Err(format!("there is no secret {secret:?}")),
                    Err(error) => Err(error),
                },
            };
            let key = text.and_then(|text| SigningKey::read(&text).map_err(|e| e.to_string()));
            keys.push(key.map_err(|error| {
                format!(
                    "events.webhooks.{}.secrets[{number}]: {error}",
                    self.wish.name
                )
            })?);
        }
        Ok(keys)
    }
}

fn read_url(text: &str) -> Result<Uri, String> {
    let no = || format!("url: {text:?} is no address such as https://hooks.example.com/millwork");
    let url: Uri = text.parse().map_err(|_| no())?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    if !is_web || url.host().is_none_or(str::is_empty) {
        return Err(no());
    }
    if url.authority().is_some_and(|of| of.as_str().contains('@')) {
        return Err(
            "url: has a user or a password in it, which logs would show: the signature says who sends"
                .to_owned(),
        );
    }
    Ok(url)
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{RUN_CANCELLED, RUN_FAILED};

    const SECRET: &str = "secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']";

    fn events(text: &str) -> Events {
        toml::from_str(text).expect("it is TOML of that form")
    }

    #[test]
    fn a_webhook_wants_what_all_its_filters_let_through() {
        let workflow = WorkflowId::from_bytes([7; 16]);
        let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect()
        };
        let everything = Wish {
            name: "shop".to_owned(),
            types: vec![],
            workflows: vec![],
            labels: BTreeMap::new(),
        };
        let wants = |wish: &Wish, kind, name, of: &[(&str, &str)]| {
            wish.wants(kind, workflow, name, &labels(of))
        };
        assert!(wants(&everything, RUN_CANCELLED, None, &[]));
        let failures = Wish {
            types: vec![RUN_FAILED.to_owned()],
            ..everything.clone()
        };
        assert!(wants(&failures, RUN_FAILED, None, &[]));
        assert!(!wants(&failures, RUN_CANCELLED, None, &[]));
        let by_name = Wish {
            workflows: vec!["other".to_owned(), "order-paid".to_owned()],
            ..everything.clone()
        };
        assert!(wants(&by_name, RUN_FAILED, Some("order-paid"), &[]));
        assert!(!wants(&by_name, RUN_FAILED, Some("order"), &[]));
        assert!(!wants(&by_name, RUN_FAILED, None, &[]));
        let by_id = Wish {
            workflows: vec![workflow.to_string()],
            ..everything.clone()
        };
        assert!(wants(&by_id, RUN_FAILED, Some("order-paid"), &[]));
        let of_team = Wish {
            labels: labels(&[("team", "shop")]),
            ..everything
        };
        assert!(wants(
            &of_team,
            RUN_FAILED,
            None,
            &[("a", "b"), ("team", "shop")]
        ));
        assert!(!wants(&of_team, RUN_FAILED, None, &[("team", "desk")]));
    }

    #[test]
    fn webhooks_are_read_from_the_configuration() {
        let text = format!(
            "[webhooks.shop]\nurl = 'http://10.1.2.3:8080/hook'\n{SECRET}\ntypes = ['millwork.run.failed']\nlabels = {{ team = 'shop' }}\n\
             [webhooks.desk]\nurl = 'https://desk.example'\nsecrets = [{{ secret = 'desk-key' }}]"
        );
        let webhooks = read_webhooks(&events(&text)).expect("they hold");
        let names: Vec<_> = webhooks.iter().map(|of| of.wish.name.as_str()).collect();
        assert_eq!(names, ["desk", "shop"]);
        assert_eq!(webhooks[1].url.host(), Some("10.1.2.3"));
        let named = SigningSecret::Named {
            secret: "desk-key".to_owned(),
        };
        assert_eq!(webhooks[0].secrets, [named]);
    }

    #[test]
    fn a_webhook_that_does_not_hold_is_refused_by_its_place() {
        let url = "url = 'https://a.example'";
        let many = ["'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'"; 5].join(", ");
        let cases = [
            (
                SECRET.to_owned(),
                "events.webhooks.shop: url: \"\" is no address",
            ),
            (
                format!("url = 'ftp://a'\n{SECRET}"),
                "url: \"ftp://a\" is no address",
            ),
            (
                format!("url = 'https://u:p@a'\n{SECRET}"),
                "has a user or a password",
            ),
            (url.to_owned(), "has no secrets"),
            (
                format!("{url}\nsecrets = [{many}]"),
                "has 5 secrets, and 4 is the limit",
            ),
            (
                format!("{url}\nsecrets = ['hunter2']"),
                "secrets[0]: it is no signing secret",
            ),
            (
                format!("{url}\nsecrets = [{{ env = 'MILLWORK_NOT_SET' }}]"),
                "secrets[0]: variable MILLWORK_NOT_SET",
            ),
            (
                format!("{url}\n{SECRET}\ntypes = ['millwork.run.faild']"),
                "types: unknown type \"millwork.run.faild\"",
            ),
        ];
        for (text, expected) in cases {
            let error = read_webhooks(&events(&format!("[webhooks.shop]\n{text}")));
            let error = error.expect_err("it does not hold").to_string();
            assert!(error.contains(expected), "{text}: {error}");
            assert!(
                !error.contains("hunter2") && !error.contains("u:p"),
                "{error}"
            );
        }
        let named = events(&format!("[webhooks.'a b']\n{url}\n{SECRET}"));
        let error = read_webhooks(&named)
            .expect_err("it is no name")
            .to_string();
        assert!(error.contains("is no name for a webhook"), "{error}");
    }
}
