//! Every rule of the README, held natively against the SDK's fake host.

use millwork_plugin_template::Connector;
use millwork_sdk::testing::Host;
use millwork_sdk::{Failure, FailureKind};
use serde_json::{Value, json};

fn render(config: Value) -> Result<Value, Failure> {
    Host::new::<Connector>().run("render", config)
}

fn text(template: &str, values: Value) -> String {
    let mut config = json!({ "template": template });
    config["values"] = values;
    let text = render(config).expect("it is a text");
    text.as_str().expect("it is a text").to_owned()
}

fn failure(config: Value) -> String {
    let failure = render(config).expect_err("it fails");
    assert_eq!(failure.code(), "template-failed");
    assert_eq!(failure.kind(), FailureKind::Permanent);
    failure.message().replace("the template failed: ", "")
}

/// What is said of a template when a workflow is created.
fn wrong(template: &str) -> String {
    let host = Host::new::<Connector>();
    let problems = host.validate("render", json!({"template": template}));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "/template");
    problems[0].message.clone()
}

#[test]
fn the_connector_is_one_that_the_host_takes_and_asks_for_nothing() {
    let host = Host::new::<Connector>();
    host.check();
    let manifest = host.manifest();
    assert_eq!(manifest.asks, []);
    assert!(manifest.actions[0].traits.is_read_only());
    assert_eq!(manifest.actions[0].output_schema["type"], json!("string"));
}

#[test]
fn a_template_and_its_values_become_a_text() {
    assert_eq!(
        text("Hello {{ name }}!", json!({"name": "Ada"})),
        "Hello Ada!"
    );
    assert_eq!(text("", json!({})), "");
    assert_eq!(text("no values", json!({})), "no values");
    let template = "{{ n + 1 }} {{ list | join(', ') }} {{ name.upper() }} {{ o.a.b }}";
    let values = json!({"n": 1, "list": ["a", "b"], "name": "ada", "o": {"a": {"b": true}}});
    assert_eq!(text(template, values), "2 a, b ADA True");
}

#[test]
fn statements_on_lines_of_their_own_leave_no_lines_behind() {
    let template = "Dear {{ name }},\n{% for item in items %}\n  {% if loop.first %}\nfirst:\n  {% endif %}\n- {{ item }}\n{% else %}\nnothing\n{% endfor %}\nbye\n";
    assert_eq!(
        text(template, json!({"name": "Ada", "items": [1, 2]})),
        "Dear Ada,\nfirst:\n- 1\n- 2\nbye\n"
    );
    assert_eq!(
        text(template, json!({"name": "Ada", "items": []})),
        "Dear Ada,\nnothing\nbye\n"
    );
}

#[test]
fn macros_and_loop_controls_are_there() {
    let template = "{% macro bold(x) %}*{{ x }}*{% endmacro %}{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ bold(i) }}{% endfor %}";
    assert_eq!(text(template, json!({})), "*0**1*");
}

#[test]
fn values_are_escaped_where_the_step_says_so() {
    let with = |escape: &str, template: &str| {
        let values = json!({"x": "<a> & \"b\"", "o": {"k": [1, null]}});
        render(json!({"template": template, "values": values, "escape": escape}))
    };
    assert_eq!(with("none", "{{ x }}"), Ok(json!("<a> & \"b\"")));
    assert_eq!(
        with("html", "<p>{{ x }}</p>{{ '<b>' | safe }}"),
        Ok(json!("<p>&lt;a&gt; &amp; &quot;b&quot;</p><b>"))
    );
    let written = with("json", "{\"x\": {{ x }}, \"o\": {{ o }}}").expect("it is a text");
    let read: Value = serde_json::from_str(written.as_str().expect("it is a text"))
        .expect("what was written as JSON is JSON");
    assert_eq!(read, json!({"x": "<a> & \"b\"", "o": {"k": [1, null]}}));
}

#[test]
fn a_name_without_a_value_fails_the_step_unless_the_step_says_otherwise() {
    let template = "Hello\n  {{ nmae }}!";
    let message = failure(json!({"template": template, "values": {"name": "Ada"}}));
    assert_eq!(
        message,
        "line 2, column 6: `nmae` is undefined: add it to \"values\", or write `| default(…)`, or say \"missing\": \"empty\""
    );
    let empty = render(json!({"template": template, "missing": "empty"}));
    assert_eq!(empty, Ok(json!("Hello\n  !")));
    assert_eq!(
        text(
            "{{ name | default('nobody') }}{% if late %}!{% endif %}",
            json!({})
        ),
        "nobody"
    );
}

#[test]
fn what_is_wrong_with_a_template_is_told_by_line_and_column() {
    for (template, expected) in [
        ("{{ a", "line 1"),
        ("one\n{% for x in %}", "line 2"),
        ("{% if a %}\nb", "line 2"),
        ("{{ a | nofilter }}", "line 1"),
        ("{% include 'x' %}", "line 1"),
    ] {
        let host = Host::new::<Connector>();
        let config = json!({"template": template, "values": {"a": 1}});
        let told = match host.validate("render", config.clone()).first() {
            Some(problem) => problem.message.clone(),
            // Whether a filter is known is found when it is called.
            None => host
                .run("render", config)
                .expect_err("it fails")
                .message()
                .to_owned(),
        };
        assert!(told.contains(expected), "{template}: {told}");
    }
    assert!(wrong("{% for x in %}").starts_with("line 1, column "));
}

#[test]
fn a_type_that_does_not_fit_fails_the_step() {
    let message = failure(json!({"template": "a\n{{ 1 + [] }}"}));
    assert!(message.starts_with("line 2, column "), "{message}");
}

#[test]
fn a_loop_that_does_not_end_is_stopped() {
    let template = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}";
    let message = failure(json!({"template": template}));
    assert!(message.contains("does a loop end?"), "{message}");
    let message = failure(json!({"template": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"}));
    assert!(message.contains("recursion"), "{message}");
}

#[test]
fn an_expression_is_not_judged_before_it_has_a_value() {
    let host = Host::new::<Connector>();
    for config in [
        json!({"template": "${payload.template}"}),
        json!({"template": "{{ a }}", "values": "${payload}"}),
        json!({"template": "{{ a }}", "values": {"a": "${payload.a}"}}),
    ] {
        assert_eq!(host.validate("render", config.clone()), [], "{config}");
    }
}

#[test]
fn a_misspelt_key_is_refused() {
    let host = Host::new::<Connector>();
    let problems = host.validate("render", json!({"template": "", "vaules": {}}));
    assert_eq!(problems[0].path, "/vaules");
}
