//! What a manifest asks for by its annotations: the powers that came after the record of the contract was frozen.
//!
//! `directories` and `variables`, each a list of names as JSON. A host that does not know them ignores them, as the contract says.

use super::{ASKS_MAX, Problems};
use crate::grant::{Ask, is_directory_name, is_variable_name};
use crate::wasm::trap::bounded;

type MakeAsk = fn(String) -> Ask;
type IsName = fn(&str) -> bool;

/// The asks among these annotations.
pub(super) fn asks(annotations: &[(String, String)], problems: &mut Problems) -> Vec<Ask> {
    let mut asks = Vec::new();
    for (name, value) in annotations {
        let (ask, is_name): (MakeAsk, IsName) = match name.as_str() {
            "directories" => (Ask::Directory, is_directory_name),
            "variables" => (Ask::Variable, is_variable_name),
            _ => continue,
        };
        let Ok(names) = serde_json::from_str::<Vec<String>>(value) else {
            problems.add(format!(
                "the annotation {name:?} is no list of names as JSON"
            ));
            continue;
        };
        problems.bound(name, names.len(), ASKS_MAX);
        for found in names.into_iter().take(ASKS_MAX) {
            match is_name(&found) {
                true => asks.push(ask(found)),
                false => problems.add(format!("{:?} among its {name} is no name", bounded(&found))),
            }
        }
    }
    problems.bound("asks in annotations", asks.len(), ASKS_MAX);
    asks.truncate(ASKS_MAX);
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(annotations: &[(&str, &str)]) -> Result<Vec<Ask>, Vec<String>> {
        let annotations = annotations.iter();
        let annotations: Vec<_> = annotations
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let mut problems = Problems::default();
        let asks = asks(&annotations, &mut problems);
        match problems.0.is_empty() {
            true => Ok(asks),
            false => Err(problems.0),
        }
    }

    #[test]
    fn directories_and_variables_are_asked_for_by_name() {
        let found = asked(&[
            ("directories", r#"["data"]"#),
            ("variables", r#"["REGION", "A_1"]"#),
            ("colour", "\"red\""),
        ]);
        let expected = [
            Ask::Directory("data".to_owned()),
            Ask::Variable("REGION".to_owned()),
            Ask::Variable("A_1".to_owned()),
        ];
        assert_eq!(found, Ok(expected.to_vec()));
    }

    #[test]
    fn what_names_nothing_is_told() {
        for (name, value) in [
            ("directories", "data"),
            ("directories", r#"{"data": true}"#),
            ("directories", r#"["../data"]"#),
            ("variables", r#"["A=B"]"#),
        ] {
            assert!(asked(&[(name, value)]).is_err(), "{name}: {value}");
        }
        let many = serde_json::to_string(&vec!["data"; 300]).expect("it is JSON");
        assert!(asked(&[("directories", &many)]).is_err());
    }
}
