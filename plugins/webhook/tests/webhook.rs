//! Every rule of the README, held natively against the SDK's fake host.

use millwork_plugin_webhook::Connector;
use millwork_sdk::http::{self, Request};
use millwork_sdk::testing::{Host, Reply};
use millwork_sdk::{Ask, Failure, FailureKind};
use serde_json::{Value, json};
use std::time::Duration;

const URL: &str = "https://api.example/hook";

/// The request that a configuration sends, with `url` added.
fn sent(config: Value) -> Request {
    let host = Host::new::<Connector>();
    host.reply(Reply::status(200));
    host.run("send", with_url(config))
        .expect("the configuration holds");
    host.requests().remove(0)
}

/// The output of a step whose answer is this.
fn output(reply: Reply) -> Value {
    let host = Host::new::<Connector>();
    host.reply(reply);
    host.run("send", json!({"url": URL}))
        .expect("the status is accepted")
}

/// The failure of a step with a configuration, whose answer is this.
fn failure(config: Value, reply: Reply) -> Failure {
    let host = Host::new::<Connector>();
    host.reply(reply);
    host.run("send", with_url(config))
        .expect_err("the status is not accepted")
}

/// What is wrong with a configuration, with `url` added.
fn wrong(config: Value) -> Vec<String> {
    let host = Host::new::<Connector>();
    let config = with_url(config);
    let problems: Vec<_> = host
        .validate("send", config.clone())
        .iter()
        .map(ToString::to_string)
        .collect();
    // What a draft is refused for, the whole is refused for before anything is sent.
    let refused = host.run("send", config);
    assert_eq!(
        refused.is_err_and(|failure| failure.code() == "invalid-config"),
        !problems.is_empty()
    );
    problems
}

fn with_url(mut config: Value) -> Value {
    if config.get("url").is_none() {
        config["url"] = URL.into();
    }
    config
}

fn body(request: &Request) -> &str {
    std::str::from_utf8(request.body_bytes().unwrap_or_default()).expect("the body is text")
}

mod the_connector {
    use super::*;

    #[test]
    fn is_one_that_the_host_takes_and_asks_for_http_only() {
        let host = Host::new::<Connector>();
        host.check();
        let manifest = host.manifest();
        assert_eq!(manifest.name, "webhook");
        assert_eq!(manifest.asks, [Ask::http("*")]);
        assert_eq!(manifest.actions[0].title, "Webhook");
    }

    #[test]
    fn describes_each_field_and_takes_no_other() {
        let manifest = Host::new::<Connector>().manifest();
        let schema = &manifest.actions[0].config_schema;
        assert_eq!(schema["required"], json!(["url"]));
        assert_eq!(schema["additionalProperties"], json!(false));
        let properties = schema["properties"]
            .as_object()
            .expect("an object has properties");
        let names: Vec<_> = properties.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "url",
                "method",
                "headers",
                "body",
                "timeout",
                "accept_status",
                "follow_redirects"
            ]
        );
        for (name, property) in properties {
            assert!(property["description"].is_string(), "{name}: {property}");
        }
    }
}

mod the_request {
    use super::*;

    #[test]
    fn goes_by_get_without_a_body_and_by_post_with_one() {
        assert_eq!(sent(json!({})).method(), "GET");
        assert_eq!(sent(json!({"body": null})).method(), "GET");
        assert_eq!(sent(json!({"body": {}})).method(), "POST");
        assert_eq!(sent(json!({"body": ""})).method(), "POST");
    }

