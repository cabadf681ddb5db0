//! Puts the layers of the configuration together: defaults, then the file, then the environment, then the flags.
//!
//! Each setting of each layer is judged by itself, so that all that is wrong is said at once, each with where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::schema::{self, Kind, Setting};
use super::variables::alias;
use super::{BusKind, Config, StoreKind};
use crate::nearest::unknown;

/// The file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "millwork.toml";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "MILLWORK_CONFIG";

/// Variables that are no settings: the commands that talk to a server read them.
pub const CLIENT_VARIABLES: [&str; 2] = ["MILLWORK_URL", "MILLWORK_TOKEN"];

/// What lies above the defaults.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// The environment. Only `MILLWORK_…` and the names that others gave, such as `DATABASE_URL`, count.
    pub environment: Vec<(String, String)>,
    /// Settings from the command line: the flag, the setting (`server.listen`) and its text.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// The configuration that holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// Where each setting came from that is not a default, by its place in the file.
    pub origins: BTreeMap<String, Origin>,
}

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// What is wrong with the configuration, all of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration does not hold:\n{}", .0.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n"))]
pub struct Error(pub Vec<String>);

/// Reads the file, if there is one, and puts the layers together.
///
/// # Errors
/// Everything that is wrong: a named file that cannot be read, keys that nobody knows, values that cannot be.
pub fn load(layers: &Layers) -> Result<Loaded, Error> {
    let variable = layers
        .environment
        .iter()
        .find(|(name, _)| name == FILE_VARIABLE);
    let named = layers
        .file
        .clone()
        .or_else(|| variable.map(|(_, path)| PathBuf::from(path)));
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let file = match std::fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            return Err(Error(vec![format!(
                "{}: cannot be read: {error}",
                path.display()
            )]));
        }
    };
    merge(
        file.as_ref()
            .map(|(path, text)| (path.as_path(), text.as_str())),
        layers,
    )
}

/// Puts the layers together.
///
/// # Errors
/// Everything that is wrong with them.
pub fn merge(file: Option<(&Path, &str)>, layers: &Layers) -> Result<Loaded, Error> {
    let mut merging = Merging::default();
    if let Some((path, text)) = file {
        merging.take_file(path, text);
    }
    let settings = schema::settings();
    merging.take_environment(&settings, &layers.environment);
    for (flag, path, text) in &layers.flags {
        let path: Vec<String> = path.split('.').map(str::to_owned).collect();
        let kind = settings.iter().find(|setting| setting.path == path);
        let kind = kind.map_or(Kind::Text, |setting| setting.kind);
        merging.take(&path, read(kind, text), Origin::Flag(flag));
    }
    merging.finish()
}

#[derive(Default)]
struct Merging {
    merged: Table,
    origins: BTreeMap<String, Origin>,
    problems: Vec<String>,
}

impl Merging {
    fn take_file(&mut self, path: &Path, text: &str) {
        match text.parse::<Table>() {
            Ok(table) => self.take_table(&schema::schema(), &mut Vec::new(), table, path),
            Err(error) => self.problems.push(format!(
                "{}: {}",
                path.display(),
                error.to_string().trim_end()
            )),
        }
    }

    fn take_table(
        &mut self,
        schema: &serde_json::Value,
        place: &mut Vec<String>,
        table: Table,
        file: &Path,
    ) {
        let known: BTreeMap<_, _> = schema::properties(schema).collect();
        for (key, value) in table {
            place.push(key);
            let key = place.last().map(String::as_str).unwrap_or_default();
            match known
                .get(&place[place.len() - 1])
                .copied()
                .or_else(|| schema::members(schema))
            {
                None => {
                    let problem = unknown("setting", key, known.keys().map(|key| key.as_str()));
                    let section = match &place[..place.len() - 1] {
                        [] => String::new(),
                        section => format!("in [{}]: ", section.join(".")),
                    };
                    self.problems
                        .push(format!("{}: {section}{problem}", file.display()));
                }
                Some(inner) => match value {
                    Value::Table(table) if is_table(inner) => {
                        self.take_table(inner, place, table, file);
                    }
                    value => self.take(place, value, Origin::File(file.to_owned())),
                },
            }
            place.pop();
        }
    }

