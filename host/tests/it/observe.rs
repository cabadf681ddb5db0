//! What operators watch with: the rules and the dashboard in `deploy/` name metrics that there are, and a server's metrics are those
//! that are described.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use millwork::telemetry::{Kind, METRICS, Metric};
use millwork_bench::api::Api;
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::{Value, json};

use crate::plugins::pause;

/// Labels that whoever reads the metrics adds, and the one of a histogram's buckets.
const ADDED: [&str; 3] = ["job", "instance", "le"];

/// Metrics that are not ours.
const OTHERS: [&str; 1] = ["up"];

fn deployed(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metric that a series is of: a histogram has three of them.
fn metric(series: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        Kind::Counter | Kind::Gauge => metric.name == series,
        Kind::Histogram(_) => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| series.strip_suffix(end) == Some(metric.name)),
    })
}

/// What is wrong with an expression.
#[derive(Default)]
struct Look {
    /// Labels of the metrics that were met.
    known: BTreeSet<&'static str>,
    /// Labels by which something is grouped or matched.
    grouped: BTreeSet<String>,
    metrics: usize,
    wrong: Vec<String>,
}

impl Look {
    fn at(expression: &str) -> Self {
        let mut look = Self::default();
        match parser::parse(expression) {
            Ok(parsed) => {
                let _ = walk_expr(&mut look, &parsed);
            }
            Err(error) => look.wrong.push(error),
        }
        let unknown = look.grouped.iter().filter(|label| {
            !look.known.contains(label.as_str()) && !ADDED.contains(&label.as_str())
        });
        let unknown: Vec<_> = unknown
            .map(|label| format!("no metric in it has the label {label:?}"))
            .collect();
        look.wrong.extend(unknown);
        look
    }

    fn take(&mut self, selector: &VectorSelector) {
        let name = selector.name.clone().unwrap_or_default();
        self.metrics += 1;
        if OTHERS.contains(&name.as_str()) {
            return;
        }
        let Some(metric) = metric(&name) else {
            self.wrong.push(format!("there is no metric {name:?}"));
            return;
        };
        self.known.extend(metric.labels);
        for matcher in &selector.matchers.matchers {
            let label = matcher.name.as_str();
            if !metric.labels.contains(&label) && !ADDED.contains(&label) {
                self.wrong.push(format!("{name} has no label {label:?}"));
            }
        }
    }
}

impl ExprVisitor for Look {
    type Error = std::convert::Infallible;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
        match expr {
            Expr::VectorSelector(selector) => self.take(selector),
            Expr::MatrixSelector(selector) => self.take(&selector.vs),
            Expr::Aggregate(aggregate) => {
                let labels = aggregate.modifier.iter().flat_map(|by| &by.labels().labels);
                self.grouped.extend(labels.cloned());
            }
            Expr::Binary(binary) => {
                let matching = binary.modifier.iter().filter_map(|of| of.matching.as_ref());
                let labels = matching.flat_map(|on| &on.labels().labels);
                self.grouped.extend(labels.cloned());
            }
            _ => {}
        }
        Ok(true)
    }
}

/// The variables of a dashboard, as it fills them in.
fn filled(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "5m")
        .replace("$job", "millwork")
        .replace("$instance", ".*")
}

/// The labels that a text for people takes from a series: `{{webhook}}` or `{{ $labels.webhook }}`.
fn mentioned(text: &str) -> BTreeSet<String> {
    let parts = text
        .split("{{")
        .skip(1)
        .filter_map(|part| part.split_once("}}"));
    let labels = parts.map(|(label, _)| label.trim().trim_start_matches("$labels."));
    labels.map(str::to_owned).collect()
}

#[test]
fn every_panel_of_the_dashboard_reads_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&deployed("grafana/millwork.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let mut wrong = Vec::new();
    let mut looked_at = 0;
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().expect("it has a title");
        assert!(
            panel["description"].is_string(),
            "{title} does not say what it shows"
        );
        for target in panel["targets"].as_array().expect("it has targets") {
            let text = target["expr"].as_str().expect("it has an expression");
            let look = Look::at(&filled(text));
            let shown = mentioned(target["legendFormat"].as_str().unwrap_or_default());
            let lost = shown.difference(&look.grouped);
            wrong.extend(lost.map(|label| {
                format!("{title}: its legend names {label}, by which nothing is grouped")
            }));
            wrong.extend(look.wrong.iter().map(|why| format!("{title}: {why}")));
            assert!(
                look.metrics > 0 || !look.wrong.is_empty(),
                "{title}: {text}"
            );
            looked_at += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        looked_at > 30,
        "only {looked_at} expressions were looked at"
    );
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    for query in variables.iter().filter_map(|of| of["query"].as_str()) {
        if let Some(series) = query.strip_prefix("label_values(") {
            let name = series.split(['{', ',']).next().unwrap_or_default();
            assert!(metric(name).is_some(), "{query}");
        }
    }
}

