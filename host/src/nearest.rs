//! A sentence about a name that nobody knows, with the nearest that somebody does.

/// Known names shown where none is near.
const SHOWN_MAX: usize = 12;

/// Says that a name is unknown.
#[must_use]
pub fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let wanted = name.to_lowercase();
    let nearest = known
        .iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()),
                candidate,
            )
        })
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3);
    match nearest {
        Some((_, nearest)) => format!("unknown {what} \"{name}\"; did you mean \"{nearest}\"?"),
        None if known.is_empty() => format!("unknown {what} \"{name}\""),
        None => {
            let mut shown: Vec<_> = known
                .iter()
                .take(SHOWN_MAX)
                .map(|name| format!("\"{name}\""))
                .collect();
            if known.len() > shown.len() {
                shown.push("…".to_owned());
            }
            format!(
                "unknown {what} \"{name}\"; known here: {}",
                shown.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_named_where_one_is_near() {
        let known = ["workflow_id", "payload"];
        assert_eq!(
            unknown("field", "workflowid", known),
            "unknown field \"workflowid\"; did you mean \"workflow_id\"?"
        );
        assert_eq!(
            unknown("field", "colour", known),
            "unknown field \"colour\"; known here: \"workflow_id\", \"payload\""
        );
        assert_eq!(unknown("field", "colour", []), "unknown field \"colour\"");
    }
}
