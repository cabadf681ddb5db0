//! A connector seen by its host: what it says it is, what it refuses, what it comes to, and what the fake host refuses it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use millwork_sdk::http;
use millwork_sdk::kv::{self, Expected};
use millwork_sdk::log::{self, Level};
use millwork_sdk::testing::{Host, Reply};
use millwork_sdk::{
    Action, Ask, Context, Draft, Example, Failure, FailureKind, FieldError, Outcome, Traits, Wake,
    clock, random, secrets,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Counts up to a bound, a second apart.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountConfig {
    /// Where to stop.
    bound: u32,
    /// Where to begin.
    #[serde(default)]
    from: u32,
}

#[derive(Serialize, JsonSchema)]
struct Counted {
    /// How far it came.
    count: u32,
}

struct CountUp;

impl Action for CountUp {
    type Config = CountConfig;
    type Output = Counted;

    const NAME: &'static str = "count-up";
    const TRAITS: Traits = Traits::NONE.read_only().idempotent();
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));
    const ATTEMPTS_MAX: Option<u32> = Some(7);

    fn examples() -> Vec<Example> {
        vec![Example::new("To three", json!({"bound": 3}))]
    }

    fn validate(draft: &Draft) -> Vec<FieldError> {
        match (draft.get::<u32>("/from"), draft.get::<u32>("/bound")) {
            (Some(from), Some(bound)) if from > bound => {
                vec![FieldError::new("/from", "must not be past the bound")]
            }
            _ => Vec::new(),
        }
    }

    fn invoke(cx: &Context, config: CountConfig) -> Result<Outcome<Counted>, Failure> {
        let count = match cx.resumed() {
            Some(resume) => resume.state()?,
            None => config.from,
        };
        if count == config.bound {
            return Ok(Outcome::completed(Counted { count }));
        }
        Ok(Outcome::suspend_for(Duration::from_secs(1))
            .state(&(count + 1))?
            .into())
    }
}

#[derive(Deserialize, JsonSchema)]
struct Anything {}

/// Waits for somebody to agree.
struct Approve;

impl Action for Approve {
    type Config = Anything;
    type Output = Value;

    const NAME: &'static str = "approve";
    const TITLE: &'static str = "Ask for approval";
    const DESCRIPTION: &'static str = "Waits for somebody to agree.";

    fn invoke(cx: &Context, _: Anything) -> Result<Outcome<Value>, Failure> {
        match cx.resumed().map(|resume| resume.cause()) {
            None => Ok(Outcome::wait_for_signal("approved", Some(Duration::from_secs(60))).into()),
            Some(Wake::Signal(signal)) => Ok(Outcome::completed(signal.payload.clone())),
            Some(Wake::SignalTimeout | Wake::Timer) => {
                Err(Failure::other("nobody-agreed", "nobody agreed in time"))
            }
        }
    }
}

/// Uses whatever its configuration names, also in `validate`, where it must not.
struct Reach;

#[derive(Deserialize, JsonSchema)]
struct ReachConfig {
    power: String,
}

fn reach(power: &str) -> Result<Value, Failure> {
    match power {
        "http" => http::get("https://api.example/x")
            .send()?
            .error_for_status()?
            .json(),
        "http-elsewhere" => http::get("https://elsewhere.example/x").send()?.json(),
        "secret" => Ok(json!(secrets::reveal("token")?.expose())),
        "secret-unasked" => Ok(json!(secrets::placeholder("other")?)),
        "placeholder" => {
            let token = secrets::placeholder("token")?;
            let request = http::post("https://api.example/x")
                .bearer(&token)
                .text(format!("t={token}"));
            Ok(json!(request.send()?.status))
        }
        "kv" => {
            let first = kv::set_expecting("key", "1", Expected::Absent)?;
            let conflict = kv::set_expecting("key", "2", Expected::Absent);
            assert_eq!(conflict, Err(kv::Error::Conflict(Some(first))));
            kv::set_expecting("key", "[2]", Expected::Version(first))?;
            let kept: Value = kv::get("key")?.map_or(Ok(Value::Null), |entry| entry.json())?;
            kv::delete("key")?;
            assert_eq!(
                kv::delete_expecting("key", Expected::Version(9)),
                Err(kv::Error::Conflict(None))
            );
            kv::set_json("other", &json!({"a": 1}))?;
            Ok(kept)
        }
        "random" => Ok(json!(
            random::bytes(100_000).len() + usize::from(random::u64() != random::u64())
        )),
        "log" => {
            log::debug!("a line of {}", 2; left = 1, right = "x");
            Ok(Value::Null)
        }
        "panic" => panic!("on purpose"),
        _ => Ok(json!(clock::now())),
    }
}