    fn take_environment(&mut self, settings: &[Setting], environment: &[(String, String)]) {
        // Our own variables have the last word.
        for (name, text) in environment {
            let setting = alias(name).and_then(|path| {
                let is_it = |setting: &&Setting| setting.path.join(".") == path;
                settings.iter().find(is_it)
            });
            if let Some(setting) = setting {
                let value = read(setting.kind, text);
                self.take(&setting.path, value, Origin::Variable(name.clone()));
            }
        }
        for (name, text) in environment
            .iter()
            .filter(|(name, _)| name.starts_with("MILLWORK_") && name != FILE_VARIABLE)
            .filter(|(name, _)| !CLIENT_VARIABLES.contains(&name.as_str()))
        {
            match settings.iter().find(|setting| setting.variable == *name) {
                Some(setting) => self.take(
                    &setting.path,
                    read(setting.kind, text),
                    Origin::Variable(name.clone()),
                ),
                None => {
                    let known = settings
                        .iter()
                        .map(|setting| setting.variable.as_str())
                        .chain([FILE_VARIABLE]);
                    self.problems.push(unknown("variable", name, known));
                }
            }
        }
    }

    /// Takes one setting, if it holds.
    fn take(&mut self, place: &[String], value: Value, origin: Origin) {
        let mut alone = Table::new();
        insert(&mut alone, place, value.clone());
        let path = place.join(".");
        if let Err(error) = Config::deserialize(Value::Table(alone)) {
            self.problems
                .push(format!("{origin}: {path}: {}", error.message().trim_end()));
            return;
        }
        insert(&mut self.merged, place, value);
        self.origins.insert(path, origin);
    }

    fn finish(mut self) -> Result<Loaded, Error> {
        if !self.problems.is_empty() {
            return Err(Error(self.problems));
        }
        match Config::deserialize(Value::Table(self.merged)) {
            Ok(mut config) => {
                let is_set = |place: &str| self.origins.keys().any(|path| path.starts_with(place));
                if config.store.is_none() && is_set("postgres.") {
                    config.store = Some(StoreKind::Postgres);
                }
                if config.bus.is_none() && is_set("kafka.bootstrap_servers") {
                    config.bus = Some(BusKind::Kafka);
                }
                Ok(Loaded {
                    config,
                    origins: self.origins,
                })
            }
            Err(error) => {
                self.problems.push(error.to_string());
                Err(Error(self.problems))
            }
        }
    }
}

/// Whether the schema is a table's: of known members, or a map.
fn is_table(schema: &serde_json::Value) -> bool {
    schema::properties(schema).next().is_some() || schema::members(schema).is_some()
}

