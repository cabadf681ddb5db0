//! How much work it may be to check a value against a schema.
//!
//! A schema that refers to the same definition twice, over and over, leads to more places than anyone could visit: a
//! plugin could make the host check for ever. Such a schema is refused. One that comes back to itself in several ways
//! is answered with yes or no, for which the library remembers what it has seen; where it would take too long to gather
//! every error of a deep value, that is left out.

use std::collections::HashMap;

use serde_json::Value;

/// Schemas with more places than this, references followed, are too involved.
const PLACES_MAX: usize = 50_000;
/// How many times the places may multiply over the depth of a value.
const WAYS_MAX: u64 = 1_000;
/// How deep references may lead.
const DEPTH_MAX: usize = 200;

/// How the ways through a schema multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// In how many ways one definition comes back to itself, for each level of depth of a value.
    ways_per_level: u32,
}

/// Why a schema is not checked against.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TooInvolved {
    #[error("with its references followed it leads to more than {PLACES_MAX} places")]
    Places,
    #[error("its references lead more than {DEPTH_MAX} levels deep")]
    Depth,
    #[error("{0:?} refers to itself without going deeper into the value")]
    Circle(String),
    #[error("{0} is not followed: references begin with #/ and stay within the schema")]
    Reference(String),
}

impl Reach {
    pub(super) fn of(schema: &Value) -> Result<Self, TooInvolved> {
        let mut walk = Walk {
            root: schema,
            places: 0,
            open: vec![("", 0)],
            returns: HashMap::new(),
        };
        walk.visit(schema, &mut String::new(), 0)?;
        Ok(Self {
            ways_per_level: walk.returns.values().copied().max().unwrap_or(0),
        })
    }

    /// Whether the errors of this value can be gathered.
    pub(super) fn covers(self, value: &Value) -> bool {
        u64::from(self.ways_per_level).saturating_pow(depth(value)) <= WAYS_MAX
    }
}