impl Action for Reach {
    type Config = ReachConfig;
    type Output = Value;

    const NAME: &'static str = "reach";

    fn validate(draft: &Draft) -> Vec<FieldError> {
        match draft.get::<String>("/power") {
            Some(power) if !draft.is_whole() && power != "panic" => reach(&power)
                .err()
                .map(|failure| FieldError::new("/power", failure.to_string()))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    fn invoke(_: &Context, config: ReachConfig) -> Result<Outcome<Value>, Failure> {
        reach(&config.power).map(Outcome::completed)
    }
}

millwork_sdk::export!(connector {
    name: "sample",
    actions: [CountUp, Approve, Reach],
    asks: [http("https://api.example"), secret("token"), kv],
});

fn run(power: &str) -> Result<Value, Failure> {
    Host::new::<Connector>().run("reach", json!({"power": power}))
}

mod describes {
    use super::*;

    #[test]
    fn itself_by_the_package_where_the_macro_says_nothing() {
        let manifest = Host::new::<Connector>().manifest();
        assert_eq!(manifest.name, "sample");
        assert_eq!(manifest.version, env!("CARGO_PKG_VERSION"));
        assert_eq!(manifest.description, env!("CARGO_PKG_DESCRIPTION"));
        assert_eq!(
            manifest.asks,
            [
                Ask::http("https://api.example"),
                Ask::secret("token"),
                Ask::kv()
            ]
        );
        let names: Vec<_> = manifest
            .actions
            .iter()
            .map(|action| action.name.as_str())
            .collect();
        assert_eq!(names, ["count-up", "approve", "reach"]);
    }

    #[test]
    fn an_action_by_its_types_where_the_trait_says_nothing() {
        let actions = Host::new::<Connector>().manifest().actions;
        assert_eq!(actions[0].title, "Count up");
        assert_eq!(
            actions[0].description,
            "Counts up to a bound, a second apart."
        );
        assert_eq!(actions[1].title, "Ask for approval");
        assert_eq!(actions[1].description, "Waits for somebody to agree.");
        assert!(actions[0].traits.is_read_only() && actions[0].traits.is_idempotent());
        assert_eq!(
            (actions[0].timeout, actions[0].attempts_max),
            (Some(Duration::from_secs(5)), Some(7))
        );
    }

    #[test]
    fn the_configuration_and_the_output_by_schemas() {
        let action = Host::new::<Connector>().manifest().actions.remove(0);
        assert_eq!(
            action.config_schema,
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "description": "Counts up to a bound, a second apart.",
                "type": "object",
                "properties": {
                    "bound": {"description": "Where to stop.", "type": "integer", "format": "uint32", "minimum": 0},
                    "from": {"description": "Where to begin.", "type": "integer", "format": "uint32", "minimum": 0, "default": 0},
                },
                "required": ["bound"],
                "additionalProperties": false,
            })
        );
        assert_eq!(
            action.output_schema["properties"]["count"]["description"],
            json!("How far it came.")
        );
        assert_eq!(action.output_schema.get("title"), None);
    }