#[test]
fn every_rule_is_about_metrics_that_there_are_and_stands_in_the_guide() {
    let text = deployed("prometheus/millwork.rules.yml");
    let documents = Yaml::load_from_str(&text).expect("it is YAML");
    let root = &documents[0];
    let groups = root["groups"].as_sequence().expect("it has groups");
    let guide = deployed("../docs/guide/observe.md");
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for rule in groups
        .iter()
        .flat_map(|group| group["rules"].as_sequence().expect("rules"))
    {
        let name = rule["alert"].as_str().expect("it has a name");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        let expression = rule["expr"].as_str().expect("it has an expression");
        let look = Look::at(expression);
        wrong.extend(look.wrong.iter().map(|why| format!("{name}: {why}")));
        if !guide.contains(&format!("`{name}`")) {
            wrong.push(format!("{name}: docs/guide/observe.md does not explain it"));
        }
        for note in ["summary", "description"] {
            let note = rule["annotations"][note]
                .as_str()
                .expect("it says what is wrong");
            for label in mentioned(note) {
                let is_there = look.grouped.contains(&label)
                    || look.known.contains(label.as_str())
                    || ADDED.contains(&label.as_str());
                if !is_there {
                    wrong.push(format!("{name}: nothing in it has the label {label:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(names.len() > 15, "{names:?}");
}

#[test]
fn a_metric_a_label_and_an_expression_that_are_wrong_are_seen() {
    for (expression, expected) in [
        (
            "millwork_backlog_run",
            "there is no metric \"millwork_backlog_run\"",
        ),
        (
            "millwork_backlog_runs{status=\"failed\"}",
            "has no label \"status\"",
        ),
        (
            "sum by (plugin) (millwork_backlog_runs)",
            "has the label \"plugin\"",
        ),
        (
            "rate(millwork_run_duration_seconds[5m])",
            "there is no metric",
        ),
        ("sum(rate(millwork_commits_total[5m])", "unclosed"),
    ] {
        let wrong = Look::at(expression).wrong;
        assert!(
            wrong.iter().any(|why| why.contains(expected)),
            "{expression}: {wrong:?}"
        );
    }
}

/// A line of the format of Prometheus: the series and its labels.
fn read(line: &str) -> Option<(String, BTreeSet<String>)> {
    let (series, _) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
    let Some((name, labels)) = series.split_once('{') else {
        return Some((series.to_owned(), BTreeSet::new()));
    };
    let labels = labels.trim_end_matches('}').split("\",");
    let names = labels.filter_map(|label| label.split_once('='));
    Some((
        name.to_owned(),
        names.map(|(name, _)| name.to_owned()).collect(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_tells_is_described_with_its_labels() {
    let options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    let server = Millwork::launch(&options).await.expect("it starts");
    let mut api = Api::new(server.address());
    let definition = json!({"name": "nap", "steps": [{"name": "nap", "type": "delay", "config": {"duration": 0.01}}]});
    let workflow = api.create_workflow(&definition).await.expect("it holds");
    api.trigger(&workflow, &json!({})).await.expect("accepted");
    let url = format!("http://{}/metrics", server.address());
    let mut told = BTreeMap::new();
    for _ in 0..600 {
        let answer = reqwest::get(&url).await.expect("it answers");
        told = answer
            .text()
            .await
            .expect("text")
            .lines()
            .filter_map(read)
            .collect();
        let has = |name: &str| told.contains_key(name);
        if has("millwork_runs_completed_total") && has("millwork_store_size_bytes") {
            break;
        }
        pause(50).await;
    }
    for name in [
        "millwork_runs_completed_total",
        "millwork_part_healthy",
        "millwork_backlog_max_runs",
        "millwork_in_flight_max_runs",
        "millwork_store_size_bytes",
        "millwork_build_info",
    ] {
        assert!(told.contains_key(name), "{name} is not told: {told:?}");
    }
    for (series, labels) in told {
        let metric = metric(&series).unwrap_or_else(|| panic!("{series} is not described"));
        let known = |label: &String| label == "le" || metric.labels.contains(&label.as_str());
        assert!(labels.iter().all(known), "{series}: {labels:?}");
    }
}
