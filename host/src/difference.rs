//! What differs between two definitions, in the terms of people: a step is known by its name, wherever it stands.

use std::collections::HashMap;

use millwork_core::pointer::Pointer;
use serde_json::{Map, Value};

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What happened there.
    pub kind: ChangeKind,
    /// Where: a JSON Pointer (RFC 6901) into the later definition; into the earlier one where it was removed.
    pub path: String,
    /// The step that it belongs to.
    pub step: Option<String>,
    /// What stood there, or where it stood.
    pub before: Option<Value>,
    /// What stands there, or where it stands.
    pub after: Option<Value>,
}

/// What happened at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another value.
    Changed,
    /// It stands elsewhere among its neighbours.
    Moved,
}

/// Compares two definitions.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Found(Vec::new());
    let root = Place {
        before: Pointer::Root(""),
        after: Pointer::Root(""),
        step: None,
    };
    found.compare(before, after, &root);
    found.0
}

/// A place in both definitions.
#[derive(Clone, Copy)]
struct Place<'a> {
    before: Pointer<'a>,
    after: Pointer<'a>,
    step: Option<&'a str>,
}

struct Found(Vec<Change>);

impl Found {
    fn compare(&mut self, before: &Value, after: &Value, place: &Place<'_>) {
        match (before, after) {
            _ if before == after => {}
            (Value::Object(before), Value::Object(after)) => {
                self.compare_objects(before, after, place);
            }
            (Value::Array(before), Value::Array(after)) => {
                match (by_name(before), by_name(after)) {
                    (Some(old), Some(new)) => self.compare_named(&old, &new, place),
                    _ if has_objects(before) || has_objects(after) => {
                        self.compare_lists(before, after, place);
                    }
                    // A list of words is one thing: nobody thinks of its places.
                    _ => self.add(ChangeKind::Changed, place, Some(before), Some(after)),
                }
            }
            _ => self.add(ChangeKind::Changed, place, Some(before), Some(after)),
        }
    }

    fn compare_objects(
        &mut self,
        before: &Map<String, Value>,
        after: &Map<String, Value>,
        place: &Place<'_>,
    ) {
        for (name, old) in before {
            let here = place.member(name);
            match after.get(name) {
                Some(new) => self.compare(old, new, &here),
                None => self.add(ChangeKind::Removed, &here, Some(old), None::<Value>),
            }
        }
        for (name, new) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            self.add(
                ChangeKind::Added,
                &place.member(name),
                None::<Value>,
                Some(new),
            );
        }
    }

    fn compare_lists(&mut self, before: &[Value], after: &[Value], place: &Place<'_>) {
        for index in 0..before.len().max(after.len()) {
            let here = place.item(index, index, None);
            match (before.get(index), after.get(index)) {
                (Some(old), Some(new)) => self.compare(old, new, &here),
                (Some(old), None) => {
                    self.add(ChangeKind::Removed, &here, Some(old), None::<Value>);
                }
                (None, new) => self.add(ChangeKind::Added, &here, None::<Value>, new),
            }
        }
    }

    /// Lists whose items have names, as steps do.
    fn compare_named(
        &mut self,
        before: &[(&str, &Value)],
        after: &[(&str, &Value)],
        place: &Place<'_>,
    ) {
        let places = |items: &[(&str, &Value)]| -> HashMap<String, usize> {
            let named = items.iter().enumerate();
            named
                .map(|(index, (name, _))| ((*name).to_owned(), index))
                .collect()
        };
        let (old_places, new_places) = (places(before), places(after));
        for (index, (name, old)) in before.iter().enumerate() {
            if !new_places.contains_key(*name) {
                let here = place.item(index, index, Some(name));
                self.add(ChangeKind::Removed, &here, Some(*old), None::<Value>);
            }
        }
        let common = after.iter().filter_map(|(name, _)| old_places.get(*name));
        let stayed = longest_rising(&common.copied().collect::<Vec<_>>());
        for (index, (name, new)) in after.iter().enumerate() {
            let Some(&old_index) = old_places.get(*name) else {
                let here = place.item(index, index, Some(name));
                self.add(ChangeKind::Added, &here, None::<Value>, Some(*new));
                continue;
            };
            let here = place.item(old_index, index, Some(name));
            if stayed.binary_search(&old_index).is_err() {
                self.add(ChangeKind::Moved, &here, Some(old_index), Some(index));
            }
            self.compare(before[old_index].1, new, &here);
        }
    }

    fn add(
        &mut self,
        kind: ChangeKind,
        place: &Place<'_>,
        before: Option<impl ToValue>,
        after: Option<impl ToValue>,
    ) {
        let path = match kind {
            ChangeKind::Removed => place.before.to_string(),
            ChangeKind::Added | ChangeKind::Changed | ChangeKind::Moved => place.after.to_string(),
        };
        self.0.push(Change {
            kind,
            path,
            step: place.step.map(str::to_owned),
            before: before.map(|value| value.to_value()),
            after: after.map(|value| value.to_value()),
        });
    }
}

