//! A connector that does everything wrong: each action in a way of its own, so that a test can see it tamed.
//!
//! Written against the contract itself, not with the SDK, which would not let it. How `describe` misbehaves stands in
//! [`DESCRIBE`], which a test overwrites in the bytes of the component.

// Only ever a component.
#![cfg(target_arch = "wasm32")]

mod ask;
mod files;
mod http;
mod kept;
mod say;

use std::hint::black_box;
use std::time::Duration;

use bindings::exports::millwork::connector::plugin::Guest;
use bindings::millwork::clock::clock;
use bindings::millwork::connector::types::{
    Action, ActionTraits, Ask, Context, Example, Failure, FailureKind, FieldError, Manifest,
    Outcome, SignalWait, Suspension, Then, Until,
};
use bindings::millwork::log::log::{self, Level};
use bindings::millwork::random::random;
use say::Told;

mod bindings {
    #![expect(
        unsafe_code,
        reason = "a component's exports are functions of the C ABI"
    )]

    wit_bindgen::generate!({
        world: "connector",
        path: "../../../../wit",
        generate_all,
    });

    export!(Misbehave with_types_in self);

    use super::Misbehave;
}

struct Misbehave;

/// How `describe` misbehaves: the word after the colon, up to the first `.`.
#[used]
static DESCRIBE: [u8; 32] = *b"describe:well...................";

/// What `describe` says in the mode `said`: the length, and bytes for [`say::manifest`]. A fuzzer overwrites them.
#[used]
static SAID: [u8; 4_101] = {
    let mut said = [0; 4_101];
    let mark = *b"said:";
    let mut i = 0;
    while i < mark.len() {
        said[i] = mark[i];
        i += 1;
    }
    said
};

const ACTIONS: [&str; 35] = [
    "echo",
    "spin",
    "spin-in-host",
    "sleep",
    "memory-bomb",
    "memory-polite",
    "recurse",
    "recurse-wide",
    "panic",
    "exit",
    "trap",
    "giant-output",
    "colossal-output",
    "garbage-output",
    "deep-output",
    "giant-state",
    "nameless-signal",
    "wait-for-signal",
    "resumed",
    "garbage-details",
    "giant-log-line",
    "log-flood",
    "print-flood",
    "fields",
    "http",
    "http-wasi",
    "kv",
    "kv-giant",
    "reveal",
    "placeholder",
    "random",
    "time",
    "environment",
    "files",
    "say",
];

impl Guest for Misbehave {
    fn describe() -> Manifest {
        let mut manifest = well();
        match mode().as_str() {
            "spin" => spin(),
            "memory" => memory_bomb(),
            "panic" => panic!("no idea what this is"),
            "name" => "Not A Name".clone_into(&mut manifest.name),
            "version" => "one".clone_into(&mut manifest.version),
            "schema" => manifest.actions[0].config_schema = "{\"type\":\"strnig\"}".to_owned(),
            "empty" => manifest.actions.clear(),
            "giant" => manifest.description = "x".repeat(3 << 20),
            "other" => "other".clone_into(&mut manifest.name),
            "newer" => "2.0.0".clone_into(&mut manifest.version),
            "modest" => {
                "0.9.0".clone_into(&mut manifest.version);
                manifest.asks = vec![Ask::Kv];
            }
            "said" => return say::manifest(&mut Told(&black_box(&SAID)[5..])),
            "files" => {
                manifest.annotations = vec![
                    ("directories".to_owned(), "[\"data\"]".to_owned()),
                    ("variables".to_owned(), "[\"REGION\"]".to_owned()),
                ];
            }
            // Without any power, all of this is denied; what the answers were becomes the description.
            "powers" => {
                manifest.description =
                    [ask::http(), ask::kv(), ask::reveal(), ask::placeholder()].join("; ");
            }
            _ => {}
        }
        manifest
    }

    fn validate(action: String, config: String) -> Vec<FieldError> {
        match action.as_str() {
            "spin" => spin(),
            "panic" => panic!("no idea whether this is right"),
            "say" => say::field_errors(&mut Told(&said(&config))),
            "echo" if config.contains("bad") => vec![FieldError {
                path: "/text".to_owned(),
                message: "this is bad".to_owned(),
            }],
            "giant-log-line" => vec![
                FieldError {
                    path: String::new(),
                    message: "x".repeat(10_000)
                };
                200
            ],
            _ => Vec::new(),
        }
    }

