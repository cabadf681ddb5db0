//! Takes secrets out of what leaves a call: a secret is in the request that needs it, and nowhere else.
//!
//! A plugin that was told a secret may say it, and a server may send back what it was sent. Neither gets into the journal, the log
//! or an error.

use std::borrow::Cow;

use millwork_core::json::Json;
use millwork_core::outcome::{Failure, Outcome, Suspension, Then};
use serde_json::Value;

use super::Vault;

/// What stands where a secret would.
const HIDDEN: &str = "(secret)";

/// A value shorter than this is not looked for: it would be found where nobody meant it.
const LOOKED_FOR_MIN_BYTES: usize = 6;

impl Vault {
    /// The values that this call has mentioned or seen, as they are and as they stand in JSON.
    pub(super) fn forms(&self) -> Vec<String> {
        let known = self.placeholders.values().chain(&self.revealed);
        let mut forms: Vec<String> = known.map(|secret| secret.0.clone()).collect();
        forms.retain(|form| form.len() >= LOOKED_FOR_MIN_BYTES);
        let escaped = forms.iter().map(|form| {
            let quoted = Value::from(form.as_str()).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        });
        let escaped: Vec<String> = escaped.collect();
        forms.extend(escaped);
        // The longest first: one secret may be the beginning of another.
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        forms
    }

    /// Takes secrets out of what a call came to.
    pub(crate) fn redact(&self, result: Result<Outcome, Failure>) -> Result<Outcome, Failure> {
        let forms = self.forms();
        if forms.is_empty() {
            return result;
        }
        match result {
            Ok(Outcome::Completed(output)) => Ok(Outcome::Completed(json(&forms, output))),
            Ok(Outcome::Suspended(suspension)) => suspended(&forms, suspension),
            Err(failure) => Err(Failure {
                message: text(&forms, &failure.message).into_owned(),
                code: text(&forms, &failure.code).into_owned(),
                details: failure.details.map(|details| json(&forms, details)),
                ..failure
            }),
        }
    }
}

/// The state of a suspended step is the plugin's own; nothing can be taken out of it without breaking it.
fn suspended(forms: &[String], suspension: Suspension) -> Result<Outcome, Failure> {
    let holds =
        |form: &String| super::placeholders::find(&suspension.state, form.as_bytes()).is_some();
    if forms.iter().any(holds) {
        return Err(Failure::permanent(
            "secret-in-state",
            "the state that the plugin would keep while it waits holds a secret, and is kept in the journal: ask for the secret again on waking",
        ));
    }
    let then = match suspension.then {
        Then::Complete(output) => Then::Complete(json(forms, output)),
        Then::CallAgain => Then::CallAgain,
    };
    Ok(Outcome::Suspended(Suspension { then, ..suspension }))
}

/// Takes secrets out of a text.
pub(crate) fn text<'t>(forms: &[String], text: &'t str) -> Cow<'t, str> {
    let mut told = Cow::Borrowed(text);
    for form in forms.iter().filter(|form| !form.is_empty()) {
        if told.contains(form.as_str()) {
            told = Cow::Owned(told.replace(form.as_str(), HIDDEN));
        }
    }
    told
}

fn json(forms: &[String], document: Json) -> Json {
    let holds = |form: &String| document.text().contains(form.as_str());
    if !forms.iter().any(holds) {
        return document;
    }
    let mut value = document.value().clone();
    redact_value(forms, &mut value);
    Json::from(value)
}

fn redact_value(forms: &[String], value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            if forms.contains(&number.to_string()) {
                *value = Value::from(HIDDEN);
            }
        }
        Value::String(said) => *said = text(forms, said).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_value(forms, item)),
        Value::Object(members) => {
            let old = std::mem::take(members);
            for (key, mut member) in old {
                redact_value(forms, &mut member);
                members.insert(text(forms, &key).into_owned(), member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use millwork_core::outcome::Until;
    use millwork_core::time::Timestamp;
    use serde_json::json;

    use super::super::Secret;
    use super::*;

    fn vault(values: &[&str]) -> Vault {
        Vault {
            revealed: values.iter().map(|value| Secret::new(*value)).collect(),
            ..Vault::default()
        }
    }

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let vault = vault(&["xyzzy-1", "123456789", "with \"quotes\"", "ab"]);
        let output = json!({
            "text": "the token is xyzzy-1, and again xyzzy-1",
            "xyzzy-1": ["with \"quotes\"", 123_456_789, "ab", true],
        });
        let told = vault.redact(Ok(Outcome::Completed(Json::from(output))));
        let expected = json!({
            "text": "the token is (secret), and again (secret)",
            "(secret)": ["(secret)", "(secret)", "ab", true],
        });
        assert_eq!(told, Ok(Outcome::Completed(Json::from(expected))));
        let failure = Failure {
            details: Some(Json::from(json!({"header": "Bearer xyzzy-1"}))),
            ..Failure::permanent("http-401", "xyzzy-1 was refused")
        };
        let told = vault.redact(Err(failure)).expect_err("it failed");
        assert_eq!(told.message, "(secret) was refused");
        assert_eq!(
            told.details,
            Some(Json::from(json!({"header": "Bearer (secret)"})))
        );
    }

    #[test]
    fn a_state_that_holds_a_secret_is_refused() {
        let suspension = |state: &[u8]| {
            Ok(Outcome::Suspended(Suspension {
                until: Until::At(Timestamp::default()),
                state: state.to_vec(),
                then: Then::CallAgain,
            }))
        };
        let vault = vault(&["xyzzy-1"]);
        let told = vault.redact(suspension(b"\x00xyzzy-1"));
        assert_eq!(told.expect_err("it is refused").code, "secret-in-state");
        assert!(vault.redact(suspension(b"\x00xyzzy")).is_ok());
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_is() {
        let output = Json::from(json!({"a": 1.50}));
        let told = vault(&["xyzzy-1"]).redact(Ok(Outcome::Completed(output.clone())));
        assert_eq!(told, Ok(Outcome::Completed(output)));
    }
}