    #[test]
    fn takes_any_method_and_writes_the_known_ones_in_capitals() {
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
            "PROPFIND", "x-Purge",
        ] {
            assert_eq!(sent(json!({"method": method})).method(), method);
        }
        assert_eq!(sent(json!({"method": "patch"})).method(), "PATCH");
    }

    #[test]
    fn sends_json_for_anything_but_text() {
        for (value, text) in [
            (
                json!({"b": 1, "a": [true, null]}),
                r#"{"b":1,"a":[true,null]}"#,
            ),
            (json!([1, "x"]), r#"[1,"x"]"#),
            (json!(7), "7"),
            (json!(false), "false"),
        ] {
            let request = sent(json!({"method": "PUT", "body": value}));
            assert_eq!(body(&request), text);
            assert_eq!(
                request.header_value("content-type"),
                Some("application/json")
            );
        }
    }

    #[test]
    fn sends_text_as_it_is() {
        let request = sent(json!({"body": "a=1&b=ü"}));
        assert_eq!(body(&request), "a=1&b=ü");
        assert_eq!(
            request.header_value("content-type"),
            Some("text/plain; charset=utf-8")
        );
        let request =
            sent(json!({"body": "{\"raw\": 1}", "headers": {"Content-Type": "application/json"}}));
        assert_eq!(body(&request), "{\"raw\": 1}");
    }

    #[test]
    fn sends_no_body_and_no_content_type_for_null() {
        let request = sent(json!({"method": "POST", "body": null}));
        assert_eq!(request.body_bytes(), None);
        assert_eq!(request.header_value("content-type"), None);
    }

    #[test]
    fn sends_each_header_once_and_the_users_own_in_place_of_a_default() {
        let request = sent(json!({
            "body": {"a": 1},
            "headers": {"CONTENT-type": "application/vnd.api+json", "idempotency-KEY": "mine", "X-Count": 3, "X-Dry": true},
        }));
        let headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            headers,
            [
                ("CONTENT-type", "application/vnd.api+json"),
                ("idempotency-KEY", "mine"),
                ("X-Count", "3"),
                ("X-Dry", "true"),
            ]
        );
    }

    #[test]
    fn carries_the_idempotency_key_of_the_step_over_all_attempts() {
        let host = Host::new::<Connector>();
        host.serve(|_| Ok(Reply::status(200)));
        host.set_idempotency_key("run/step");
        for attempt in [1, 2] {
            host.set_attempt(attempt);
            host.run("send", json!({"url": URL}))
                .expect("200 is accepted");
        }
        for request in host.requests() {
            assert_eq!(request.header_value("Idempotency-Key"), Some("run/step"));
        }
    }

    #[test]
    fn is_bounded_in_time_and_in_redirects() {
        let request = sent(json!({}));
        assert_eq!(request.timeout_value(), Some(Duration::from_secs(30)));
        assert_eq!(request.redirects_max(), 10);
        let request = sent(json!({"timeout": "1m30s", "follow_redirects": false}));
        assert_eq!(request.timeout_value(), Some(Duration::from_secs(90)));
        assert_eq!(request.redirects_max(), 0);
        assert_eq!(
            sent(json!({"timeout": 0.25})).timeout_value(),
            Some(Duration::from_millis(250))
        );
        assert_eq!(sent(json!({"follow_redirects": 3})).redirects_max(), 3);
        assert_eq!(sent(json!({"follow_redirects": true})).redirects_max(), 10);
    }
}

mod the_output {
    use super::*;

    #[test]
    fn has_the_fields_of_the_contract() {
        let host = Host::new::<Connector>();
        host.reply(
            Reply::json(201, &json!({"id": 7}))
                .header("X-Trace", "a")
                .header("x-trace", "b"),
        );
        let output = host.run("send", json!({"url": URL, "method": "put"}));
        assert_eq!(
            output,
            Ok(json!({
                "type": "webhook",
                "status_code": 201,
                "response_data": {"id": 7},
                "url": URL,
                "method": "PUT",
                "headers": {"content-type": "application/json", "x-trace": "a, b"},
            }))
        );
    }

    #[test]
    fn has_json_where_the_answer_says_so_and_it_parses() {
        for kind in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/json",
            "application/problem+json",
        ] {
            let reply = Reply::status(200).header("content-type", kind).body("[1]");
            assert_eq!(output(reply)["response_data"], json!([1]), "{kind}");
        }
    }

    #[test]
    fn has_text_otherwise() {
        let json_that_is_none = Reply::status(200)
            .header("content-type", "application/json")
            .body("{oops");
        assert_eq!(output(json_that_is_none)["response_data"], json!("{oops"));
        assert_eq!(
            output(Reply::text(200, "{\"a\": 1}"))["response_data"],
            json!("{\"a\": 1}")
        );
        assert_eq!(
            output(Reply::status(200).body("untold"))["response_data"],
            json!("untold")
        );
        assert_eq!(output(Reply::status(204))["response_data"], json!(""));
    }

    #[test]
    fn has_bytes_that_are_no_text_as_base64() {
        let image = Reply::status(200)
            .header("content-type", "image/png")
            .body([0x89, b'P', 0xff]);
        assert_eq!(output(image)["response_data"], json!({"base64": "iVD/"}));
        let latin = Reply::status(200)
            .header("content-type", "text/plain; charset=iso-8859-1")
            .body([b'a', 0xfc]);
        assert_eq!(output(latin)["response_data"], json!("a\u{fffd}"));
    }

    #[test]
    fn keeps_cookies_apart() {
        let reply = Reply::status(200)
            .header("set-cookie", "a=1; expires=Thu, 01")
            .header("set-cookie", "b=2");
        assert_eq!(
            output(reply)["headers"]["set-cookie"],
            json!("a=1; expires=Thu, 01\nb=2")
        );
    }
}

