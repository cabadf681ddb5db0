//! What the composition of containers has to be, as far as its text tells. No container engine is asked.

use crate::house::find;
use crate::report;

/// The services by name, each with its lines. The file is ours and plainly indented, so its lines are enough.
fn services(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    let within = text
        .lines()
        .skip_while(|line| *line != "services:")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    for line in within {
        let is_name = line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
        if is_name {
            found.push((line.trim().trim_end_matches(':'), Vec::new()));
        } else if let Some((_, lines)) = found.last_mut() {
            lines.push(line);
        }
    }
    found
}

fn read(path: &str) -> String {
    find(path).unwrap_or_default()
}

fn has(lines: &[&str], words: &str) -> bool {
    lines
        .iter()
        .any(|line| line.trim_start().starts_with(words))
}

#[test]
fn the_composition_is_whole() {
    let text = read("docker-compose.yml");
    let services = services(&text);
    let names: Vec<&str> = services.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        ["postgres", "kafka", "migrate", "api", "worker", "benchmark"]
    );
    let mut complaints = Vec::new();
    for (name, lines) in &services {
        let mut complain =
            |what: &str| complaints.push(format!("docker-compose.yml: {name} {what}"));
        if *name != "benchmark" && !has(lines, "healthcheck:") {
            complain("has no healthcheck");
        }
        if *name != "api" && has(lines, "ports:") {
            complain("publishes a port: only the API may");
        }
        if has(lines, "container_name:") {
            complain("has a name of its own, and could not be scaled");
        }
        if matches!(*name, "postgres" | "kafka") && !has(lines, "volumes:") {
            complain("keeps its data in no volume");
        }
    }
    for variable in [
        "POSTGRES_HOST",
        "POSTGRES_PORT",
        "POSTGRES_DB",
        "POSTGRES_USER",
        "POSTGRES_PASSWORD",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_CONSUMER_GROUP",
        "KAFKA_TOPIC_WORKFLOW_TRIGGER",
        "KAFKA_TOPIC_WORKFLOW_COMPLETED",
    ] {
        if !text.contains(&format!("{variable}: ")) {
            complaints.push(format!("docker-compose.yml: {variable} is not set"));
        }
    }
    report(&complaints);
}

#[test]
fn a_password_comes_from_outside_and_the_api_is_published_on_loopback() {
    let text = read("docker-compose.yml");
    let mut complaints = Vec::new();
    for line in text.lines().filter(|line| line.contains("PASSWORD:")) {
        if !line.contains("${POSTGRES_PASSWORD:?") {
            complaints.push(format!(
                "docker-compose.yml: a password in the file: {}",
                line.trim()
            ));
        }
    }
    if !text.contains("${MILLWORK_PUBLISH:-127.0.0.1:8002}:8002") {
        complaints
            .push("docker-compose.yml: the API is not published on loopback by default".to_owned());
    }
    report(&complaints);
}

#[test]
fn an_image_is_run_by_a_user_without_rights() {
    let text = read("Dockerfile");
    let stages: Vec<&str> = text.split("\nFROM ").skip(1).collect();
    assert!(stages.len() >= 3, "{} stages", stages.len());
    let is_run = |stage: &&str| !stage.contains(" AS build");
    let mut complaints = Vec::new();
    for stage in stages.into_iter().filter(is_run) {
        let first = stage.lines().next().unwrap_or_default();
        if stage.contains("USER root")
            || (!first.starts_with("base AS") && !stage.contains("USER millwork"))
        {
            complaints.push(format!("Dockerfile: the stage \"{first}\" is run by root"));
        }
        if first.starts_with("base AS") && !stage.contains("HEALTHCHECK") {
            complaints.push(format!(
                "Dockerfile: the stage \"{first}\" says nothing of its health"
            ));
        }
    }
    report(&complaints);
}
