#![doc = include_str!("../README.md")]

mod filter;
mod functions;
mod place;
mod value;

use std::time::Duration;

use millwork_sdk::{Action, Context, Draft, Example, Failure, FieldError, Outcome, Traits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::filter::Filter;

/// Results that a filter may have. One that goes on for ever is stopped here, and not where the memory ends.
const RESULTS_MAX: usize = 100_000;

/// Makes a value out of others with a jq filter. The result is the output of the step.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The filter, in the language of jq: `.items | map(.price) | add`.
    #[schemars(length(min = 1, max = 65_536))]
    filter: String,
    /// What the filter is applied to, its `.`; null where it is left out.
    #[serde(default)]
    input: Value,
    /// Further values by name: `{"rate": 1.19}` is `$rate` in the filter.
    #[serde(default)]
    #[schemars(schema_with = "variables")]
    vars: Map<String, Value>,
    /// What a filter that gives several results, or none, comes to.
    #[serde(default)]
    results: Results,
}

fn variables(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
    })
}

/// What a filter that gives several results, or none, comes to.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Results {
    /// There has to be one, and no more: the output is that one.
    #[default]
    One,
    /// The output is the first, or null where there is none.
    First,
    /// The output is the list of all of them.
    All,
}

/// The one action of this connector.
pub struct Transform;

impl Action for Transform {
    type Config = Config;
    type Output = Value;

    const NAME: &'static str = "apply";
    const TITLE: &'static str = "Transform";
    const TRAITS: Traits = Traits::NONE.read_only().idempotent();
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(30));

    fn examples() -> Vec<Example> {
        vec![
            Example::new(
                "The sum of a list",
                json!({
                    "filter": "map(.price * .count) | add",
                    "input": [{"price": 4, "count": 2}, {"price": 1.5, "count": 1}],
                }),
            ),
            Example::new(
                "What a service answered, in another form",
                json!({
                    "filter": "{id, items: [.lines[] | {sku, net: .price, gross: (.price * $rate)}]}",
                    "input": "${fetch.response_data}",
                    "vars": {"rate": "${payload.rate}"},
                }),
            ),
            Example::new(
                "Every result of a filter that gives several",
                json!({
                    "filter": ".users[] | select(.active) | .mail",
                    "input": "${fetch.response_data}",
                    "results": "all",
                }),
            ),
        ]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        let vars = draft.value().get("vars").and_then(Value::as_object);
        let names: Vec<String> = vars.into_iter().flat_map(Map::keys).cloned().collect();
        let mut problems: Vec<_> = names
            .iter()
            .filter(|name| !is_variable(name))
            .map(|name| {
                let message = format!(
                    "{name:?} is no name for a variable: use letters, digits and underscores, and no digit first"
                );
                FieldError::new("/vars", message)
            })
            .collect();
        if let Some(text) = draft.get::<String>("/filter")
            && let Err(found) = Filter::compile(&text, &names)
        {
            // A variable that the draft does not show may still come with an expression.
            let judged = found
                .iter()
                .filter(|problem| draft.is_whole() || !problem.is_unknown_variable());
            problems.extend(judged.map(|problem| FieldError::new("/filter", problem.to_string())));
        }
        problems
    }

    fn invoke(_: &Context, config: Config) -> Result<Outcome<Value>, Failure> {
        let Config {
            filter,
            input,
            vars,
            results,
        } = config;
        let (names, values): (Vec<_>, Vec<_>) = vars.into_iter().unzip();
        // The configuration was checked a moment ago; what is found now was found then.
        let filter = Filter::compile(&filter, &names).map_err(|problems| {
            let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Failure::permanent("invalid-config", told.join("; "))
        })?;
        let output = filter.run(input, values, |found| gather(found, results))?;
        Ok(Outcome::completed(output))
    }
}

/// What the results of a filter come to.
fn gather(
    found: &mut dyn Iterator<Item = Result<Value, Failure>>,
    results: Results,
) -> Result<Value, Failure> {
    match results {
        Results::First => found.next().unwrap_or(Ok(Value::Null)),
        Results::One => {
            let first = found.next().ok_or_else(|| {
                Failure::permanent(
                    "no-result",
                    "the filter gives no result, and one is wanted: end it with `// null`, or say \"results\": \"first\" or \"all\"",
                )
            })??;
            match found.next() {
                None => Ok(first),
                Some(Err(failure)) => Err(failure),
                Some(Ok(_)) => Err(Failure::permanent(
                    "many-results",
                    "the filter gives more than one result, and one is wanted: put it into [ … ], or say \"results\": \"first\" or \"all\"",
                )),
            }
        }
        Results::All => {
            let mut all = Vec::new();
            for value in found {
                if all.len() == RESULTS_MAX {
                    return Err(Failure::permanent(
                        "too-many-results",
                        format!("the filter gives more than {RESULTS_MAX} results"),
                    ));
                }
                all.push(value?);
            }
            Ok(Value::Array(all))
        }
    }
}

fn is_variable(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

millwork_sdk::export!(connector {
    name: "transform",
    actions: [Transform],
});
