//! Which settings there are: read from the sections' own types, so that there is no second list to keep.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// A setting that has a name of its own. The members of maps (grants, secrets, `env`) have none.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    /// Where it stands in the file: `server.listen`.
    pub(super) path: Vec<String>,
    /// The variable of the environment that sets it.
    pub(super) variable: String,
    /// What it is for.
    pub(super) description: String,
    /// What it is where nobody says; absent where that depends on others.
    pub(super) default: Option<Value>,
    /// How its text in the environment is to be read.
    pub(super) kind: Kind,
}

/// How the text of a variable is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Boolean,
    /// Texts with commas between them.
    Texts,
}

/// Variables whose names are shorter than their place.
const SHORT_VARIABLES: [(&str, &str); 4] = [
    ("auth.admin_token", "MILLWORK_ADMIN_TOKEN"),
    ("secrets_key.key", "MILLWORK_SECRETS_KEY"),
    ("server.listen", "MILLWORK_LISTEN"),
    ("log.filter", "MILLWORK_LOG"),
];

/// The schema of the whole configuration.
pub(super) fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings
        .into_generator()
        .into_root_schema_for::<Config>()
        .to_value()
}

/// Every setting that has a name of its own, in the order of the sections.
pub(super) fn settings() -> Vec<Setting> {
    let defaults = serde_json::to_value(Config::default()).unwrap_or(Value::Null);
    let mut found = Vec::new();
    collect(&schema(), &defaults, &mut Vec::new(), &mut found);
    found
}

fn collect(schema: &Value, defaults: &Value, path: &mut Vec<String>, found: &mut Vec<Setting>) {
    for (key, member) in properties(schema) {
        path.push(key.clone());
        if properties(member).next().is_some() {
            collect(member, &defaults[key], path, found);
        } else if members(member).is_none() {
            found.push(Setting {
                path: path.clone(),
                variable: variable(path),
                description: description(member),
                default: defaults.get(key).cloned(),
                kind: kind(member),
            });
        }
        path.pop();
    }
}

fn variable(path: &[String]) -> String {
    let dotted = path.join(".");
    let short = SHORT_VARIABLES.iter().find(|(path, _)| *path == dotted);
    short.map_or_else(
        || format!("MILLWORK_{}", path.join("_").to_uppercase()),
        |(_, variable)| (*variable).to_owned(),
    )
}

fn kind(schema: &Value) -> Kind {
    match schema["type"].as_str() {
        Some("integer") => Kind::Integer,
        Some("boolean") => Kind::Boolean,
        Some("array") => Kind::Texts,
        _ => Kind::Text,
    }
}

/// The members that a table of this schema may have.
pub(super) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

/// What the members of a map of this schema are; nothing where it is no map.
pub(super) fn members(schema: &Value) -> Option<&Value> {
    schema
        .get("additionalProperties")
        .filter(|members| members.is_object())
}

/// What the doc comment says, on one line.
pub(super) fn description(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_description_and_a_variable_of_its_own() {
        let settings = settings();
        assert!(settings.len() > 10, "{settings:#?}");
        for setting in &settings {
            assert!(!setting.description.is_empty(), "{setting:?}");
            let same = settings
                .iter()
                .filter(|other| other.variable == setting.variable)
                .count();
            assert_eq!(same, 1, "{setting:?}");
        }
    }

    #[test]
    fn a_setting_knows_its_place_its_default_and_its_kind() {
        let settings = settings();
        let backlog = settings
            .iter()
            .find(|setting| setting.path == ["engine", "backlog_max"]);
        let backlog = backlog.expect("there is such a setting");
        assert_eq!(backlog.variable, "MILLWORK_ENGINE_BACKLOG_MAX");
        assert_eq!(backlog.default, Some(Value::from(1_000_000)));
        assert_eq!(backlog.kind, Kind::Integer);
        let listen = settings
            .iter()
            .find(|setting| setting.variable == "MILLWORK_LISTEN");
        assert_eq!(
            listen.expect("there is such a setting").path,
            ["server", "listen"]
        );
    }
}