impl Place<'_> {
    fn member<'b>(&'b self, name: &'b str) -> Place<'b> {
        Place {
            before: self.before.member(name),
            after: self.after.member(name),
            step: self.step,
        }
    }

    /// The first name on the way is the step's.
    fn item<'b>(&'b self, before: usize, after: usize, name: Option<&'b str>) -> Place<'b> {
        Place {
            before: self.before.item(before),
            after: self.after.item(after),
            step: self.step.or(name),
        }
    }
}

/// What a change can show.
trait ToValue {
    fn to_value(self) -> Value;
}

impl ToValue for Value {
    fn to_value(self) -> Value {
        self
    }
}

impl ToValue for &Value {
    fn to_value(self) -> Value {
        self.clone()
    }
}

impl ToValue for &Vec<Value> {
    fn to_value(self) -> Value {
        Value::Array(self.clone())
    }
}

impl ToValue for usize {
    fn to_value(self) -> Value {
        self.into()
    }
}

/// The items of a list by their names, where each has one of its own.
fn by_name(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let named = items
        .iter()
        .map(|item| Some((item.get("name")?.as_str()?, item)));
    let named: Vec<_> = named.collect::<Option<_>>()?;
    let mut names: Vec<_> = named.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    (names.len() == named.len()).then_some(named)
}

fn has_objects(items: &[Value]) -> bool {
    items.iter().any(Value::is_object)
}

/// The longest part of a sequence of different numbers that rises, in order: what has stayed in its order when the rest moved.
fn longest_rising(numbers: &[usize]) -> Vec<usize> {
    // For each length, where the part of that length with the smallest last number ends.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(numbers.len());
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        match ends.get_mut(length) {
            Some(end) => *end = place,
            None => ends.push(place),
        }
    }
    let mut rising = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some(place) = at {
        rising.push(numbers[place]);
        at = before[place];
    }
    rising.reverse();
    rising
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(before: &Value, after: &Value) -> String {
        let shown = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "-".to_owned(), Value::to_string)
        };
        let lines = difference(before, after).into_iter().map(|change| {
            format!(
                "{:?} {} ({}): {} -> {}",
                change.kind,
                change.path,
                change.step.as_deref().unwrap_or("-"),
                shown(&change.before),
                shown(&change.after)
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_says_the_same_does_not_differ() {
        let one = json!({"name": "a", "steps": [{"name": "x", "needs": []}]});
        let mut other = json!({"steps": [{"needs": [], "name": "x"}]});
        other["name"] = "a".into();
        assert_eq!(difference(&one, &other), []);
    }

    #[test]
    fn a_step_is_known_by_its_name() {
        let step = |name: &str, seconds: u32| json!({"name": name, "type": "delay", "config": {"duration": seconds}});
        let before = json!({"name": "n", "description": "d", "steps": [step("a", 1), step("b", 2), step("c", 3), step("d", 4)]});
        let mut after = json!({"name": "m", "steps": [step("new", 9), step("c", 3), step("a", 5), step("b", 2)]});
        after["steps"][3]["needs"] = json!(["a", "c"]);
        insta::assert_snapshot!(told(&before, &after), @r#"
        Changed /name (-): "n" -> "m"
        Removed /description (-): "d" -> -
        Removed /steps/3 (d): {"name":"d","type":"delay","config":{"duration":4}} -> -
        Added /steps/0 (new): - -> {"name":"new","type":"delay","config":{"duration":9}}
        Moved /steps/1 (c): 2 -> 1
        Changed /steps/2/config/duration (a): 1 -> 5
        Added /steps/3/needs (b): - -> ["a","c"]
        "#);
    }

    #[test]
    fn other_lists_are_compared_place_by_place_or_whole() {
        let before = json!({"needs": ["a"], "rules": [{"x": 1}, {"x": 2}], "twice": [{"name": "n"}, {"name": "n"}], "kind": 1});
        let after = json!({"needs": ["a", "b"], "rules": [{"x": 1}, {"x": 3}, {"x~/": 4}], "twice": [{"name": "n"}], "kind": [1]});
        insta::assert_snapshot!(told(&before, &after), @r#"
        Changed /needs (-): ["a"] -> ["a","b"]
        Changed /rules/1/x (-): 2 -> 3
        Added /rules/2 (-): - -> {"x~/":4}
        Removed /twice/1 (-): {"name":"n"} -> -
        Changed /kind (-): 1 -> [1]
        "#);
    }

    #[test]
    fn a_hundred_thousand_items_in_the_other_order_take_no_time() {
        let items = |order: &mut dyn Iterator<Item = u32>| {
            let items = order.map(|number| json!({"name": number.to_string()}));
            json!({"steps": items.collect::<Vec<_>>()})
        };
        let (before, after) = (items(&mut (0..100_000)), items(&mut (0..100_000).rev()));
        let changes = difference(&before, &after);
        assert_eq!(changes.len(), 99_999, "all but one have moved");
    }

    #[test]
    fn what_rises_is_as_long_as_it_can_be() {
        assert!(longest_rising(&[]).is_empty());
        assert_eq!(longest_rising(&[3, 1, 2, 0, 4]), [1, 2, 4]);
        assert_eq!(longest_rising(&[2, 1, 0]).len(), 1);
    }
}
