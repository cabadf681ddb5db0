//! Definitions in files: YAML, which JSON is too.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Number, Value};

/// Where the definitions of the examples say that the services are.
const SERVICES: &str = "http://127.0.0.1:9000";

/// Reads the documents of a file, with the services at another address.
///
/// # Errors
/// Where it cannot be read.
pub fn read_all(file: &Path, services: &str) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("could not read {}", file.display()))?;
    read_text(&text.replace(SERVICES, services)).with_context(|| file.display().to_string())
}

/// Reads the documents of a text.
///
/// # Errors
/// Where it is no YAML, or has something in it that JSON has not.
pub fn read_text(text: &str) -> Result<Vec<Value>> {
    let documents = Yaml::load_from_str(text)?;
    documents.iter().map(json).collect()
}

fn json(yaml: &Yaml<'_>) -> Result<Value> {
    Ok(match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::Bool(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => {
            let number = Number::from_f64(value.into_inner());
            Value::Number(number.context("a number that JSON has not")?)
        }
        Yaml::Value(Scalar::String(text)) => Value::from(text.as_ref()),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json).collect::<Result<_>>()?),
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                let name = name.as_str().context("a name that is no text")?;
                object.insert(name.to_owned(), json(value)?);
            }
            Value::Object(object)
        }
        other => bail!("{other:?} means nothing here"),
    })
}
