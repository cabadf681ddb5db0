//! Judges short texts: labels, names of headers, and names that do not exist.

use serde_json::Value;

use super::{LABEL_NAME_MAX, LABEL_VALUE_MAX, NAME_MAX, cut};

/// What is wrong with a label, if anything.
#[must_use]
pub fn label_fault(name: &str, value: &Value) -> Option<String> {
    let Some(value) = value.as_str() else {
        return Some("must be a string: labels are texts".to_owned());
    };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if name.is_empty() || name.len() > LABEL_NAME_MAX || !name.chars().all(is_letter) {
        return Some(format!(
            "is no name of a label: it is 1 to {LABEL_NAME_MAX} letters, digits, dashes, dots, slashes and underscores"
        ));
    }
    let length = value.chars().count();
    if length > LABEL_VALUE_MAX {
        return Some(format!(
            "is {length} characters long, the limit is {LABEL_VALUE_MAX}"
        ));
    }
    value
        .chars()
        .any(char::is_control)
        .then(|| "must not contain control characters".to_owned())
}

/// Whether a text may name an HTTP header: a token of RFC 9110, of a sensible length.
pub(super) fn is_header(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.len() <= 128 && text.chars().all(is_letter)
}

/// A sentence about a name that does not exist, with the nearest that does.
pub(crate) fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> String {
    const SHOWN: usize = 12;
    let known: Vec<&str> = known.into_iter().collect();
    let name = cut(name.to_owned(), NAME_MAX);
    match nearest(&name, &known) {
        Some(nearest) => format!("unknown {what} \"{name}\"; did you mean \"{nearest}\"?"),
        None if known.is_empty() => format!("unknown {what} \"{name}\""),
        None => {
            let mut shown: Vec<String> = known
                .iter()
                .take(SHOWN)
                .map(|name| format!("\"{}\"", cut((*name).to_owned(), NAME_MAX)))
                .collect();
            if known.len() > SHOWN {
                shown.push("…".to_owned());
            }
            format!(
                "unknown {what} \"{name}\"; known here: {}",
                shown.join(", ")
            )
        }
    }
}

/// The known name that somebody may have meant. The comparison takes the product of both lengths in time and memory, so
/// only what differs little in length is compared, and nothing that is longer than a name may be.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let length = name.chars().count();
    let near_enough = |candidate: &str| 1 + candidate.chars().count() / 3;
    let comparable = known.iter().filter(|candidate| {
        let candidate_length = candidate.chars().count();
        candidate_length <= NAME_MAX && candidate_length.abs_diff(length) <= near_enough(candidate)
    });
    comparable
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()),
                *candidate,
            )
        })
        .min()
        .filter(|(distance, candidate)| *distance <= near_enough(candidate))
        .map(|(_, candidate)| candidate)
}
