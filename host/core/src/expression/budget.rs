//! What a result may grow to.

use minijinja::value::{Value as Item, ValueKind};
use serde_json::Value;

use super::{MISSING, describe};
use crate::json::DEPTH_MAX;

/// Values in a result, counting every member of every list and object.
const VALUES_MAX: usize = 1_000_000;

/// Bytes of text in a result.
const TEXT_MAX_BYTES: usize = 8 * 1024 * 1024;

/// What may still be added to a result: one expression's, or a configuration's with many in it.
pub(crate) struct Budget {
    values: usize,
    text_bytes: usize,
}

impl Budget {
    pub(crate) const fn new() -> Self {
        Self {
            values: VALUES_MAX,
            text_bytes: TEXT_MAX_BYTES,
        }
    }

    fn spend(&mut self, text_bytes: usize) -> Result<(), String> {
        self.values = self
            .values
            .checked_sub(1)
            .ok_or_else(|| format!("gives more than {VALUES_MAX} values"))?;
        self.text_bytes = self
            .text_bytes
            .checked_sub(text_bytes)
            .ok_or_else(|| format!("gives more than {TEXT_MAX_BYTES} bytes of text"))?;
        Ok(())
    }

    /// Counts a value that is to be added, and judges how deep it would stand.
    pub(crate) fn spend_value(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        self.spend(value.as_str().map_or(0, str::len))?;
        match value {
            Value::Array(items) => {
                check_depth(depth)?;
                items
                    .iter()
                    .try_for_each(|item| self.spend_value(item, depth + 1))
            }
            Value::Object(members) => {
                check_depth(depth)?;
                members.iter().try_for_each(|(name, member)| {
                    self.spend(name.len())?;
                    self.spend_value(member, depth + 1)
                })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    /// Counts a result, and turns it into JSON that is to stand so deep in a document. What JSON cannot hold (a missing
    /// key, a function, not-a-number) is an error, not a null.
    pub(super) fn spend_on(&mut self, item: &Item, depth: usize) -> Result<Value, String> {
        self.spend(item.as_str().map_or(0, str::len))?;
        match item.kind() {
            ValueKind::Undefined => Err(MISSING.to_owned()),
            ValueKind::None => Ok(Value::Null),
            ValueKind::Bool => Ok(Value::Bool(item.is_true())),
            ValueKind::Number => number(item),
            ValueKind::String => Ok(Value::String(item.as_str().unwrap_or_default().to_owned())),
            ValueKind::Seq | ValueKind::Iterable => {
                check_depth(depth)?;
                let items = item.try_iter().map_err(|error| describe(&error))?;
                items
                    .map(|item| self.spend_on(&item, depth + 1))
                    .collect::<Result<_, _>>()
                    .map(Value::Array)
            }
            ValueKind::Map => {
                check_depth(depth)?;
                let keys = item.try_iter().map_err(|error| describe(&error))?;
                let mut object = serde_json::Map::new();
                for key in keys {
                    let member = item.get_item(&key).map_err(|error| describe(&error))?;
                    let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                    self.spend(name.len())?;
                    object.insert(name, self.spend_on(&member, depth + 1)?);
                }
                Ok(Value::Object(object))
            }
            kind => Err(format!("gives a {kind}, which JSON cannot hold")),
        }
    }
}

/// Whether a list or an object may stand so deep, counted from zero.
fn check_depth(depth: usize) -> Result<(), String> {
    if depth < DEPTH_MAX {
        Ok(())
    } else {
        Err(format!(
            "gives a value nested deeper than {DEPTH_MAX} levels"
        ))
    }
}

fn number(item: &Item) -> Result<Value, String> {
    if item.is_integer() {
        if let Ok(whole) = i64::try_from(item.clone()) {
            return Ok(Value::from(whole));
        }
        if let Ok(whole) = u64::try_from(item.clone()) {
            return Ok(Value::from(whole));
        }
    }
    let real = f64::try_from(item.clone()).map_err(|error| describe(&error))?;
    serde_json::Number::from_f64(real)
        .map(Value::Number)
        .ok_or_else(|| format!("gives {real}, which JSON cannot hold"))
}