    #[test]
    fn what_the_host_would_refuse() {
        let host = Host::new::<Connector>();
        host.check();

        mod broken {
            use super::*;
            struct Loud;
            impl Action for Loud {
                type Config = CountConfig;
                type Output = Counted;
                const NAME: &'static str = "Loud";
                fn examples() -> Vec<Example> {
                    vec![Example::new("none", json!({}))]
                }
                fn invoke(_: &Context, _: CountConfig) -> Result<Outcome<Counted>, Failure> {
                    Ok(Outcome::completed(Counted { count: 0 }))
                }
            }
            millwork_sdk::export!(connector {
                name: "a--b",
                version: "1",
                description: " ",
                actions: [Loud, Loud]
            });
        }
        let host = Host::new::<broken::Connector>();
        let panic =
            catch_unwind(AssertUnwindSafe(|| host.check())).expect_err("there is much wrong");
        let told = panic
            .downcast_ref::<String>()
            .expect("a panic carries text");
        for part in [
            "\"a--b\"",
            "\"1\"",
            "description",
            "\"Loud\" is not",
            "\"Loud\" is there twice",
            "\"none\"",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}

mod refuses {
    use super::*;

    #[test]
    fn a_configuration_that_does_not_fit_before_anything_runs() {
        let host = Host::new::<Connector>();
        let failure = host
            .invoke("count-up", json!({"bound": -1, "form": 2}))
            .expect_err("it does not fit");
        assert_eq!(
            (failure.kind(), failure.code()),
            (FailureKind::Permanent, "invalid-config")
        );
        assert_eq!(
            failure.details(),
            Some(&json!({"errors": [
                {"path": "/bound", "message": "invalid value: integer `-1`, expected u32"},
                {"path": "/form", "message": "unknown field `form`, expected `bound` or `from`"},
            ]}))
        );
        assert_eq!(
            failure.to_string(),
            "the configuration does not hold: /bound: invalid value: integer `-1`, expected u32; \
             /form: unknown field `form`, expected `bound` or `from` (invalid-config)"
        );
    }

    #[test]
    fn by_the_rules_of_the_action_in_a_draft_and_again_before_the_call() {
        let host = Host::new::<Connector>();
        let config = json!({"from": 3, "bound": 2});
        assert_eq!(
            host.validate("count-up", config.clone()),
            [FieldError::new("/from", "must not be past the bound")]
        );
        assert_eq!(
            host.invoke("count-up", config)
                .expect_err("it breaks a rule")
                .code(),
            "invalid-config"
        );
        assert_eq!(
            host.validate("count-up", json!({"from": 3, "bound": "${payload.n}"})),
            []
        );
        assert_eq!(host.validate("count-up", json!({"from": 3})), []);
    }

    #[test]
    fn an_action_that_it_does_not_have() {
        let host = Host::new::<Connector>();
        let told =
            "unknown action \"count\" in connector \"sample\", which has: count-up, approve, reach";
        assert_eq!(
            host.validate("count", json!({})),
            [FieldError::new("", told)]
        );
        let failure = host
            .invoke("count", json!({}))
            .expect_err("there is no such action");
        assert_eq!(
            (failure.code(), failure.message()),
            ("unknown-action", told)
        );
    }
}

mod comes_to {
    use super::*;

    #[test]
    fn an_output_after_as_many_calls_as_it_takes() {
        let host = Host::new::<Connector>();
        let start = host.now();
        assert_eq!(
            host.run("count-up", json!({"bound": 5, "from": 2})),
            Ok(json!({"count": 5}))
        );
        assert_eq!(host.now().saturating_since(start), Duration::from_secs(3));
    }

    #[test]
    fn what_its_saved_state_says() {
        let host = Host::new::<Connector>();
        let config = json!({"bound": 9});
        assert_eq!(
            host.resume("count-up", config.clone(), Wake::Timer, "9"),
            Ok(Outcome::Completed(json!({"count": 9})))
        );
        let failure = host
            .resume("count-up", config, Wake::Timer, "nine")
            .expect_err("that is no number");
        assert_eq!(failure.code(), "invalid-state");
    }

    #[test]
    fn what_a_signal_brings_or_a_failure_when_none_comes() {
        let host = Host::new::<Connector>();
        host.signal("other", json!(1));
        host.signal("approved", json!({"by": "ada"}));
        assert_eq!(host.run("approve", json!({})), Ok(json!({"by": "ada"})));
        let start = host.now();
        let failure = host
            .run("approve", json!({}))
            .expect_err("the signal is taken once");
        assert_eq!(
            (failure.kind(), failure.code()),
            (FailureKind::Other, "nobody-agreed")
        );
        assert_eq!(host.now().saturating_since(start), Duration::from_secs(60));
    }
}

mod reaches {
    use super::*;

    #[test]
    fn only_what_it_asks_for() {
        let failure = run("http-elsewhere").expect_err("that host is not asked for");
        assert_eq!(failure.code(), "http-denied");
        assert_eq!(
            failure.message(),
            "request denied: the connector does not ask for HTTP to https://elsewhere.example/x: add it to `asks` in `export!`"
        );
        assert_eq!(
            run("secret-unasked")
                .expect_err("that secret is not asked for")
                .code(),
            "secret-denied"
        );
    }

    #[test]
    fn nothing_while_it_validates() {
        for (power, code) in [
            ("http", "http-denied"),
            ("secret", "secret-denied"),
            ("kv", "kv-denied"),
        ] {
            let host = Host::new::<Connector>();
            host.secret("token", "s3cret");
            let problems = host.validate("reach", json!({"power": power}));
            assert!(
                problems.len() == 1 && problems[0].message.contains(code),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn http_by_a_script() {
        let host = Host::new::<Connector>();
        let call = || host.run("reach", json!({"power": "http"}));
        host.reply(Reply::json(200, &json!([1])));
        host.fail(http::Error::Timeout);
        host.reply(Reply::text(502, "bad gateway"));
        host.reply(Reply::text(200, "no json"));
        assert_eq!(call(), Ok(json!([1])));
        assert_eq!(
            call().map_err(|failure| failure.kind()),
            Err(FailureKind::Timeout)
        );
        let failure = call().expect_err("502 is a failure");
        assert_eq!(
            (failure.kind(), failure.code()),
            (FailureKind::Retryable, "http-502")
        );
        assert_eq!(
            failure.details(),
            Some(
                &json!({"status": 502, "url": "https://api.example/x", "response": "bad gateway"})
            )
        );
        assert_eq!(
            call().expect_err("that is no JSON").code(),
            "invalid-response"
        );
        host.serve(|request| Ok(Reply::json(200, request.method())));
        assert_eq!(call(), Ok(json!("GET")));
        assert_eq!(host.requests().len(), 5);
    }

    #[test]
    fn a_secret_in_its_place_without_seeing_it() {
        let host = Host::new::<Connector>();
        host.secret("token", "s3cret");
        host.reply(Reply::status(200));
        assert_eq!(
            host.run("reach", json!({"power": "placeholder"})),
            Ok(json!(200))
        );
        let request = host.requests().remove(0);
        assert_eq!(request.header_value("Authorization"), Some("Bearer s3cret"));
        assert_eq!(request.body_bytes(), Some(&b"t=s3cret"[..]));
        assert_eq!(host.revealed(), [] as [&str; 0]);
        assert_eq!(
            host.run("reach", json!({"power": "secret"})),
            Ok(json!("s3cret"))
        );
        assert_eq!(host.revealed(), ["token"]);
    }

    #[test]
    fn kept_values_with_compare_and_set() {
        let host = Host::new::<Connector>();
        assert_eq!(host.run("reach", json!({"power": "kv"})), Ok(json!([2])));
        assert_eq!(host.kept("key"), None);
        assert_eq!(host.kept("other").as_deref(), Some(&br#"{"a":1}"#[..]));
        host.keep("key", "0");
        assert_eq!(
            host.run("reach", json!({"power": "kv"}))
                .expect_err("it is there")
                .code(),
            "kv-conflict"
        );
    }

    #[test]
    fn the_clock_that_the_test_moves() {
        let host = Host::new::<Connector>();
        assert_eq!(
            host.run("reach", json!({"power": "clock"})),
            Ok(json!("2030-01-01T00:00:00Z"))
        );
        host.advance(Duration::from_millis(1500));
        assert_eq!(
            host.run("reach", json!({"power": "clock"})),
            Ok(json!("2030-01-01T00:00:01.5Z"))
        );
    }

    #[test]
    fn random_bytes_past_what_one_call_gives() {
        assert_eq!(run("random"), Ok(json!(100_001)));
    }

    #[test]
    fn the_log_with_fields() {
        let host = Host::new::<Connector>();
        host.run("reach", json!({"power": "log"})).expect("it logs");
        let line = host.log().remove(0);
        assert_eq!(
            (line.level, line.message.as_str()),
            (Level::Debug, "a line of 2")
        );
        assert_eq!(
            line.fields,
            [
                ("left".to_owned(), "1".to_owned()),
                ("right".to_owned(), "x".to_owned())
            ]
        );
    }
}

mod the_fake_host {
    use super::*;

    fn panic_of(act: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("it panics");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    #[test]
    fn tells_a_request_that_nobody_scripted() {
        let told = panic_of(|| drop(run("http")));
        assert_eq!(
            told,
            "no reply is scripted for GET https://api.example/x: add one with `Host::reply`"
        );
    }

    #[test]
    fn tells_a_reply_that_nobody_asked_for() {
        let host = Host::new::<Connector>();
        host.reply(Reply::status(200));
        assert_eq!(
            panic_of(|| drop(host)),
            "1 scripted replies were never asked for"
        );
    }

    #[test]
    fn tells_that_there_is_none() {
        let told = panic_of(|| assert_eq!(random::u64(), 0));
        assert!(
            told.contains("make a `millwork_sdk::testing::Host`"),
            "{told}"
        );
    }
}
