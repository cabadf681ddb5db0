//! What a plugin says of itself, after it was checked: whatever holds a manifest need not doubt it.

mod annotated;

use std::collections::HashSet;
use std::time::Duration;

use millwork_core::connector::is_name;
use millwork_core::json::Json;
use semver::Version;
use serde_json::Value;

use crate::grant::Ask;
use crate::limits::{self, Limits};
use crate::schema::{Checker, Values};
use crate::wasm::bindings::types as wit;
use crate::wasm::trap::bounded;

/// More would be a mistake, and nobody could choose among them.
const ACTIONS_MAX: usize = 256;
const ASKS_MAX: usize = 256;
const EXAMPLES_MAX: usize = 32;

/// A checked manifest.
#[derive(Debug)]
pub struct Manifest {
    /// The name that the `type` of a step uses.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// One sentence for the person who chooses a connector.
    pub description: String,
    /// At least one; the first is what a `type` without an action means.
    pub actions: Vec<Action>,
    /// The powers it needs.
    pub asks: Vec<Ask>,
}

/// One thing that a plugin can do.
#[derive(Debug)]
pub struct Action {
    /// The part of a step's `type` after the dot.
    pub name: String,
    /// A short heading.
    pub title: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of what `completed` carries.
    pub output_schema: Value,
    /// Configurations to start from.
    pub examples: Vec<Example>,
    /// What running it means for the world.
    pub traits: Traits,
    /// How long an attempt may take where the step does not say.
    pub timeout: Option<Duration>,
    /// How many attempts a retryable failure gets where the step does not say.
    pub attempts_max: Option<u32>,
    pub(crate) checker: Checker,
}

/// A configuration to start from.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// The configuration.
    pub config: Json,
}

/// What running an action means for the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// It changes nothing outside.
    pub read_only: bool,
    /// Running it twice with the same idempotency key is the same as running it once.
    pub idempotent: bool,
    /// It may delete or overwrite.
    pub destructive: bool,
}

impl Action {
    /// JSON Schema that the configuration of a step has to satisfy.
    #[must_use]
    pub fn config_schema(&self) -> &Value {
        self.checker.schema()
    }
}

impl Manifest {
    /// The action of this name.
    #[must_use]
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.iter().find(|action| action.name == name)
    }
}

/// Checks what a plugin said of itself.
///
/// # Errors
/// Everything that is wrong with it, in sentences.
pub(crate) fn check(said: wit::Manifest, limits: &Limits) -> Result<Manifest, Vec<String>> {
    let mut problems = Problems::default();
    let size = size(&said);
    if size > limits.manifest_max_bytes {
        // Not read any further: reading costs.
        let limit = limits::reached("manifest_max_bytes", limits.manifest_max_bytes);
        return Err(vec![format!(
            "the manifest of {size} bytes is larger than {limit} bytes"
        )]);
    }
    if !is_name(&said.name) {
        problems.add(format!(
            "{:?} is no name: lower-case letters, digits and single dashes, a letter first",
            bounded(&said.name)
        ));
    }
    let version = match Version::parse(&said.version) {
        Ok(version) => version,
        Err(error) => {
            problems.add(format!(
                "the version {:?} is none by semantic versioning: {error}",
                bounded(&said.version)
            ));
            Version::new(0, 0, 0)
        }
    };
    problems.bound("actions", said.actions.len(), ACTIONS_MAX);
    problems.bound("asks", said.asks.len(), ASKS_MAX);
    if said.actions.is_empty() {
        problems.add("it has no action".to_owned());
    }
    let mut names = HashSet::new();
    let mut actions = Vec::new();
    for action in said.actions.into_iter().take(ACTIONS_MAX) {
        if !names.insert(action.name.clone()) {
            problems.add(format!("it has two actions {:?}", bounded(&action.name)));
        }
        actions.extend(check_action(action, &mut problems));
    }
    let mut asks: Vec<Ask> = said
        .asks
        .into_iter()
        .take(ASKS_MAX)
        .filter_map(|ask| check_ask(ask, &mut problems))
        .collect();
    asks.extend(annotated::asks(&said.annotations, &mut problems));
    if !problems.0.is_empty() {
        return Err(problems.0);
    }
    Ok(Manifest {
        name: said.name,
        version,
        description: said.description,
        actions,
        asks,
    })
}

