//! The plugins that come with the host, in the real sandbox, with what is granted to them by default.

use std::path::PathBuf;
use std::time::Duration;

use millwork_core::outcome::{Outcome, Then, Until};
use millwork_plugin::{Grants, Limits, Options, Origin, PluginRuntime as _, Plugins};
use serde_json::json;

use crate::server::Server;
use crate::support::{Guest, component};

fn options(bound_to_loopback: bool) -> Options {
    Options {
        bound_to_loopback,
        limits: Limits {
            calls_in_flight_max: 20,
            ..Limits::default()
        },
        ..Options::default()
    }
}

#[tokio::test]
async fn all_bundled_plugins_load_and_have_names() {
    let plugins = Plugins::new(options(true)).expect("the sandbox starts");
    plugins
        .load_bundled(
            millwork_bundled::PLUGINS
                .iter()
                .map(|bundled| component(bundled.name)),
        )
        .await
        .expect("they are ours");
    for bundled in millwork_bundled::PLUGINS {
        let connector = plugins
            .resolve(&bundled.name.parse().expect("it is a type"))
            .expect("it is loaded");
        let plugin = plugins.get(&connector.digest).expect("it is loaded");
        assert_eq!(plugin.origin, Origin::Bundled);
        assert_eq!(
            plugin.pure,
            bundled.name != "webhook",
            "{}: {:?}",
            bundled.name,
            plugin.imports
        );
    }
}

#[tokio::test]
async fn a_delay_suspends_and_completes_without_another_call() {
    let guest = Guest::load_component("delay", options(true)).await;
    let action = first_action(&guest);
    let reply = guest
        .plugins
        .invoke(guest.call(&action, &json!({"duration": 5})))
        .await;
    let Ok(Outcome::Suspended(suspension)) = reply.result else {
        panic!("{:?}", reply.result)
    };
    assert_eq!(suspension.until, Until::After(Duration::from_secs(5)));
    let Then::Complete(output) = suspension.then else {
        panic!("{:?}", suspension.then)
    };
    assert_eq!(output.value()["duration"], json!(5));
    assert!(
        guest
            .plugins
            .invoke(guest.call(&action, &json!({"duration": -1})))
            .await
            .result
            .is_err()
    );
}

#[tokio::test]
async fn a_webhook_reaches_loopback_where_the_host_does_not_face_a_network() {
    let server = Server::start().await;
    let config = json!({"url": server.url("/hello"), "method": "POST", "body": {"a": 1}});
    let guest = Guest::load_component("webhook", options(true)).await;
    let reply = guest
        .plugins
        .invoke(guest.call(&first_action(&guest), &config))
        .await;
    let Ok(Outcome::Completed(output)) = reply.result else {
        panic!("{:?}", reply.result)
    };
    assert_eq!(output.value()["status_code"], json!(200));
    assert_eq!(output.value()["response_data"], json!({"you": "hello"}));

    let guest = Guest::load_component("webhook", options(false)).await;
    let failure = guest
        .plugins
        .invoke(guest.call(&first_action(&guest), &config))
        .await
        .result
        .expect_err("it is denied");
    assert!(
        failure
            .message
            .contains("private_networks = [\"loopback\"] under [plugins.grants.webhook]"),
        "{}",
        failure.message
    );
}

#[tokio::test]
async fn what_the_operator_says_of_a_bundled_plugin_replaces_its_default() {
    let server = Server::start().await;
    let grants: Grants =
        toml::from_str("webhook = { http = [\"https://slack.com\"] }").expect("it is right");
    let guest = Guest::load_component(
        "webhook",
        Options {
            grants,
            ..options(true)
        },
    )
    .await;
    let config = json!({"url": server.url("/hello"), "method": "GET"});
    let reply = guest
        .plugins
        .invoke(guest.call(&first_action(&guest), &config))
        .await;
    assert!(
        reply
            .result
            .expect_err("it is denied")
            .message
            .contains("write http = ")
    );
}

#[tokio::test]
async fn a_file_that_calls_itself_webhook_inherits_nothing() {
    let server = Server::start().await;
    let plugins = Plugins::new(options(true)).expect("the sandbox starts");
    let loaded = plugins
        .load_bytes(
            component("webhook"),
            Origin::File(PathBuf::from("webhook.wasm")),
        )
        .await
        .expect("it loads");
    let guest = Guest {
        digest: loaded.digest,
        plugins,
    };
    let config = json!({"url": server.url("/hello"), "method": "GET"});
    let reply = guest
        .plugins
        .invoke(guest.call(&first_action(&guest), &config))
        .await;
    assert!(
        reply
            .result
            .expect_err("it is denied")
            .message
            .contains("to grant it"),
        "nothing is granted by name"
    );
}

fn first_action(guest: &Guest) -> String {
    guest
        .plugins
        .get(&guest.digest)
        .expect("it is loaded")
        .manifest
        .actions[0]
        .name
        .clone()
}