    fn invoke(context: Context, action: String, config: String) -> Result<Outcome, Failure> {
        let text = match action.as_str() {
            "echo" => config,
            "spin" => spin(),
            "spin-in-host" => loop {
                black_box(clock::now());
            },
            "sleep" => {
                std::thread::sleep(Duration::from_secs(3_600));
                "null".to_owned()
            }
            "memory-bomb" => memory_bomb(),
            "memory-polite" => memory_polite(),
            "recurse" => recurse(1).to_string(),
            "recurse-wide" => recurse_wide(1).to_string(),
            "panic" => panic!("on purpose, with {config}"),
            "exit" => std::process::exit(3),
            "trap" => unreachable_without_a_word(),
            "giant-output" => quoted(&"x".repeat(2 << 20)),
            "colossal-output" => quoted(&"x".repeat(30 << 20)),
            "garbage-output" => "{\"a\":".to_owned(),
            "deep-output" => format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
            "giant-state" => return suspended(Until::After(1), vec![0; 1 << 20]),
            "nameless-signal" => {
                return suspended(
                    Until::Signal(SignalWait {
                        name: String::new(),
                        timeout: None,
                    }),
                    Vec::new(),
                );
            }
            "wait-for-signal" => {
                return suspended(
                    Until::Signal(SignalWait {
                        name: "go".to_owned(),
                        timeout: Some(5),
                    }),
                    b"state".to_vec(),
                );
            }
            "resumed" => quoted(&format!("{:?}", context.resumed)),
            "garbage-details" => return Err(failed()),
            "giant-log-line" => {
                log::write(Level::Info, &"é".repeat(1 << 20), &[]);
                "null".to_owned()
            }
            "log-flood" => {
                for i in 0..100_000 {
                    log::write(Level::Info, "again", &[("i".to_owned(), i.to_string())]);
                }
                "null".to_owned()
            }
            "print-flood" => {
                for i in 0..10_000 {
                    println!("line {i}");
                }
                eprintln!("and an error");
                "null".to_owned()
            }
            "fields" => {
                log::write(
                    Level::Warn,
                    "told\ntwice",
                    &[("n".to_owned(), "1".to_owned())],
                );
                println!("printed");
                "null".to_owned()
            }
            "http" => quoted(&http::send(&config)),
            "http-wasi" => quoted(&http::send_wasi(&config)),
            "kv" => quoted(&kept::count()),
            "kv-giant" => quoted(&kept::giant()),
            "reveal" => quoted(&ask::reveal()),
            "placeholder" => quoted(&ask::placeholder()),
            "random" => random::bytes(u32::MAX).len().to_string(),
            "time" => time(&context),
            "files" => quoted(&files::act(&config)),
            "say" => return say::invoke(&mut Told(&said(&config))),
            "environment" => quoted(&format!("{:?}", std::env::vars().collect::<Vec<_>>())),
            _ => return Err(failed()),
        };
        Ok(Outcome::Completed(text))
    }
}

/// What a configuration tells to say.
fn said(config: &str) -> Vec<u8> {
    say::from_hex(http::text(config, "text").unwrap_or_default())
}

fn well() -> Manifest {
    let action = |name: &str| Action {
        name: name.to_owned(),
        title: String::new(),
        description: String::new(),
        config_schema: schema(name),
        output_schema: "true".to_owned(),
        examples: vec![Example {
            title: "Nothing".to_owned(),
            config: "{\"text\":\"\"}".to_owned(),
        }],
        traits: ActionTraits::empty(),
        timeout: Some(1_000),
        max_attempts: None,
        annotations: Vec::new(),
    };
    Manifest {
        name: "misbehave".to_owned(),
        version: "1.0.0".to_owned(),
        description: "Does everything wrong".to_owned(),
        actions: ACTIONS.iter().copied().map(action).collect(),
        asks: vec![
            Ask::Http("*".to_owned()),
            Ask::Kv,
            Ask::Secret("token".to_owned()),
        ],
        annotations: Vec::new(),
    }
}

fn schema(action: &str) -> String {
    match action {
        "echo" => r#"{"type":"object","properties":{"text":{"type":"string","maxLength":1000000},"count":{"type":"integer","minimum":0}},"additionalProperties":false}"#,
        _ => r#"{"type":"object"}"#,
    }
    .to_owned()
}

fn mode() -> String {
    // Read as if it could change, or the compiler would have read it already.
    let text = black_box(&DESCRIBE);
    let word = text
        .iter()
        .skip_while(|byte| **byte != b':')
        .skip(1)
        .take_while(|byte| **byte != b'.');
    word.map(|byte| char::from(*byte)).collect()
}

fn spin() -> ! {
    let mut i = 0_u64;
    loop {
        i = black_box(i.wrapping_add(1));
    }
}

fn memory_bomb() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Takes what there is, and is content.
fn memory_polite() -> String {
    let mut held = Vec::new();
    loop {
        let mut block: Vec<u8> = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return held.len().to_string();
        }
        held.push(black_box(block));
    }
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse_wide(depth: u64) -> u64 {
    let room = black_box([depth; 512]);
    recurse_wide(room[511] + 1) + room[0]
}

fn unreachable_without_a_word() -> ! {
    core::arch::wasm32::unreachable()
}

fn suspended(until: Until, state: Vec<u8>) -> Result<Outcome, Failure> {
    Ok(Outcome::Suspended(Suspension {
        until,
        state,
        then: Then::CallAgain,
    }))
}

fn failed() -> Failure {
    Failure {
        kind: FailureKind::Other,
        code: String::new(),
        message: "no".to_owned(),
        details: Some("{".to_owned()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test is of the clock that a guest is given"
)]
fn time(context: &Context) -> String {
    let system = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "[{},{},{}]",
        clock::now(),
        system.as_micros(),
        context.deadline
    )
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => json.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}
