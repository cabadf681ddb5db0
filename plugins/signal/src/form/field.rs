//! One field of a form: what it says to people, and what may stand in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One field, by the type of what stands in it.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Field {
    /// A text, or one of several.
    String(Text),
    /// A number.
    Number(Number),
    /// A number without a fraction.
    Integer(Number),
    /// Yes or no.
    Boolean(Truth),
    /// Some of several texts.
    Array(List),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Text {
    title: Option<String>,
    description: Option<String>,
    /// What stands in the form at first.
    default: Option<String>,
    /// What kind of text it is, for whoever shows the form: `email`, `date`, `uri`. It is not checked.
    format: Option<String>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    /// The texts to choose from.
    #[serde(rename = "enum")]
    choices: Option<Vec<String>>,
    /// The texts to choose from, each with what people see.
    one_of: Option<Vec<Choice>>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Number {
    title: Option<String>,
    description: Option<String>,
    /// What stands in the form at first.
    default: Option<f64>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Truth {
    title: Option<String>,
    description: Option<String>,
    /// What stands in the form at first.
    default: Option<bool>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct List {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    /// What stands in the form at first.
    #[serde(default)]
    default: Option<Vec<String>>,
    /// What there is to choose from.
    items: Items,
    #[serde(default)]
    min_items: Option<usize>,
    #[serde(default)]
    max_items: Option<usize>,
    /// Whether each may be chosen only once.
    #[serde(default)]
    unique_items: bool,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Items {
    String(Text),
}

/// A text to choose, and what people see in its place.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Choice {
    #[serde(rename = "const")]
    value: String,
    title: String,
}

impl Field {
    /// Whether anything can stand in it at all.
    pub(super) fn is_sound(&self) -> Result<(), &'static str> {
        match self {
            Field::String(text) => text.is_sound(),
            Field::Number(number) | Field::Integer(number) => {
                match (number.minimum, number.maximum) {
                    (Some(min), Some(max)) if min > max => {
                        Err("its minimum is larger than its maximum")
                    }
                    _ => Ok(()),
                }
            }
            Field::Boolean(_) => Ok(()),
            Field::Array(list) => {
                let Items::String(item) = &list.items;
                if list.min_items > list.max_items && list.max_items.is_some() {
                    return Err("its minItems is larger than its maxItems");
                }
                item.is_sound()
            }
        }
    }

    /// Whether a value may stand in it; if not, why.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Field::String(text), Value::String(value)) => text.check(value),
            (Field::Number(number), Value::Number(value)) => number.check(value),
            (Field::Integer(number), Value::Number(value)) if is_whole(value) => {
                number.check(value)
            }
            (Field::Boolean(_), Value::Bool(_)) => Ok(()),
            (Field::Array(list), Value::Array(values)) => list.check(values),
            (Field::String(_), _) => Err(wanted("a text", value)),
            (Field::Number(_), _) => Err(wanted("a number", value)),
            (Field::Integer(_), _) => Err(wanted("a number without a fraction", value)),
            (Field::Boolean(_), _) => Err(wanted("true or false", value)),
            (Field::Array(_), _) => Err(wanted("a list", value)),
        }
    }
}

impl Text {
    fn is_sound(&self) -> Result<(), &'static str> {
        if self.choices().is_some_and(|choices| choices.is_empty()) {
            return Err("there is nothing to choose from");
        }
        if self.min_length > self.max_length && self.max_length.is_some() {
            return Err("its minLength is larger than its maxLength");
        }
        Ok(())
    }

    /// What there is to choose from, where it is a choice.
    fn choices(&self) -> Option<Vec<&str>> {
        match (&self.choices, &self.one_of) {
            (None, None) => None,
            (choices, one_of) => {
                let plain = choices.iter().flatten().map(String::as_str);
                let titled = one_of.iter().flatten().map(|choice| choice.value.as_str());
                Some(plain.chain(titled).collect())
            }
        }
    }

    fn check(&self, text: &str) -> Result<(), String> {
        if let Some(choices) = self.choices()
            && !choices.contains(&text)
        {
            return Err(format!(
                "must be one of {}, not {text:?}",
                choices.join(", ")
            ));
        }
        let length = text.chars().count();
        match (self.min_length, self.max_length) {
            (Some(min), _) if length < min => Err(format!("must have at least {min} characters")),
            (_, Some(max)) if length > max => Err(format!("must have at most {max} characters")),
            _ => Ok(()),
        }
    }
}

impl Number {
    fn check(&self, number: &serde_json::Number) -> Result<(), String> {
        let value = number.as_f64().unwrap_or(f64::NAN);
        match (self.minimum, self.maximum) {
            (Some(min), _) if value < min => Err(format!("must be at least {min}")),
            (_, Some(max)) if value > max => Err(format!("must be at most {max}")),
            _ => Ok(()),
        }
    }
}

impl List {
    fn check(&self, values: &[Value]) -> Result<(), String> {
        let Items::String(item) = &self.items;
        for (index, value) in values.iter().enumerate() {
            let Value::String(text) = value else {
                return Err(format!("item {index}: {}", wanted("a text", value)));
            };
            item.check(text)
                .map_err(|problem| format!("item {index}: {problem}"))?;
            if self.unique_items && values[..index].contains(value) {
                return Err(format!("item {index}: {text:?} is there twice"));
            }
        }
        match (self.min_items, self.max_items) {
            (Some(min), _) if values.len() < min => Err(format!("must have at least {min} items")),
            (_, Some(max)) if values.len() > max => Err(format!("must have at most {max} items")),
            _ => Ok(()),
        }
    }
}

/// Whether a number has no fraction: 2.0 has none.
fn is_whole(number: &serde_json::Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

fn wanted(wanted: &str, value: &Value) -> String {
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    if matches!(
        (wanted, value),
        ("a number without a fraction", Value::Number(_))
    ) {
        return format!("must be {wanted}, not {value}");
    }
    format!("must be {wanted}, not {found}")
}