#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        // Whoever wrote it sees enough to begin with.
        if self.0.len() < 50 {
            self.0.push(problem);
        }
    }

    fn bound(&mut self, what: &str, count: usize, max: usize) {
        if count > max {
            self.add(format!("it has {count} {what}, and may have {max}"));
        }
    }
}

fn check_action(said: wit::Action, problems: &mut Problems) -> Option<Action> {
    let name = said.name;
    if !is_name(&name) {
        problems.add(format!("{:?} is no name of an action: lower-case letters, digits and single dashes, a letter first", bounded(&name)));
        return None;
    }
    problems.bound(
        &format!("examples of {name:?}"),
        said.examples.len(),
        EXAMPLES_MAX,
    );
    if said.max_attempts == Some(0) {
        problems.add(format!("the action {name:?} asks for no attempt at all"));
    }
    let output_schema = check_schema(
        &said.output_schema,
        &format!("the output schema of {name:?}"),
        problems,
    )?
    .schema()
    .clone();
    let checker = check_schema(
        &said.config_schema,
        &format!("the config schema of {name:?}"),
        problems,
    )?;
    let mut examples = Vec::new();
    for example in said.examples.into_iter().take(EXAMPLES_MAX) {
        match check_example(example, &checker) {
            Ok(example) => examples.push(example),
            Err(problem) => {
                problems.add(format!("an example of {name:?} does not hold: {problem}"));
            }
        }
    }
    let has = |flag| said.traits.contains(flag);
    Some(Action {
        title: said.title,
        description: said.description,
        output_schema,
        examples,
        traits: Traits {
            read_only: has(wit::ActionTraits::READ_ONLY),
            idempotent: has(wit::ActionTraits::IDEMPOTENT),
            destructive: has(wit::ActionTraits::DESTRUCTIVE),
        },
        timeout: said.timeout.map(Duration::from_millis),
        attempts_max: said.max_attempts,
        checker,
        name,
    })
}

fn check_schema(text: &str, what: &str, problems: &mut Problems) -> Option<Checker> {
    // Through `Json`, which bounds how deep it nests: compiling a schema recurses.
    let checker = Json::from_text(text)
        .map_err(|error| error.to_string())
        .and_then(|json| Checker::new(json.value().clone()));
    match checker {
        Ok(checker) => Some(checker),
        Err(error) => {
            problems.add(format!("{what} does not hold: {}", bounded(&error)));
            None
        }
    }
}

fn check_example(said: wit::Example, checker: &Checker) -> Result<Example, String> {
    let config = Json::from_text(said.config).map_err(|error| error.to_string())?;
    match checker
        .check(config.value(), Values::WithExpressions)
        .first()
    {
        None => Ok(Example {
            title: said.title,
            config,
        }),
        Some(error) => Err(format!("{}: {}", error.path, error.message)),
    }
}

fn check_ask(said: wit::Ask, problems: &mut Problems) -> Option<Ask> {
    match said {
        wit::Ask::Http(pattern) => match pattern.parse() {
            Ok(rule) => Some(Ask::Http(rule)),
            Err(error) => {
                problems.add(bounded(&error.to_string()));
                None
            }
        },
        wit::Ask::Secret(name) => Some(Ask::Secret(name)),
        wit::Ask::Kv => Some(Ask::Kv),
    }
}