mod a_status {
    use super::*;

    #[test]
    fn outside_2xx_is_permanent_or_worth_another_attempt() {
        for status in [300, 304, 400, 401, 404, 409, 422, 451] {
            assert_eq!(
                failure(json!({}), Reply::status(status)).kind(),
                FailureKind::Permanent,
                "{status}"
            );
        }
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            assert_eq!(
                failure(json!({}), Reply::status(status)).kind(),
                FailureKind::Retryable,
                "{status}"
            );
        }
    }

    #[test]
    fn of_failure_is_told_with_what_was_sent_and_what_came() {
        let failure = failure(
            json!({"method": "POST"}),
            Reply::json(404, &json!({"reason": "gone"})),
        );
        assert_eq!(failure.code(), "http-404");
        assert_eq!(failure.message(), format!("{URL} answered with status 404"));
        assert_eq!(
            failure.details(),
            Some(
                &json!({"status": 404, "url": URL, "method": "POST", "response": {"reason": "gone"}})
            )
        );
    }

    #[test]
    fn of_failure_carries_only_the_beginning_of_a_long_answer() {
        let failure = failure(json!({}), Reply::text(500, &"ü".repeat(10_000)));
        let text = failure
            .details()
            .and_then(|details| details["response"].as_str())
            .expect("there is a text");
        assert!(text.len() < 5_000 && text.ends_with('…'), "{}", text.len());
    }

    #[test]
    fn with_retry_after_says_how_long_to_wait() {
        for status in [429, 503] {
            let failure = failure(
                json!({}),
                Reply::status(status).header("Retry-After", "120"),
            );
            assert_eq!(
                failure.kind(),
                FailureKind::RateLimited(Some(Duration::from_secs(120)))
            );
        }
        // The fake clock stands at 2030-01-01T00:00:00Z.
        let later = Reply::status(429).header("Retry-After", "Tue, 01 Jan 2030 00:01:30 GMT");
        assert_eq!(
            failure(json!({}), later).kind(),
            FailureKind::RateLimited(Some(Duration::from_secs(90)))
        );
        let past = Reply::status(503).header("Retry-After", "Mon, 01 Jan 2029 00:00:00 GMT");
        assert_eq!(
            failure(json!({}), past).kind(),
            FailureKind::RateLimited(Some(Duration::ZERO))
        );
        let unreadable = Reply::status(503).header("Retry-After", "soon");
        assert_eq!(
            failure(json!({}), unreadable).kind(),
            FailureKind::Retryable
        );
        let permanent = Reply::status(404).header("Retry-After", "120");
        assert_eq!(failure(json!({}), permanent).kind(), FailureKind::Permanent);
    }

    #[test]
    fn is_accepted_where_the_step_says_so() {
        for (accept, status) in [
            (json!([404]), 404),
            (json!(["400-404"]), 402),
            (json!(["2xx", "5xx"]), 503),
            (json!(["302"]), 302),
        ] {
            let host = Host::new::<Connector>();
            host.reply(Reply::status(status));
            let output = host
                .run("send", json!({"url": URL, "accept_status": accept}))
                .expect("it is accepted");
            assert_eq!(output["status_code"], json!(status));
        }
    }

    #[test]
    fn that_the_step_does_not_list_fails_it_even_if_it_is_2xx() {
        let failure = failure(json!({"accept_status": [404]}), Reply::status(200));
        assert_eq!(
            (failure.kind(), failure.code()),
            (FailureKind::Permanent, "http-200")
        );
    }
}

mod no_answer {
    use super::*;

