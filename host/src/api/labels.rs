//! Labels of runs, as requests say them.

use millwork_core::definition::{RUN_LABELS_MAX, label_fault};
use millwork_store::Labels;
use serde_json::Value;
use serde_json::value::RawValue;

use super::body;
use super::problem::Fault;

/// Reads labels that are an object with texts in it. What is wrong with them is added to what else is.
pub(super) fn read(place: &str, value: &RawValue, faults: &mut Vec<Fault>) -> Labels {
    let members = match serde_json::from_str(value.get()) {
        Ok(Value::Null) => return Labels::new(),
        Ok(Value::Object(members)) => members,
        _ => {
            let message = "must be an object with texts in it, such as {\"team\": \"shop\"}";
            faults.push(Fault::new(place, message));
            return Labels::new();
        }
    };
    if members.len() > RUN_LABELS_MAX {
        let message = format!(
            "has {} labels, the limit is {RUN_LABELS_MAX} (fixed): what is not searched for belongs into the payload",
            members.len()
        );
        faults.push(Fault::new(place, message));
        return Labels::new();
    }
    let mut labels = Labels::new();
    for (name, value) in members {
        if let Some(fault) = label_fault(&name, &value) {
            faults.push(Fault::new(
                format!("{place}{}", body::pointer(&name)),
                fault,
            ));
        } else if let Value::String(value) = value {
            labels.insert(name, value);
        }
    }
    labels
}

/// Reads a label as a query says it: its name, a colon, and its text.
pub(super) fn read_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("must be a name and a text with a colon between them, such as team:shop")?;
    match label_fault(name, &Value::from(value)) {
        None => Ok((name.to_owned(), value.to_owned())),
        Some(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Labels, Vec<String>> {
        let value = RawValue::from_string(text.to_owned()).expect("it is JSON");
        let mut faults = Vec::new();
        let labels = read("/labels", &value, &mut faults);
        match faults.is_empty() {
            true => Ok(labels),
            false => Err(faults.iter().map(|fault| fault.path().to_owned()).collect()),
        }
    }

    #[test]
    fn labels_are_texts_within_their_limits() {
        let expected = Labels::from([("team/a".to_owned(), "shop: 7".to_owned())]);
        assert_eq!(read_text(r#"{"team/a": "shop: 7"}"#), Ok(expected));
        assert_eq!(read_text("null"), Ok(Labels::new()));
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(257));
        let refused = [
            (r#"["a"]"#, "/labels"),
            (r#"{"a": 1}"#, "/labels/a"),
            (r#"{"a:b": ""}"#, "/labels/a:b"),
            (&long, "/labels/a"),
        ];
        for (text, place) in refused {
            assert_eq!(read_text(text), Err(vec![place.to_owned()]), "{text}");
        }
        let many =
            |count| serde_json::Map::from_iter((0..count).map(|n| (format!("n{n}"), "".into())));
        let text = |count| Value::Object(many(count)).to_string();
        assert_eq!(read_text(&text(16)).map(|labels| labels.len()), Ok(16));
        assert_eq!(read_text(&text(17)), Err(vec!["/labels".to_owned()]));
    }

    #[test]
    fn a_label_in_a_query_is_split_at_its_first_colon() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(read_pair("at:10:30"), pair("at", "10:30"));
        assert_eq!(read_pair("empty:"), pair("empty", ""));
        for text in ["", "team", ":shop", "te am:shop"] {
            assert!(read_pair(text).is_err(), "{text}");
        }
    }
}
