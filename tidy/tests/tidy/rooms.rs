//! Who may know whom.

use crate::code::{code, lines_with};
use crate::house::{File, find, rust_files};
use crate::report;

/// A word that only some rooms may say.
struct Rule {
    words: &'static [&'static str],
    /// Where the rule holds; everywhere where empty.
    within: &'static str,
    /// The beginnings of the paths that may say it.
    rooms: &'static [&'static str],
    advice: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        words: &["rusqlite", "sqlx"],
        within: "",
        // The second measures the database alone: what the store can be held against.
        rooms: &["host/store/", "bench/src/limits/database.rs"],
        advice: "only the store knows a database: add what you need to the Store port",
    },
    Rule {
        words: &["rdkafka"],
        within: "",
        rooms: &["host/bus/src/kafka"],
        advice: "only the Kafka bus knows Kafka: add what you need to the Bus port",
    },
    Rule {
        words: &["wasmtime", "wasmtime_wasi", "wasmtime_wasi_http", "cap_std"],
        within: "",
        rooms: &["host/plugin/"],
        advice: "only the sandbox knows its engine: add what you need to the PluginRuntime port",
    },
    Rule {
        words: &["axum", "utoipa"],
        within: "",
        rooms: &["host/src/api.rs", "host/src/api/", "bench/"],
        advice: "only the API speaks HTTP to its users: return a value or an error, and let api/ put it into words",
    },
    Rule {
        words: &["StatusCode"],
        within: "host/src/",
        rooms: &["host/src/api.rs", "host/src/api/"],
        advice: "a status code is the API's word: return an error that says what happened, and map it in api/problem",
    },
    Rule {
        words: &["minijinja", "minijinja_contrib"],
        within: "",
        rooms: &[
            "host/core/src/expression.rs",
            "host/core/src/expression/",
            "plugins/template/",
        ],
        advice: "only `expression` knows the language inside ${…}: ask it",
    },
    Rule {
        words: &["jaq_core", "jaq_json", "jaq_std"],
        within: "",
        rooms: &["plugins/transform/"],
        advice: "jq is the plugin `transform`: the host knows one language of expressions",
    },
    Rule {
        words: &[
            "tokio",
            "futures",
            "async",
            "await",
            "std::fs",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "std::io",
            "SystemTime",
            "Instant",
            "rand",
            "getrandom",
        ],
        within: "host/core/src/",
        rooms: &[],
        advice: "the core performs no I/O, reads no clock, draws nothing and is not async: take the value as an argument, \
                 or return an effect",
    },
];

#[test]
fn every_room_knows_only_what_it_may() {
    let files: Vec<File> = rust_files()
        .into_iter()
        .filter(|file| !file.path.starts_with("tidy/"))
        .collect();
    let mut complaints = Vec::new();
    for file in &files {
        let code = code(&file.text);
        for rule in RULES.iter().filter(|rule| applies(rule, &file.path)) {
            for word in rule.words {
                let lines = lines_with(&code, word).into_iter();
                complaints.extend(
                    lines.map(|line| format!("{}:{line}: `{word}`: {}", file.path, rule.advice)),
                );
            }
        }
    }
    report(&complaints);
}

fn applies(rule: &Rule, path: &str) -> bool {
    path.starts_with(rule.within) && !rule.rooms.iter().any(|room| path.starts_with(room))
}

/// What the core is built from. None of it reads a clock, a file or a socket on its own.
const CORE_DEPENDENCIES: [&str; 10] = [
    "base64",
    "jiff",
    "minijinja",
    "minijinja-contrib",
    "serde",
    "serde_json",
    "sha2",
    "strsim",
    "thiserror",
    "uuid",
];

#[test]
fn the_core_depends_on_nothing_that_touches_the_world() {
    let manifest = find("host/core/Cargo.toml").expect("the core has a manifest");
    let dependencies = manifest
        .split("[dependencies]")
        .nth(1)
        .expect("the core has dependencies");
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    let names = dependencies
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty());
    let complaints: Vec<String> = names
        .filter(|name| !CORE_DEPENDENCIES.contains(name))
        .map(|name| {
            format!(
                "host/core/Cargo.toml: `{name}`: a dependency of the core is a decision. If it performs no I/O, reads no clock, \
                 draws nothing and is not async, add it to CORE_DEPENDENCIES in tidy; else the host is its place"
            )
        })
        .collect();
    report(&complaints);
}
