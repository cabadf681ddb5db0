//! What is refused when it is loaded, and why; what is known of what was loaded.

use millwork_core::connector::TypeRef;
use millwork_plugin::{FieldError, Limits, Options, Origin, PluginRuntime as _, Plugins, Refusal};
use serde_json::json;

use crate::support::{Guest, component, describing};

fn plugins() -> Plugins {
    let limits = Limits {
        cpu_max_ms: 200,
        memory_max_bytes: 16 << 20,
        question_max_ms: 2_000,
        calls_in_flight_max: 20,
        ..Limits::default()
    };
    Plugins::new(Options {
        limits,
        ..Options::default()
    })
    .expect("the sandbox starts")
}

async fn refusal(plugins: &Plugins, wasm: bytes::Bytes) -> String {
    plugins
        .load_bytes(wasm, Origin::Stored)
        .await
        .expect_err("it is refused")
        .to_string()
}

#[tokio::test]
async fn a_plugin_that_cannot_say_what_it_is_is_refused() {
    let plugins = plugins();
    let cases = [
        (
            "spin",
            "it cannot say what it is: the plugin used more processor time than its limit of 200",
        ),
        (
            "memory",
            "it cannot say what it is: the plugin wanted more memory than its limit of 16777216",
        ),
        ("panic", "it cannot say what it is: the plugin panicked at "),
        ("name", "\"Not A Name\" is no name"),
        ("version", "the version \"one\" is none"),
        ("schema", "the config schema of \"echo\" does not hold"),
        ("empty", "it has no action"),
        ("giant", "plugins.limits.manifest_max_bytes"),
    ];
    for (mode, expected) in cases {
        let refusal = refusal(&plugins, describing(mode)).await;
        assert!(refusal.contains(expected), "{mode}: {refusal}");
    }
    assert!(
        plugins
            .load_bytes(describing("well"), Origin::Stored)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn describe_is_called_without_any_power() {
    let options = crate::support::granted(
        "[misbehave]\nhttp = [\"*\"]\nprivate_networks = [\"loopback\"]\nkv = true\nreveal = [\"token\"]\nsecrets = { token = [\"*\"] }",
    );
    let plugins = Plugins::new(options).expect("the sandbox starts");
    let loaded = plugins
        .load_bytes(describing("powers"), Origin::Stored)
        .await
        .expect("it loads");
    assert_eq!(
        loaded.manifest.description.matches("Denied").count(),
        4,
        "{}",
        loaded.manifest.description
    );
}

#[tokio::test]
async fn damaged_and_foreign_files_are_refused_in_words() {
    let plugins = plugins();
    let whole = component("misbehave");
    assert!(
        refusal(&plugins, whole.slice(..whole.len() / 2))
            .await
            .contains("the component is damaged")
    );
    assert!(
        refusal(&plugins, bytes::Bytes::from_static(b"hello"))
            .await
            .contains("this is not WebAssembly")
    );
    for at in (8..whole.len()).step_by(whole.len() / 12) {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 0xff;
        // It may be refused or not; what it may not do is bring the host down.
        let _ = plugins
            .load_bytes(bytes::Bytes::from(damaged), Origin::Stored)
            .await;
    }
    let small = Plugins::new(Options {
        limits: Limits {
            wasm_max_bytes: 1_000,
            calls_in_flight_max: 20,
            ..Limits::default()
        },
        ..Options::default()
    })
    .expect("the sandbox starts");
    let refusal = small
        .load_bytes(whole, Origin::Stored)
        .await
        .expect_err("it is too large");
    assert!(
        matches!(refusal, Refusal::TooLarge { .. })
            && refusal
                .to_string()
                .contains("its limit of 1000 (plugins.limits.wasm_max_bytes)"),
        "{refusal}"
    );
}

#[tokio::test]
async fn components_that_want_another_host_are_refused_by_name() {
    let plugins = plugins();
    let wat = |imports: &str| {
        bytes::Bytes::from(wat::parse_str(format!("(component {imports} (instance $i) (export \"millwork:connector/plugin@1.0.0\" (instance $i)))")).expect("it is WAT"))
    };
    let newer = refusal(
        &plugins,
        wat("(import \"millwork:http/client@1.3.0\" (instance))"),
    )
    .await;
    assert_eq!(
        newer,
        "it needs millwork:http/client@1.3.0: this host has 1.0.0; a later host, one that has 1.3 or a later 1.x, would load it; or build the plugin with an SDK for 1.0"
    );
    // The name is right and the version is right, and what is exported is not.
    let hollow = refusal(&plugins, wat("")).await;
    assert!(
        hollow.starts_with("it does not fit this host: "),
        "{hollow}"
    );
    let odd = refusal(
        &plugins,
        wat("(import \"millwork:log/log@1.0.0\" (instance (export \"shout\" (func))))"),
    )
    .await;
    assert!(odd.starts_with("it does not fit this host: "), "{odd}");
}

#[tokio::test]
async fn compiled_code_is_kept_and_used_again() {
    let cache = tempfile::tempdir().expect("there is room");
    for round in 0..3 {
        let options = Options {
            cache_folder: Some(cache.path().join("code")),
            ..Options::default()
        };
        let guest = Guest::load(options).await;
        guest.is_well().await;
        let mut files = std::fs::read_dir(cache.path().join("code")).expect("it was made");
        let file = files
            .next()
            .expect("it was kept")
            .expect("it can be read")
            .path();
        assert!(files.next().is_none());
        if round == 1 {
            let mut code = std::fs::read(&file).expect("it is there");
            let middle = code.len() / 2;
            code[middle] ^= 1;
            std::fs::write(&file, code).expect("it can be written");
        }
    }
}

#[tokio::test]
async fn a_configuration_is_checked_by_the_schema_and_then_by_the_plugin() {
    let guest = Guest::load(Options {
        limits: Limits {
            cpu_max_ms: 100,
            calls_in_flight_max: 20,
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    let connector = |action: &str| millwork_core::connector::Connector {
        digest: guest.digest,
        action: action.to_owned(),
        timeout: None,
        attempts_max: None,
    };
    let check = async |action: &str, config: serde_json::Value| -> Vec<FieldError> {
        guest.plugins.validate(&connector(action), &config).await
    };
    let one = |path: &str, message: &str| {
        vec![FieldError {
            path: path.to_owned(),
            message: message.to_owned(),
        }]
    };

    assert_eq!(check("echo", json!({"text": "good"})).await, []);
    assert_eq!(
        check("echo", json!({"txet": "good"})).await,
        one("/txet", "unknown property \"txet\": did you mean \"text\"?")
    );
    assert_eq!(
        check("echo", json!({"text": "bad"})).await,
        one("/text", "this is bad")
    );
    assert_eq!(
        check("echo", json!({"text": "${payload.text} bad"})).await,
        []
    );
    assert_eq!(
        check("echo", json!({"count": "${payload.count}"})).await,
        []
    );
    let many = check("giant-log-line", json!({})).await;
    assert!(many.len() == 50 && many[0].message.len() < 5_000);
    for action in ["spin", "panic"] {
        let errors = check(action, json!({})).await;
        assert!(
            errors.len() == 1
                && errors[0]
                    .message
                    .starts_with("the plugin could not check it: "),
            "{errors:?}"
        );
    }
    assert!(
        check("nothing", json!({})).await[0]
            .message
            .contains("no action \"nothing\"")
    );
}

#[tokio::test]
async fn an_evaluated_configuration_is_checked_before_anything_runs() {
    let guest = Guest::load(Options::default()).await;
    let reply = guest
        .plugins
        .invoke(guest.call("echo", &json!({"count": "1", "txet": ""})))
        .await;
    let failure = reply.result.expect_err("it does not hold");
    assert_eq!(failure.code, "invalid-config");
    assert!(!failure.kind.is_retryable());
    assert!(
        failure
            .message
            .contains("/count: this is a string; an integer is wanted"),
        "{}",
        failure.message
    );
    assert_eq!(
        failure
            .details
            .expect("each is told")
            .value()
            .as_array()
            .map(Vec::len),
        Some(2)
    );
}

#[tokio::test]
async fn a_digest_that_nobody_has_is_a_failure_that_another_worker_may_mend() {
    let guest = Guest::load(Options::default()).await;
    let mut call = guest.call("echo", &json!({}));
    call.plugin = millwork_plugin::digest(b"something else");
    let failure = guest
        .plugins
        .invoke(call)
        .await
        .result
        .expect_err("it is missing");
    assert_eq!(failure.code, "plugin-missing");
    assert!(failure.kind.is_retryable());
}

#[tokio::test]
async fn a_plugin_that_was_loaded_for_a_run_has_no_name() {
    let guest = Guest::load(Options::default()).await;
    let reference: TypeRef = "misbehave.echo".parse().expect("it is a type");
    assert_eq!(
        guest.plugins.resolve(&reference),
        Err("unknown plugin \"misbehave\": there is none".to_owned())
    );
    assert!(guest.plugins.list().is_empty());
    assert!(guest.plugins.get(&guest.digest).is_some());
}