fn depth(value: &Value) -> u32 {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

struct Walk<'a> {
    root: &'a Value,
    places: usize,
    /// The definitions that are being visited, and where in the value each was entered.
    open: Vec<(&'a str, usize)>,
    /// How many ways lead back to a definition for one part of the value: by definition and part.
    returns: HashMap<(&'a str, String), u32>,
}

impl<'a> Walk<'a> {
    /// Visits a schema; `part` is the part of the value that it judges.
    fn visit(
        &mut self,
        schema: &'a Value,
        part: &mut String,
        depth: usize,
    ) -> Result<(), TooInvolved> {
        self.places += 1;
        if self.places > PLACES_MAX {
            return Err(TooInvolved::Places);
        }
        if depth > DEPTH_MAX {
            return Err(TooInvolved::Depth);
        }
        let Value::Object(keywords) = schema else {
            return Ok(());
        };
        for (keyword, inner) in keywords {
            match keyword.as_str() {
                "$ref" => self.follow(inner, part, depth)?,
                "$dynamicRef" | "$recursiveRef" => {
                    return Err(TooInvolved::Reference(keyword.clone()));
                }
                "allOf" | "anyOf" | "oneOf" => self.visit_each(inner, part, depth)?,
                "not" | "if" | "then" | "else" => self.visit(inner, part, depth + 1)?,
                "dependentSchemas" => self.visit_each(inner, part, depth)?,
                "properties" | "patternProperties" | "prefixItems" => {
                    self.visit_parts(inner, part, depth)?;
                }
                "items"
                | "additionalProperties"
                | "unevaluatedItems"
                | "unevaluatedProperties"
                | "contains"
                | "propertyNames"
                | "contentSchema" => {
                    self.enter(keyword, inner, part, depth)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn visit_each(
        &mut self,
        inner: &'a Value,
        part: &mut String,
        depth: usize,
    ) -> Result<(), TooInvolved> {
        for (_, schema) in children(inner) {
            self.visit(schema, part, depth + 1)?;
        }
        Ok(())
    }

    fn visit_parts(
        &mut self,
        inner: &'a Value,
        part: &mut String,
        depth: usize,
    ) -> Result<(), TooInvolved> {
        for (name, schema) in children(inner) {
            self.enter(&name, schema, part, depth)?;
        }
        Ok(())
    }

    fn enter(
        &mut self,
        name: &str,
        schema: &'a Value,
        part: &mut String,
        depth: usize,
    ) -> Result<(), TooInvolved> {
        let before = part.len();
        part.push('/');
        part.push_str(name);
        let visited = self.visit(schema, part, depth + 1);
        part.truncate(before);
        visited
    }

    fn follow(
        &mut self,
        reference: &'a Value,
        part: &mut String,
        depth: usize,
    ) -> Result<(), TooInvolved> {
        let outside = || TooInvolved::Reference(format!("$ref {reference}"));
        let pointer = reference
            .as_str()
            .and_then(|text| text.strip_prefix('#'))
            .ok_or_else(outside)?;
        if let Some((_, entered)) = self.open.iter().find(|(open, _)| *open == pointer) {
            let between = part[*entered..].to_owned();
            // A definition that comes back to itself without going deeper never ends.
            if between.is_empty() {
                return Err(TooInvolved::Circle(format!("#{pointer}")));
            }
            *self.returns.entry((pointer, between)).or_default() += 1;
            return Ok(());
        }
        let target = self.root.pointer(pointer).ok_or_else(outside)?;
        self.open.push((pointer, part.len()));
        let visited = self.visit(target, part, depth + 1);
        self.open.pop();
        visited
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = (String, &Value)> + '_> {
    match value {
        Value::Object(fields) => {
            Box::new(fields.iter().map(|(name, schema)| (name.clone(), schema)))
        }
        Value::Array(items) => Box::new(
            items
                .iter()
                .enumerate()
                .map(|(i, schema)| (i.to_string(), schema)),
        ),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ways(schema: &Value) -> u32 {
        Reach::of(schema).expect("it can be walked").ways_per_level
    }

    #[test]
    fn a_plain_schema_and_a_tree_can_be_walked() {
        assert_eq!(ways(&json!({"properties": {"a": {"type": "string"}}})), 0);
        let tree = json!({"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"left": {"$ref": "#/$defs/t"}, "right": {"$ref": "#/$defs/t"}}}}});
        assert_eq!(ways(&tree), 1);
        assert_eq!(ways(&json!({"items": {"$ref": "#"}})), 1);
        assert!(
            Reach::of(&tree)
                .expect("it can be walked")
                .covers(&json!([[[[[[[[]]]]]]]]))
        );
    }

    #[test]
    fn what_multiplies_is_seen() {
        let twice = json!({"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"a": {"anyOf": [{"$ref": "#/$defs/t"}, {"$ref": "#/$defs/t"}]}}}}});
        let reach = Reach::of(&twice).expect("it can be walked");
        assert_eq!(reach.ways_per_level, 2);
        assert!(reach.covers(&json!({"a": {"a": {}}})));
        let deep = (0..20).fold(json!({}), |inner, _| json!({"a": inner}));
        assert!(!reach.covers(&deep));
    }

    #[test]
    fn what_never_ends_is_refused() {
        let circle = json!({"$ref": "#/$defs/a", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}});
        let refusal = |schema: &Value| Reach::of(schema).expect_err("it is refused").to_string();
        assert!(refusal(&circle).contains("\"#/$defs/a\" refers to itself"));
        assert!(refusal(&json!({"$ref": "#"})).contains("refers to itself"));
        assert!(refusal(&json!({"$dynamicRef": "#x"})).contains("$dynamicRef is not followed"));
        assert!(
            refusal(&json!({"$ref": "https://elsewhere.example"}))
                .contains("stay within the schema")
        );
    }
}