fn insert(table: &mut Table, place: &[String], value: Value) {
    match place {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table
                .entry(key.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Reads the text of a variable. What cannot be read stays text, so that the setting's own type says what it wants.
fn read(kind: Kind, text: &str) -> Value {
    let read = match kind {
        Kind::Text => None,
        Kind::Integer => text.trim().parse().ok().map(Value::Integer),
        Kind::Boolean => text.trim().parse().ok().map(Value::Boolean),
        Kind::Texts => {
            let texts = text.split(',').map(str::trim);
            let texts = texts.filter(|text| !text.is_empty());
            Some(Value::Array(texts.map(Value::from).collect()))
        }
    };
    read.unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn layers(environment: &[(&str, &str)]) -> Layers {
        let environment = environment
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        Layers {
            environment,
            ..Layers::default()
        }
    }

    fn from_file(text: &str) -> Result<Loaded, Error> {
        merge(Some((Path::new("millwork.toml"), text)), &Layers::default())
    }

    #[test]
    fn nothing_said_means_the_defaults() {
        let loaded = merge(None, &Layers::default()).expect("the defaults hold");
        assert_eq!(loaded.config, Config::default());
        assert_eq!(
            loaded.config.plugins_dir(),
            Path::new("./millwork-data/plugins")
        );
        assert!(loaded.origins.is_empty());
    }

    #[test]
    fn a_variable_of_postgresql_or_of_kafka_says_which_store_and_bus() {
        let loaded = |environment: &[(&str, &str)]| merge(None, &layers(environment));
        let chosen = |environment: &[(&str, &str)]| {
            let config = loaded(environment).expect("it holds").config;
            (config.store, config.bus)
        };
        assert_eq!(chosen(&[]), (None, None));
        let postgres = Some(StoreKind::Postgres);
        for (name, value) in [
            ("DATABASE_URL", "postgres://u:p@h/d"),
            ("POSTGRES_HOST", "db"),
            ("POSTGRES_PORT", "1"),
            ("POSTGRES_DB", "d"),
            ("POSTGRES_USER", "u"),
            ("POSTGRES_PASSWORD", "p"),
            ("MILLWORK_POSTGRES_HOST", "db"),
        ] {
            assert_eq!(chosen(&[(name, value)]), (postgres, None), "{name}");
        }
        assert_eq!(
            chosen(&[("KAFKA_BOOTSTRAP_SERVERS", "k:1")]),
            (None, Some(BusKind::Kafka))
        );
        assert_eq!(chosen(&[("KAFKA_CONSUMER_GROUP", "g")]), (None, None));
        let overruled = [("POSTGRES_HOST", "db"), ("MILLWORK_STORE", "sqlite")];
        assert_eq!(chosen(&overruled).0, Some(StoreKind::Sqlite));
    }

    #[test]
    fn the_variables_of_the_service_that_this_replaces_have_their_defaults_and_are_read() {
        let environment = [
            ("POSTGRES_PORT", "5433"),
            ("KAFKA_TOPIC_WORKFLOW_TRIGGER", "t"),
            ("KAFKA_TOPIC_WORKFLOW_COMPLETED", "c"),
        ];
        let Config {
            postgres, kafka, ..
        } = merge(None, &layers(&environment)).expect("it holds").config;
        assert_eq!(
            (&*postgres.host, &*postgres.database, &*postgres.user),
            ("workflow_db", "workflow_db", "postgres")
        );
        assert_eq!(postgres.password.read(), Ok("postgres".to_owned()));
        assert_eq!(postgres.port.get(), 5433);
        assert_eq!(kafka.bootstrap_servers, "kafka:9092");
        assert_eq!(kafka.consumer_group, "workflow-workers-rust");
        assert_eq!((&*kafka.topic_trigger, &*kafka.topic_completed), ("t", "c"));
        let wrong = merge(None, &layers(&[("POSTGRES_PORT", "many")])).expect_err("no port");
        assert!(
            wrong.to_string().contains("POSTGRES_PORT: postgres.port"),
            "{wrong}"
        );
    }

    #[test]
    fn a_flag_is_stronger_than_the_environment_and_that_than_the_file() {
        let file = "data_dir = 'f'\n[server]\nlisten = '1.1.1.1:1'\nwait_max = '5s'\n[engine]\nin_flight_max = 5";
        let mut layers = layers(&[
            ("MILLWORK_LISTEN", "2.2.2.2:2"),
            ("MILLWORK_ENGINE_IN_FLIGHT_MAX", "7"),
            ("HOME", "/nowhere"),
        ]);
        layers
            .flags
            .push(("--listen", "server.listen", "3.3.3.3:3".to_owned()));
        let loaded = merge(Some((Path::new("m.toml"), file)), &layers).expect("it holds");
        assert_eq!(loaded.config.server.listen.to_string(), "3.3.3.3:3");
        assert_eq!(loaded.config.server.wait_max, Duration::from_secs(5));
        assert_eq!(loaded.config.engine.in_flight_max.get(), 7);
        assert_eq!(loaded.config.data_dir, Path::new("f"));
        assert_eq!(loaded.origins["server.listen"], Origin::Flag("--listen"));
        assert_eq!(
            loaded.origins["engine.in_flight_max"].to_string(),
            "MILLWORK_ENGINE_IN_FLIGHT_MAX"
        );
        assert_eq!(loaded.origins["data_dir"].to_string(), "m.toml");
    }

    #[test]
    fn the_log_listens_to_rust_log_where_its_own_variable_is_silent() {
        let loaded = merge(None, &layers(&[("RUST_LOG", "debug")])).expect("it holds");
        assert_eq!(loaded.config.log.filter, "debug");
        let loaded = merge(
            None,
            &layers(&[("MILLWORK_LOG", "warn"), ("RUST_LOG", "debug")]),
        )
        .expect("it holds");
        assert_eq!(loaded.config.log.filter, "warn");
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_where_it_came_from() {
        let file = "data = 'x'\n[sevrer]\nlisten = 'x'\n[server]\nlissten = 'x'\nwait_max = 5\n[engine]\nin_flight_max = 0\n[plugins.grants.slack]\nhtpp = []";
        let layers = layers(&[
            ("MILLWORK_LISTN", "x"),
            ("MILLWORK_LISTEN", "localhost"),
            ("MILLWORK_ENGINE_QUEUE_MAX", "many"),
        ]);
        let error =
            merge(Some((Path::new("m.toml"), file)), &layers).expect_err("nothing of it holds");
        insta::assert_snapshot!(error.to_string(), @r#"
        the configuration does not hold:
          m.toml: unknown setting "data"; known here: "auth", "bus", "data_dir", "engine", "env", "events", "kafka", "limits", "log", "plugins", "plugins_dir", "postgres", …
          m.toml: engine.in_flight_max: invalid value: integer `0`, expected a nonzero usize
          m.toml: in [plugins.grants.slack]: unknown setting "htpp"; did you mean "http"?
          m.toml: in [server]: unknown setting "lissten"; did you mean "listen"?
          m.toml: server.wait_max: invalid type: integer `5`, expected a string
          m.toml: unknown setting "sevrer"; did you mean "server"?
          unknown variable "MILLWORK_LISTN"; did you mean "MILLWORK_LISTEN"?
          MILLWORK_LISTEN: server.listen: "localhost" is not an address with a port, such as 127.0.0.1:8002
          MILLWORK_ENGINE_QUEUE_MAX: engine.queue_max: invalid type: string "many", expected a nonzero usize
        "#);
    }

    #[test]
    fn a_file_that_is_no_toml_says_where() {
        insta::assert_snapshot!(from_file("[server]\nlisten = ").expect_err("it is no TOML").to_string(), @r#"
    the configuration does not hold:
      millwork.toml: TOML parse error at line 2, column 10
      |
    2 | listen = 
      |          ^
    string values must be quoted, expected literal string
    "#);
    }

    #[test]
    fn grants_secrets_and_env_are_maps_by_name() {
        let loaded = from_file(
            r#"
            [env]
            REGION = "eu"
            [secrets]
            token = "xyzzy"
            other = { env = "OTHER" }
            [plugins.grants.slack]
            http = ["https://slack.com"]
            secrets = { token = ["https://slack.com"] }
            "#,
        );
        let config = loaded.expect("it holds").config;
        assert_eq!(config.env["REGION"], "eu");
        assert_eq!(config.plugins.grants["slack"].http, ["https://slack.com"]);
        assert_eq!(
            config.plugins.grants["slack"].secrets["token"],
            ["https://slack.com"]
        );
        assert!(!format!("{config:?}").contains("xyzzy"));
    }

    #[test]
    fn a_file_that_was_named_has_to_be_there() {
        let layers = Layers {
            file: Some(PathBuf::from("/nowhere/m.toml")),
            ..Layers::default()
        };
        let error = load(&layers).expect_err("it is not there");
        assert!(
            error
                .to_string()
                .contains("/nowhere/m.toml: cannot be read"),
            "{error}"
        );
    }
}
