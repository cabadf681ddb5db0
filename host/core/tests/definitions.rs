//! Bad definitions and what is said about them: every problem at once, each with its path. The table is in
//! `definitions/*.txt`, where `check` is answered by the problems; what is too long to be written down is below.

#[path = "support/book.rs"]
mod book;
#[path = "support/plugins.rs"]
mod plugins;

use std::sync::Arc;
use std::time::{Duration, Instant};

use millwork_core::definition::{NAME_MAX, STEPS_MAX};
use millwork_core::graph::{Graph, check};
use serde_json::{Value, json};

use plugins::Plugins;

#[test]
fn every_definition_is_judged_as_it_is_written() {
    let stories = book::play::<Judged>("definitions");
    assert!(stories > 0, "no story was found");
}

struct Judged(Value);

impl book::Stage for Judged {
    fn set(head: &str) -> Result<Self, String> {
        serde_json::from_str(head)
            .map(Self)
            .map_err(|error| format!("the definition is no JSON: {error}"))
    }

    fn act(&mut self, line: &str) -> Result<Vec<String>, String> {
        if line != "check" {
            return Err("the only act is `check`".to_owned());
        }
        let problems = problems_of(&self.0);
        let holds = || vec!["it holds".to_owned()];
        Ok(if problems.is_empty() {
            holds()
        } else {
            problems
        })
    }
}

/// The problems of a definition, as lines.
fn problems_of(document: &Value) -> Vec<String> {
    let env = Arc::new(json!({}));
    let mut plugins = Plugins::new();
    plugins.insert("slack", None, None);
    let checked = check(document, &plugins, &env);
    assert_eq!(
        checked.graph.is_some(),
        checked.problems.is_empty(),
        "a graph is made exactly of what holds"
    );
    // What was accepted once can be read for ever.
    assert!(
        checked.graph.is_none() || Graph::load(document, &env).is_ok(),
        "a definition that holds cannot be loaded"
    );
    let place = |path: &str| {
        if path.is_empty() {
            "the whole".to_owned()
        } else {
            path.to_owned()
        }
    };
    checked
        .problems
        .into_iter()
        .map(|problem| format!("{}: {}", place(&problem.path), problem.message))
        .collect()
}

fn steps(count: usize, step: impl Fn(usize) -> Value) -> Value {
    json!({"name": "many", "steps": (0..count).map(step).collect::<Vec<_>>()})
}

fn named(name: impl Into<String>) -> Value {
    json!({"name": name.into(), "type": "webhook"})
}

#[test]
fn a_thousand_steps_are_allowed_and_one_more_is_not() {
    assert_eq!(
        problems_of(&steps(STEPS_MAX, |n| named(format!("step-{n}")))),
        Vec::<String>::new()
    );
    let problems = problems_of(&steps(STEPS_MAX + 1, |n| named(format!("step-{n}"))));
    assert_eq!(problems, ["/steps: has 1001 items, the limit is 1000"]);
}

#[test]
fn a_name_has_a_longest_length_counted_in_characters() {
    assert_eq!(
        problems_of(&steps(1, |_| named("é".repeat(NAME_MAX)))),
        Vec::<String>::new()
    );
    let problems = problems_of(&steps(1, |_| named("é".repeat(NAME_MAX + 1))));
    assert_eq!(
        problems,
        ["/steps/0/name: is 129 characters long, the limit is 128"]
    );
}

#[test]
fn an_expression_has_a_longest_length() {
    let with = |source: String| {
        steps(
            1,
            |_| json!({"name": "a", "type": "webhook", "config": {"x": format!("${{{source}}}")}}),
        )
    };
    assert_eq!(
        problems_of(&with(format!("'{}'", "x".repeat(16_000)))),
        Vec::<String>::new()
    );
    let problems = problems_of(&with(format!("'{}'", "x".repeat(16 * 1024))));
    assert!(
        problems[0].starts_with("/steps/0/config/x: expression ${'xxxx"),
        "{problems:?}"
    );
    assert!(
        problems[0].ends_with("xxxx…}: is 16386 bytes long, the limit is 16384"),
        "{problems:?}"
    );
    let problems = problems_of(&with(format!("1{}", "+1".repeat(600))));
    assert!(
        problems[0].ends_with("…}: has 1201 words and signs, the limit is 1000"),
        "{problems:?}"
    );
}

#[test]
fn names_of_any_length_are_refused_soon_and_in_short_words() {
    let long = |letter: &str| letter.repeat(300_000);
    let mut step = named(long("a"));
    step[long("b")] = json!(1);
    step["needs"] = json!([long("c")]);
    step["type"] = json!(long("D"));
    step["config"] = json!({"x": format!("${{{}.x}}", "e".repeat(10_000)), long("f"): "${1 +}"});
    let mut document = steps(1, |_| step.clone());
    document[long("g")] = json!(1);
    let problems = soon(|| problems_of(&document));
    assert_eq!(problems.len(), 7, "{problems:.200?}");
    let of_messages: usize = problems.iter().map(|problem| problem.len()).sum();
    assert!(
        of_messages < 10_000,
        "{of_messages} bytes are too much to show"
    );
}

#[test]
fn of_very_many_problems_the_first_are_shown() {
    let many = |count: usize, text: &str| vec![text.to_owned(); count];
    let mut document = steps(
        STEPS_MAX,
        |n| json!({"name": format!("a-rather-long-name-{n:0>100}"), "type": "webhook"}),
    );
    document["steps"][STEPS_MAX - 1]["config"] =
        json!({"x": many(100_000, "${a_rather_short_name}"), "y": many(1_000, "${")});
    document["steps"][STEPS_MAX - 1]["needs"] =
        json!(many(10_000, &"a-rather-long-name".repeat(5)));
    for n in 0..10_000 {
        document[format!("field-{n}")] = json!(n);
    }
    let problems = soon(|| problems_of(&document));
    assert_eq!(problems.len(), 101, "{problems:.200?}");
    assert_eq!(
        problems[100],
        "the whole: has more problems than these; mend them first"
    );
}

#[test]
fn a_circle_of_a_thousand_steps_is_found_soon() {
    let document = steps(STEPS_MAX, |n| {
        let before: Vec<String> = (1..=100)
            .map(|back| format!("s{}", (n + STEPS_MAX - back) % STEPS_MAX))
            .collect();
        json!({"name": format!("s{n}"), "type": "webhook", "needs": before})
    });
    let problems = soon(|| problems_of(&document));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].len() < 1_000, "{problems:?}");
}

/// Whoever sends a definition waits for the answer, and so does everybody behind him.
#[expect(clippy::disallowed_methods, reason = "this is about how long it takes")]
fn soon<T>(judge: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let answer = judge();
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        start.elapsed()
    );
    answer
}
