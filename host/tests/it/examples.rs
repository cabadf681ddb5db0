//! The examples, and the guide to workflows: what they show is what happens.

use std::path::{Path, PathBuf};

use millwork_bench::examples::{self, Options, read_text};
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use reqwest::Client;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn server() -> Millwork {
    let options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    Millwork::launch(&options).await.expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_does_what_its_page_says() {
    let server = server().await;
    let options = Options {
        names: Vec::new(),
        folder: root().join("examples"),
        token: None,
    };
    // All at once: each has services of its own, and knows nothing of the others.
    let plays = examples::names().into_iter().map(|name| {
        let (address, options) = (server.address(), options.clone());
        let play = tokio::spawn(async move { examples::play(name, address, &options).await });
        (name, play)
    });
    let mut failed = Vec::new();
    for (name, play) in plays.collect::<Vec<_>>() {
        if let Err(error) = play.await.expect("a story does not panic") {
            failed.push(format!("{name}: {error:#}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_example_has_a_story_and_a_place_on_the_page() {
    let folder = root().join("examples");
    let page = std::fs::read_to_string(folder.join("README.md")).expect("there is a page");
    let files = std::fs::read_dir(&folder).expect("there is a folder");
    let names = files.filter_map(|file| {
        let path = file.expect("it can be read").path();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml");
        is_yaml.then(|| path.file_stem()?.to_str().map(str::to_owned))?
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let mut told = examples::names();
    told.sort_unstable();
    assert_eq!(names, told, "each file has a story, and each story a file");
    for name in names {
        let command = format!("examples/run.sh {name}");
        assert!(page.contains(&command), "the page does not say {command}");
    }
}

/// The fragments of a page: what stands between fences of JSON and YAML, and in which line it begins.
fn fragments(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(page.lines()) {
        match (&mut open, line) {
            (None, "```json" | "```yaml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    found
}

/// What a fragment is a part of, whole: a definition, some of its fields, a step, steps, a field of a step.
fn definition_of(fragment: &Value) -> Value {
    let has = |field: &str| !fragment[field].is_null();
    let mut definition = match fragment {
        Value::Array(_) => json!({"steps": fragment}),
        _ if has("type") => json!({"steps": [fragment]}),
        _ if has("retry") => {
            let retry = &fragment["retry"];
            json!({"steps": [{"name": "a", "type": "delay", "config": {"duration": 1}, "retry": retry}]})
        }
        _ if has("steps") || has("triggers") => fragment.clone(),
        other => panic!("this test does not know what that is a part of: {other}"),
    };
    let document = definition
        .as_object_mut()
        .expect("a definition is an object");
    document.entry("name").or_insert("from the guide".into());
    document.entry("steps").or_insert(json!([]));
    definition
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fragment_of_the_guide_to_workflows_is_taken() {
    let server = server().await;
    let url = format!("http://{}/api/v1/workflows", server.address());
    let client = Client::new();
    let page = root().join("docs/guide/workflows.md");
    let page = std::fs::read_to_string(page).expect("there is a guide");
    let mut taken = 0;
    for (line, text) in fragments(&page) {
        let text = match text.starts_with('"') {
            true => format!("{{{text}}}"),
            false => text,
        };
        let documents = read_text(&text).unwrap_or_else(|error| panic!("line {line}: {error:#}"));
        for definition in documents.iter().map(definition_of) {
            let answer = client.post(&url).json(&definition).send().await;
            let answer = answer.expect("it answers");
            let (status, told) = (answer.status(), answer.text().await.expect("it is text"));
            // One process on its own hears no Kafka, says so, and has nothing else to say against it.
            let is_deaf = definition["triggers"][0]["type"] == "kafka"
                && told.matches("\"path\"").count() == 1
                && told.contains("/triggers/0/type");
            assert!(
                status == 200 || is_deaf,
                "the fragment in line {line}: {told}"
            );
            taken += 1;
        }
    }
    assert!(taken >= 11, "there are only {taken} fragments in the guide");
}
