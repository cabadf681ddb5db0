//! Versions of a plugin that tell which they are: copies of one component with a number in place of one of its texts.

use anyhow::{Result, ensure};

/// The text of the plugin that a version's name takes the place of. What it suspends with comes out as its output.
const MARKER: &str = "the state of wait-until";

/// What every version's name begins with.
const PREFIX: &str = "version ";

/// A component with a place for a number.
#[derive(Debug)]
pub(super) struct Versions {
    wasm: Vec<u8>,
    at: usize,
}

impl Versions {
    /// Finds the place in a component.
    pub(super) fn of(wasm: Vec<u8>) -> Result<Self> {
        let mut places = wasm
            .windows(MARKER.len())
            .enumerate()
            .filter_map(|(at, window)| (window == MARKER.as_bytes()).then_some(at));
        let found = (places.next(), places.next());
        drop(places);
        let (Some(at), None) = found else {
            anyhow::bail!(
                "the plugin has to hold the text {MARKER:?} once, as the frozen witness does"
            );
        };
        Ok(Self { wasm, at })
    }

    /// The component with its number in it.
    pub(super) fn number(&self, number: u64) -> Result<Vec<u8>> {
        let name = format!("{:.<width$}", name(number), width = MARKER.len());
        ensure!(name.len() == MARKER.len(), "{number} is too many versions");
        let mut wasm = self.wasm.clone();
        wasm[self.at..self.at + name.len()].copy_from_slice(name.as_bytes());
        Ok(wasm)
    }
}

/// What a version calls itself.
fn name(number: u64) -> String {
    format!("{PREFIX}{number}")
}

/// Which version an output is of.
pub(super) fn number_of(output: &serde_json::Value) -> Option<u64> {
    let number = output["state"].as_str()?.strip_prefix(PREFIX)?;
    number.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_tells_its_number() {
        let versions = Versions::of(format!("<{MARKER}>").into_bytes()).expect("it is there");
        let seventh = String::from_utf8(versions.number(7).expect("there is room")).expect("text");
        assert_eq!(seventh, "<version 7..............>");
        let state = seventh.trim_matches(['<', '>']);
        assert_eq!(number_of(&json!({ "state": state })), Some(7));
        assert_eq!(number_of(&json!({ "state": MARKER })), None);
        assert_eq!(number_of(&json!(null)), None);
    }

    #[test]
    fn a_component_that_cannot_be_numbered_is_refused() {
        for wasm in [String::new(), MARKER.repeat(2)] {
            let refusal = Versions::of(wasm.into_bytes()).expect_err("it has no one place");
            assert!(refusal.to_string().contains(MARKER), "{refusal}");
        }
    }
}
