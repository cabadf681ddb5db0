//! The door to the network: what is granted gets through, and nothing else does, however it is spelt.

use std::time::{Duration, Instant};

use millwork_plugin::{Limits, Options, Origin, PluginRuntime as _, Plugins};
use serde_json::{Value, json};

use crate::server::Server;
use crate::support::{Guest, describing, granted};

/// All of HTTP, on public addresses and on this machine.
async fn free() -> Guest {
    Guest::load(granted(
        "misbehave = { http = [\"*\"], private_networks = [\"loopback\"] }",
    ))
    .await
}

async fn get(guest: &Guest, url: &str) -> String {
    guest.text("http", &json!({"url": url})).await
}

#[tokio::test]
async fn a_granted_request_gets_its_answer_over_both_doors_and_one_connection() {
    let (server, guest) = (Server::start().await, free().await);
    for _ in 0..3 {
        assert_eq!(
            get(&guest, &server.url("/hello")).await,
            format!("200 {{\"you\":\"hello\"}} @ {}", server.url("/hello"))
        );
        assert_eq!(
            guest
                .text("http-wasi", &json!({"url": server.url("/there")}))
                .await,
            "200 {\"you\":\"there\"}"
        );
    }
    assert_eq!(server.connections(), 1, "connections are pooled");
    let first = server.requests()[0].to_lowercase();
    assert!(first.contains("user-agent: millwork/"), "{first}");
    assert_eq!(first.matches("host: ").count(), 1);
    assert_eq!(
        server.requests()[1]
            .to_lowercase()
            .matches("host: ")
            .count(),
        1
    );
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_anything_is_sent() {
    let (server, guest) = (Server::start().await, free().await);
    let at = server.address;
    let cases = [
        (
            json!({"url": "file:///etc/passwd"}),
            "neither http nor https",
        ),
        (
            json!({"url": "ftp://example.com/"}),
            "neither http nor https",
        ),
        (json!({"url": "hello"}), "no absolute URL"),
        (json!({"url": ""}), "no absolute URL"),
        (
            json!({"url": format!("http://user@{at}/")}),
            "user name or password",
        ),
        (
            json!({"url": format!("http://a:b@{at}/")}),
            "user name or password",
        ),
        (
            json!({"url": format!("http://{at}/"), "method": "GE T"}),
            "no method",
        ),
        (
            json!({"url": format!("http://{at}/"), "method": "CONNECT"}),
            "CONNECT",
        ),
        (
            json!({"url": format!("http://{at}/"), "headers": "host: evil.example"}),
            "the header host is written by the host",
        ),
        (
            json!({"url": format!("http://{at}/"), "headers": "Transfer-Encoding: chunked"}),
            "the header transfer-encoding",
        ),
        (
            json!({"url": format!("http://{at}/"), "headers": "content-length: 0"}),
            "the header content-length",
        ),
        (
            json!({"url": format!("http://{at}/"), "headers": "a b: c"}),
            "no header name",
        ),
        (
            json!({"url": format!("http://{at}/"), "many": "40000"}),
            "40000 headers, and may have 256",
        ),
        (
            json!({"url": format!("http://{at}/"), "method": "x".repeat(1_000)}),
            "no method",
        ),
    ];
    for (config, expected) in cases {
        let answer = guest.text("http", &config).await;
        assert!(
            answer.contains("InvalidRequest") && answer.contains(expected),
            "{config}: {answer}"
        );
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn the_refusal_names_the_line_that_grants() {
    let server = Server::start().await;
    let port = server.address.port();
    let guest = Guest::load(granted(
        "misbehave = { http = [\"GET http://localhost:*\"] }",
    ))
    .await;
    let at_name = get(&guest, &format!("http://localhost:{port}/")).await;
    assert!(at_name.contains("is at 127.0.0.1, a loopback address: to grant it, write private_networks = [\\\"loopback\\\"] under [plugins.grants.misbehave]"), "{at_name}");
    let reply = guest
        .plugins
        .invoke(guest.call("http-wasi", &json!({"url": "https://other.example/"})))
        .await;
    assert!(
        reply.log.iter().any(|line| line.level == "warn"
            && line
                .message
                .contains("write http = [\"https://other.example\"]")),
        "{:?}",
        reply.log
    );
    let other = get(&guest, "https://other.example/").await;
    assert!(
        other.contains("write http = [\\\"https://other.example\\\"]"),
        "{other}"
    );
    let post = guest
        .text(
            "http",
            &json!({"url": format!("http://localhost:{port}/"), "method": "POST"}),
        )
        .await;
    assert!(post.contains("may not POST"), "{post}");
}

#[tokio::test]
async fn a_connection_that_one_plugin_may_have_carries_nothing_for_another() {
    let server = Server::start().await;
    let plugins = Plugins::new(granted(
        "misbehave = { http = [\"*\"], private_networks = [\"loopback\"] }\nother = { http = [\"*\"] }",
    ))
    .expect("the sandbox starts");
    let trusted = plugins
        .load_bytes(describing("well"), Origin::Stored)
        .await
        .expect("it loads")
        .digest;
    let other = plugins
        .load_bytes(describing("other"), Origin::Stored)
        .await
        .expect("it loads")
        .digest;
    let url = format!("http://localhost:{}/", server.address.port());
    let guest = Guest {
        plugins,
        digest: trusted,
    };
    assert!(get(&guest, &url).await.starts_with("200"));
    let guest = Guest {
        digest: other,
        ..guest
    };
    assert!(get(&guest, &url).await.contains("Denied"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn every_hop_of_a_redirect_is_judged() {
    let (here, there) = (Server::start().await, Server::start().await);
    let only_here = Guest::load(granted(&format!(
        "misbehave = {{ http = [\"http://{}\"], private_networks = [\"loopback\"] }}",
        here.address
    )))
    .await;
    for location in [
        there.url("/x"),
        "http://169.254.169.254/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://a:b@127.0.0.1/".to_owned(),
    ] {
        let answer = only_here
            .text(
                "http",
                &json!({"url": here.url(&format!("/redirect/302/{location}")), "redirects": "5"}),
            )
            .await;
        assert!(
            answer.contains("Denied") || answer.contains("InvalidRequest"),
            "{location}: {answer}"
        );
    }
    assert_eq!(there.connections(), 0);

    let answer = only_here
        .text(
            "http",
            &json!({"url": here.url("/redirect/302//hello"), "redirects": "5"}),
        )
        .await;
    assert_eq!(
        answer,
        format!("200 {{\"you\":\"hello\"}} @ {}", here.url("/hello"))
    );
    let answer = only_here
        .text("http", &json!({"url": here.url("/redirect/302//hello")}))
        .await;
    assert!(
        answer.starts_with("302 "),
        "nobody asked to follow it: {answer}"
    );
    let answer = only_here
        .text(
            "http",
            &json!({"url": here.url("/nowhere"), "redirects": "5"}),
        )
        .await;
    assert!(
        answer.contains("HttpError::Redirect") && answer.contains("no usable location"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_circle_of_redirects_ends() {
    let (server, guest) = (Server::start().await, free().await);
    // Relative to where it stands, it leads to itself.
    let around = server.url("/redirect/302/around");
    let answer = guest
        .text("http", &json!({"url": around, "redirects": "3"}))
        .await;
    assert!(
        answer.contains("HttpError::Redirect") && answer.contains("more than the 3 redirects"),
        "{answer}"
    );
    assert_eq!(server.requests().len(), 4);
    let answer = guest
        .text("http", &json!({"url": around, "redirects": "4000000000"}))
        .await;
    assert!(
        answer.contains("its limit of 10 (plugins.limits.http_redirects_max)"),
        "{answer}"
    );
}

#[tokio::test]
async fn credentials_do_not_go_along_to_another_origin() {
    let (here, there, guest) = (Server::start().await, Server::start().await, free().await);
    let request = |location: String| {
        json!({
            "url": here.url(&format!("/redirect/307/{location}")), "method": "POST", "body": "payload", "redirects": "5",
            "headers": "Authorization: Bearer x|Cookie: a=b|X-Api-Key: k|Idempotency-Key: i|Content-Type: text/plain",
        })
    };
    guest.text("http", &request(there.url("/x"))).await;
    let crossed = there.requests()[0].to_lowercase();
    for gone in ["authorization", "cookie", "x-api-key"] {
        assert!(!crossed.contains(gone), "{crossed}");
    }
    for kept in [
        "post /x",
        "idempotency-key: i",
        "content-type: text/plain",
        "payload",
    ] {
        assert!(crossed.contains(kept), "{crossed}");
    }
    guest.text("http", &request("/same".to_owned())).await;
    let stayed = here.requests().last().expect("it came back").to_lowercase();
    assert!(
        stayed.contains("post /same")
            && stayed.contains("authorization: bearer x")
            && stayed.contains("x-api-key: k"),
        "{stayed}"
    );
}

#[tokio::test]
async fn an_answer_is_counted_while_it_arrives() {
    let server = Server::start().await;
    let mut options = granted("misbehave = { http = [\"*\"], private_networks = [\"loopback\"] }");
    options.limits.http_response_max_bytes = 50_000;
    options.limits.http_request_max_bytes = 10;
    let guest = Guest::load(options).await;
    for path in ["/announced", "/endless", "/headers"] {
        assert_eq!(
            get(&guest, &server.url(path)).await,
            "HttpError::ResponseTooLarge(50000)",
            "{path}"
        );
    }
    let endless = guest
        .text("http-wasi", &json!({"url": server.url("/endless")}))
        .await;
    assert!(endless.contains("bytes, then"), "{endless}");
    let large = guest
        .text(
            "http",
            &json!({"url": server.url("/"), "method": "POST", "body": "more than ten bytes"}),
        )
        .await;
    assert!(
        large.contains("its limit of 10 (plugins.limits.http_request_max_bytes)"),
        "{large}"
    );
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_is_told_in_the_words_of_the_contract() {
    let (server, guest) = (Server::start().await, free().await);
    let refusing = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        listener.local_addr().expect("it is bound")
    };
    let cases = [
        (format!("http://{refusing}/"), "HttpError::Connect"),
        (
            format!("https://localhost:{}/", server.address.port()),
            "HttpError::Tls",
        ),
        (server.url("/garbage"), "HttpError::Protocol"),
        (server.url("/broken"), "HttpError::Protocol"),
        ("http://name.invalid/".to_owned(), "HttpError::Dns"),
    ];
    for (url, expected) in cases {
        let answer = get(&guest, &url).await;
        assert!(answer.starts_with(expected), "{url}: {answer}");
    }
    let answer = guest
        .text(
            "http",
            &json!({"url": server.url("/silent"), "timeout": "100"}),
        )
        .await;
    assert_eq!(answer, "HttpError::Timeout");
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_ends() {
    let mut options = granted("misbehave = { http = [\"*\"], private_networks = [\"loopback\"] }");
    options.limits.http_connect_max_ms = 100;
    let guest = Guest::load(options).await;
    // Takes connections and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a free port");
    let answer = get(
        &guest,
        &format!("https://{}/", listener.local_addr().expect("it is bound")),
    )
    .await;
    assert!(
        answer.contains("HttpError::Connect")
            && answer.contains("its limit of 100 (plugins.limits.http_connect_max_ms)"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_deadline_of_a_call_ends_its_requests() {
    let (server, guest) = (Server::start().await, free().await);
    for action in ["http", "http-wasi"] {
        let mut call = guest.call(action, &json!({"url": server.url("/silent")}));
        call.timeout = Duration::from_millis(100);
        let began = Instant::now();
        let failure = guest
            .plugins
            .invoke(call)
            .await
            .result
            .expect_err("nobody answers");
        assert_eq!(failure.code, "plugin-timeout");
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn requests_of_one_call_are_bounded_in_size_by_default() {
    let limits = Limits::default();
    assert!(
        limits.http_response_max_bytes <= 16 << 20 && limits.http_request_max_bytes <= 16 << 20
    );
    // Nothing is granted where nothing is said.
    let guest = Guest::load(Options::default()).await;
    assert!(get(&guest, "https://example.com/").await.contains("Denied"));
    let config: Value = json!({"url": "https://example.com/"});
    assert!(guest.text("http-wasi", &config).await.contains("Denied"));
}