    #[test]
    fn says_whether_another_attempt_is_worth_it() {
        let told = || "told".to_owned();
        for (error, kind, code) in [
            (
                http::Error::Denied(told()),
                FailureKind::Permanent,
                "http-denied",
            ),
            (
                http::Error::InvalidRequest(told()),
                FailureKind::Permanent,
                "invalid-request",
            ),
            (
                http::Error::Dns(told()),
                FailureKind::Retryable,
                "dns-error",
            ),
            (
                http::Error::Connect(told()),
                FailureKind::Retryable,
                "connect-error",
            ),
            (
                http::Error::Tls(told()),
                FailureKind::Retryable,
                "tls-error",
            ),
            (http::Error::Timeout, FailureKind::Timeout, "timeout"),
            (
                http::Error::ResponseTooLarge(1024),
                FailureKind::Permanent,
                "response-too-large",
            ),
            (
                http::Error::Redirect(told()),
                FailureKind::Permanent,
                "redirect-error",
            ),
            (
                http::Error::Protocol(told()),
                FailureKind::Retryable,
                "protocol-error",
            ),
            (
                http::Error::Other(told()),
                FailureKind::Retryable,
                "http-error",
            ),
        ] {
            let host = Host::new::<Connector>();
            let message = error.to_string();
            host.fail(error);
            let failure = host
                .run("send", json!({"url": URL}))
                .expect_err("there is no answer");
            assert_eq!(
                (failure.kind(), failure.code(), failure.message()),
                (kind, code, message.as_str())
            );
            assert_eq!(
                failure.details(),
                Some(&json!({"url": URL, "method": "GET"}))
            );
        }
    }
}

mod a_configuration {
    use super::*;

    #[test]
    fn needs_a_url_that_is_absolute() {
        let host = Host::new::<Connector>();
        let failure = host.run("send", json!({})).expect_err("there is no url");
        assert_eq!(
            failure.message(),
            "the configuration does not hold: missing field `url`"
        );
        for url in [
            "",
            "example.com",
            "/hook",
            "ftp://example.com",
            "https://",
            "https:///x",
            "http://:80/",
        ] {
            assert_eq!(wrong(json!({"url": url})).len(), 1, "{url}");
        }
        assert_eq!(
            wrong(json!({"url": "http://x/a b"})),
            ["/url: must not hold spaces or control characters: write a space as %20"]
        );
    }

    #[test]
    fn is_refused_with_every_problem_and_its_path() {
        assert_eq!(
            wrong(json!({
                "method": "GET IT",
                "headers": {"bad name": "x"},
                "timeout": -1,
                "accept_status": [200, "all"],
                "follow_redirects": 99,
                "retries": 3,
            })),
            [
                "/method: must be an HTTP method such as \"POST\", not \"GET IT\"",
                "/headers/bad name: \"bad name\" is no name of a header: use letters, digits and dashes",
                "/timeout: must not be negative",
                "/accept_status/1: must be a status from 100 to 599 such as 404, a range such as \"400-404\" or a class such as \"2xx\"",
                "/follow_redirects: must be true, false, or a number from 0 to 20",
                "/retries: unknown field `retries`, expected one of `url`, `method`, `headers`, `body`, `timeout`, `accept_status`, `follow_redirects`",
            ]
        );
        assert_eq!(
            wrong(json!({"timeout": 0})),
            ["/timeout: must be more than nothing: leave it out for 30 seconds"]
        );
    }

    #[test]
    fn cannot_smuggle_a_header() {
        assert_eq!(
            wrong(json!({"headers": {"x": "a\r\nHost: evil"}})),
            [
                "/headers/x: the value of a header must not hold line breaks or other control characters"
            ]
        );
        assert_eq!(
            wrong(json!({"headers": {"Host": "evil"}})),
            [
                "/headers/Host: the header \"Host\" is set by the host, which holds the connection: leave it out"
            ]
        );
        assert_eq!(wrong(json!({"headers": {"x": "1", "X": "2"}})).len(), 1);
        assert_eq!(
            wrong(json!({"headers": {"x": ["a"]}})),
            ["/headers/x: the value of a header must be text, a number, true or false"]
        );
    }

    #[test]
    fn is_not_judged_where_an_expression_stands() {
        let host = Host::new::<Connector>();
        let draft = json!({
            "url": "${payload.url}",
            "method": "${payload.method}",
            "headers": {"authorization": "Bearer ${payload.token}\n"},
            "timeout": "${payload.timeout}",
            "accept_status": ["${payload.status}"],
        });
        assert_eq!(host.validate("send", draft), []);
        assert_eq!(host.validate("send", json!({"headers": {"x": null}})), []);
        // What an expression came to is judged before anything is sent.
        let failure = host
            .run("send", json!({"url": URL, "headers": {"x": null}}))
            .expect_err("null is no header");
        assert_eq!(failure.code(), "invalid-config");
        assert!(host.requests().is_empty());
    }
}
