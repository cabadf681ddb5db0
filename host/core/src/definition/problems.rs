//! What is wrong with a definition: collected in any order, told in the order of the document.

use serde_json::Value;

/// Problems that are told of one definition. Who has more has sent something else than a definition, and finding the
/// nearest name to each of a hundred thousand takes longer than anybody waits.
pub const PROBLEMS_MAX: usize = 100;

/// Characters of a place, and of a message, that are told. Both quote what somebody else wrote, at any length.
const SHOWN_MAX: usize = 1_000;

/// One thing wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// A JSON Pointer (RFC 6901) into the definition.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Problem {
    /// A problem at a place. What is very long is cut off.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: cut(path.into(), SHOWN_MAX),
            message: cut(message.into(), SHOWN_MAX),
        }
    }
}

/// The problems of one definition.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    /// Whether there were more than are kept.
    more: bool,
}

impl Problems {
    /// Adds a problem, or only remembers that there are more. A problem that would not be kept is not put into words.
    pub(crate) fn add(&mut self, problem: impl FnOnce() -> Problem) {
        if self.found.len() < PROBLEMS_MAX {
            self.found.push(problem());
        } else {
            self.more = true;
        }
    }

    /// Adds problems whose places are told from a place on.
    pub(crate) fn add_below(&mut self, place: &str, problems: Vec<Problem>) {
        for Problem { path, message } in problems {
            self.add(|| Problem::new(format!("{place}{path}"), message));
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The problems, in the order of the document, each once.
    #[must_use]
    pub fn in_order_of(self, document: &Value) -> Vec<Problem> {
        let mut found = self.found;
        found.sort_by_cached_key(|problem| {
            (place(document, &problem.path), problem.message.clone())
        });
        found.dedup();
        if self.more {
            found.push(Problem::new(
                "",
                "has more problems than these; mend them first",
            ));
        }
        found
    }
}

/// Where in its document a pointer points: which member of which member. What is not there stands behind what is.
fn place(document: &Value, pointer: &str) -> Vec<usize> {
    let mut at = Some(document);
    let mut place = Vec::new();
    for part in pointer.split('/').skip(1) {
        let name = part.replace("~1", "/").replace("~0", "~");
        let position = match at {
            Some(Value::Array(_)) => name.parse().ok(),
            Some(Value::Object(members)) => members.keys().position(|member| *member == name),
            _ => None,
        };
        at = match at {
            Some(Value::Array(items)) => position.and_then(|index| items.get(index)),
            Some(Value::Object(members)) => members.get(&name),
            _ => None,
        };
        place.push(position.unwrap_or(usize::MAX));
    }
    place
}

/// Cuts a text off after so many characters.
pub(crate) fn cut(mut text: String, characters: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(characters) {
        text.truncate(end);
        text.push('…');
    }
    text
}