/// What all its texts come to.
fn size(said: &wit::Manifest) -> usize {
    let annotations = |list: &[(String, String)]| {
        list.iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
    };
    let action = |action: &wit::Action| {
        let wit::Action {
            name,
            title,
            description,
            config_schema,
            output_schema,
            examples,
            annotations: notes,
            ..
        } = action;
        let examples: usize = examples
            .iter()
            .map(|example| example.title.len() + example.config.len())
            .sum();
        [name, title, description, config_schema, output_schema]
            .map(String::len)
            .iter()
            .sum::<usize>()
            + examples
            + annotations(notes)
    };
    let ask = |ask: &wit::Ask| match ask {
        wit::Ask::Http(text) | wit::Ask::Secret(text) => text.len(),
        wit::Ask::Kv => 0,
    };
    [&said.name, &said.version, &said.description]
        .map(String::len)
        .iter()
        .sum::<usize>()
        + said.actions.iter().map(action).sum::<usize>()
        + said.asks.iter().map(ask).sum::<usize>()
        + annotations(&said.annotations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(name: &str) -> wit::Action {
        wit::Action {
            name: name.to_owned(),
            title: "Post".to_owned(),
            description: String::new(),
            config_schema: r#"{"type":"object","required":["text"]}"#.to_owned(),
            output_schema: "{}".to_owned(),
            examples: vec![wit::Example {
                title: "Hello".to_owned(),
                config: r#"{"text":"${payload.x}"}"#.to_owned(),
            }],
            traits: wit::ActionTraits::IDEMPOTENT,
            timeout: Some(1_500),
            max_attempts: Some(2),
            annotations: Vec::new(),
        }
    }

    fn manifest(change: impl FnOnce(&mut wit::Manifest)) -> Result<Manifest, Vec<String>> {
        let mut said = wit::Manifest {
            name: "slack".to_owned(),
            version: "1.2.3".to_owned(),
            description: "Posts".to_owned(),
            actions: vec![action("post")],
            asks: vec![wit::Ask::Http("https://slack.com".to_owned()), wit::Ask::Kv],
            annotations: Vec::new(),
        };
        change(&mut said);
        check(said, &Limits::default())
    }

    #[test]
    fn a_manifest_that_holds_is_read() {
        let manifest = manifest(|_| {}).expect("it holds");
        let action = manifest.action("post").expect("it is there");
        assert_eq!(action.timeout, Some(Duration::from_millis(1_500)));
        assert_eq!(
            action.traits,
            Traits {
                idempotent: true,
                ..Traits::default()
            }
        );
        assert_eq!(manifest.asks.len(), 2);
    }

    #[test]
    fn every_problem_of_a_manifest_is_told() {
        let problems = |change: fn(&mut wit::Manifest)| {
            manifest(change).expect_err("it does not hold").join("; ")
        };
        assert!(problems(|m| "Slack!".clone_into(&mut m.name)).contains("\"Slack!\" is no name"));
        assert!(problems(|m| "1".clone_into(&mut m.version)).contains("the version \"1\" is none"));
        assert!(problems(|m| m.actions.clear()).contains("it has no action"));
        assert!(problems(|m| m.actions.push(action("post"))).contains("two actions \"post\""));
        let twice = problems(|m| {
            let long = "a".repeat(100_000);
            m.actions.extend([action(&long), action(&long)]);
        });
        assert!(twice.contains("two actions \"aaa"), "{twice}");
        assert!(twice.len() < 50_000, "{} bytes", twice.len());
        assert!(
            problems(|m| m.actions.push(action("a b"))).contains("\"a b\" is no name of an action")
        );
        assert!(
            problems(|m| m.actions[0].config_schema = "{".to_owned())
                .contains("the config schema of \"post\"")
        );
        assert!(
            problems(|m| m.actions[0].output_schema = r#"{"type":"x"}"#.to_owned())
                .contains("the output schema of \"post\"")
        );
        assert!(
            problems(|m| m.actions[0].examples[0].config = "{}".to_owned())
                .contains("an example of \"post\" does not hold: /text")
        );
        assert!(problems(|m| m.actions[0].max_attempts = Some(0)).contains("no attempt at all"));
        assert!(
            problems(|m| m.asks.push(wit::Ask::Http("slack.com".to_owned())))
                .contains("\"slack.com\" is no HTTP rule")
        );
        assert!(
            problems(|m| m.description = "x".repeat(2 << 20))
                .contains("plugins.limits.manifest_max_bytes")
        );
        let both = manifest(|m| {
            m.name.clear();
            m.version.clear();
        });
        assert_eq!(both.expect_err("nothing holds").len(), 2);
    }
}
