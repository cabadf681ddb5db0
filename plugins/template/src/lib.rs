#![doc = include_str!("../README.md")]

mod render;

use std::time::Duration;

use millwork_sdk::{Action, Context, Draft, Example, Failure, FieldError, Outcome, Traits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Writes a text from a template. The text is the output of the step.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The template, in the language of Jinja: `Hello {{ name }}{% if late %}, at last{% endif %}!`
    #[schemars(length(max = 262_144))]
    template: String,
    /// What the template may name.
    #[serde(default)]
    values: Map<String, Value>,
    /// How values are written, so that none of them is taken for more than text.
    #[serde(default)]
    escape: Escape,
    /// What becomes of a name that has no value.
    #[serde(default)]
    missing: Missing,
}

/// How values are written, so that none of them is taken for more than text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Escape {
    /// As they are.
    #[default]
    None,
    /// For HTML: `<` becomes `&lt;`. The filter `safe` lets a value through as it is.
    Html,
    /// For JSON: a text with its quotes, a list or an object as JSON.
    Json,
}

/// What becomes of a name that has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Missing {
    /// The step fails. `{{ name | default("nobody") }}` says what to write instead.
    #[default]
    Fail,
    /// Nothing is written in its place.
    Empty,
}

/// The one action of this connector.
pub struct Template;

impl Action for Template {
    type Config = Config;
    type Output = String;

    const NAME: &'static str = "render";
    const TITLE: &'static str = "Template";
    const TRAITS: Traits = Traits::NONE.read_only().idempotent();
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));

    fn examples() -> Vec<Example> {
        vec![
            Example::new(
                "A letter with a line for each item",
                json!({
                    "template": "Dear {{ name }},\n\nyou ordered:\n{% for line in lines %}\n- {{ line.count }} × {{ line.title }}\n{% endfor %}\n",
                    "values": {"name": "${payload.name}", "lines": "${fetch.response_data.lines}"},
                }),
            ),
            Example::new(
                "A page, with values that cannot break it",
                json!({
                    "template": "<h1>{{ title }}</h1>",
                    "values": {"title": "Q & A"},
                    "escape": "html",
                }),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        let template: Option<String> = draft.get("/template");
        let problem = template.and_then(|template| render::check(&template).err());
        problem
            .map(|problem| FieldError::new("/template", problem))
            .into_iter()
            .collect()
    }

    fn invoke(_: &Context, config: Config) -> Result<Outcome<String>, Failure> {
        let Config {
            template,
            values,
            escape,
            missing,
        } = config;
        render::render(&template, &values, escape, missing)
            .map(Outcome::completed)
            .map_err(|problem| {
                Failure::permanent("template-failed", format!("the template failed: {problem}"))
            })
    }
}

millwork_sdk::export!(connector {
    name: "template",
    actions: [Template],
});
