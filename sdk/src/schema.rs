//! JSON Schemas from types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of what a type accepts.
pub(crate) fn of_config<T: JsonSchema>() -> Value {
    root::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of what a type results in.
pub(crate) fn of_output<T: JsonSchema>() -> Value {
    root::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn root<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The generator's title is the name of the Rust type, mostly "Config", which tells a reader nothing.
    if schema.get("title").and_then(Value::as_str) == Some(T::schema_name().as_ref()) {
        schema.remove("title");
    }
    schema.to_value()
}
