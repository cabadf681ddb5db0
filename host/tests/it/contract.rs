//! The REST contract, asked of a server that runs: the harness starts one and passes its address.
//!
//! The server needs the plugin `delay` and the default limits. What is left behind (some finished runs) disturbs nobody.

mod definitions;
mod events;
mod stats;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// Asks everything.
pub(crate) async fn check_contract(base: &str) {
    let api = Api {
        base: base.trim_end_matches('/').to_owned(),
        client: Client::new(),
    };
    the_root_and_the_health(&api).await;
    a_workflow_is_created_and_read(&api).await;
    a_definition_that_does_not_hold_is_refused_with_everything_wrong(&api).await;
    a_body_that_cannot_be_read_is_refused(&api).await;
    a_trigger_answers_with_the_run_it_made(&api).await;
    a_trigger_can_wait_for_the_end(&api).await;
    a_trigger_that_does_not_hold_is_refused(&api).await;
    an_idempotency_key_makes_one_run(&api).await;
    a_run_is_cancelled_once(&api).await;
    a_signal_is_taken_by_a_run_that_goes_on(&api).await;
    runs_are_listed_in_pages(&api).await;
    definitions::a_workflow_gets_versions(&api).await;
    definitions::versions_are_compared(&api).await;
    definitions::a_definition_is_checked_and_not_created(&api).await;
    definitions::workflows_are_listed_and_searched(&api).await;
    definitions::a_workflow_is_archived_restored_and_deleted(&api).await;
    events::what_happened_is_read_in_pages(&api).await;
    events::what_happens_is_streamed_and_taken_up_again(&api).await;
    events::what_steps_said_is_read(&api).await;
    stats::runs_are_counted_by_state(&api).await;
    stats::runs_are_counted_over_time(&api).await;
    what_is_not_there_is_a_problem(&api).await;
    the_api_describes_itself(&api).await;
}

struct Api {
    base: String,
    client: Client,
}

struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Api {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("the answer is text");
        assert!(headers.contains_key("x-request-id"), "{status} {text}");
        Answer {
            status,
            headers,
            text,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    async fn create(&self, definition: &Value) -> String {
        let created = self.post("/api/v1/workflows", definition).await.ok();
        created["workflow_id"]
            .as_str()
            .expect("it is a text")
            .to_owned()
    }

    async fn trigger(&self, workflow: &str) -> String {
        let triggered = self
            .post("/api/v1/trigger", &json!({"workflow_id": workflow}))
            .await
            .ok();
        triggered["run_id"]
            .as_str()
            .expect("it is a text")
            .to_owned()
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        self.json()
    }

    #[track_caller]
    fn problem(&self, status: u16, page: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("/docs/errors/{page}"));
        assert_eq!(
            problem["request_id"],
            self.headers["x-request-id"].to_str().expect("it is text")
        );
        for field in ["title", "detail"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{problem}"
            );
        }
        problem
    }

    /// The places that a 422 complains of.
    #[track_caller]
    fn places(&self, page: &str) -> Vec<String> {
        let problem = self.problem(422, page);
        let errors = problem["errors"]
            .as_array()
            .expect("there is a list of errors");
        errors
            .iter()
            .map(|error| error["path"].as_str().expect("a path is text").to_owned())
            .collect()
    }
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("it is an object")
        .keys()
        .map(String::as_str)
        .collect()
}

fn nap(seconds: f64) -> Value {
    json!({"id": "naps", "name": "naps", "description": "for the contract", "steps": [
        {"name": "first", "type": "delay", "config": {"duration": 0}},
        {"name": "nap", "type": "delay", "config": {"duration": seconds}},
    ]})
}

/// An identifier that nothing has.
const NOBODY: &str = "018bcfe5-6800-7707-8707-07070707abcd";

async fn the_root_and_the_health(api: &Api) {
    assert_eq!(api.get("/").await.text, r#"{"message":"Hello World"}"#);
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(api.get(path).await.ok()["status"], "ok");
    }
}

async fn a_workflow_is_created_and_read(api: &Api) {
    let mut sent = nap(0.0);
    sent["uuid"] = json!(NOBODY);
    let created = api.post("/api/v1/workflows", &sent).await.ok();
    assert_eq!(keys(&created), ["message", "workflow_id"]);
    assert_eq!(created["message"], "Workflow created successfully");
    let id = created["workflow_id"].as_str().expect("it is a text");
    assert_eq!((id.len(), &id[14..15]), (36, "7"), "a UUIDv7 with dashes");

    let workflow = api.get(&format!("/api/v1/workflows/{id}")).await.ok();
    assert_eq!(
        keys(&workflow),
        [
            "uuid",
            "id",
            "name",
            "description",
            "steps",
            "version",
            "created_at",
            "archived_at"
        ]
    );
    assert_eq!(workflow["uuid"], id);
    assert_eq!(workflow["version"], 1);
    for field in ["id", "name", "description", "steps"] {
        assert_eq!(workflow[field], sent[field]);
    }
    let without_dashes = api
        .get(&format!("/api/v1/workflows/{}", id.replace('-', "")))
        .await
        .ok();
    assert_eq!(without_dashes, workflow);

    let bare = json!({"name": "bare", "steps": [{"name": "nap", "type": "delay", "config": {"duration": 0}}]});
    let bare = api.create(&bare).await;
    let bare = api.get(&format!("/api/v1/workflows/{bare}")).await.ok();
    assert_eq!(
        (&bare["id"], &bare["description"]),
        (&Value::Null, &Value::Null)
    );
}

async fn a_definition_that_does_not_hold_is_refused_with_everything_wrong(api: &Api) {
    let definition = json!({"nam": "x", "steps": [
        {"name": "a", "type": "delay", "config": {"duration": 0}, "nedds": []},
        {"name": "a", "type": "delayy", "config": {"duration": 0}},
    ]});
    let answer = api.post("/api/v1/workflows", &definition).await;
    let places = answer.places("invalid-definition");
    for place in [
        "/name",
        "/nam",
        "/steps/0/nedds",
        "/steps/1/name",
        "/steps/1/type",
    ] {
        assert!(
            places.iter().any(|found| found == place),
            "{place} is not in {places:?}"
        );
    }
    assert!(
        answer.text.contains(r#"did you mean \"needs\"?"#),
        "{}",
        answer.text
    );
}

async fn a_body_that_cannot_be_read_is_refused(api: &Api) {
    for path in ["/api/v1/workflows", "/api/v1/trigger"] {
        let post = || api.request(Method::POST, path);
        let json = || post().header("content-type", "application/json");
        let malformed = api
            .send(json().body("{\n \"name\": }"))
            .await
            .problem(400, "malformed-json");
        assert!(
            malformed["detail"]
                .as_str()
                .is_some_and(|detail| detail.contains("line 2 column 10")),
            "{malformed}"
        );
        api.send(json().body(""))
            .await
            .problem(400, "malformed-json");
        api.send(post().body("{}"))
            .await
            .problem(415, "wrong-content-type");
        api.send(post().header("content-type", "text/plain").body("{}"))
            .await
            .problem(415, "wrong-content-type");
        let charset = post().header("content-type", "application/json; charset=UTF-8");
        assert_eq!(api.send(charset.body("[]")).await.status, 422);
    }
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(1 << 20));
    let large = api
        .request(Method::POST, "/api/v1/workflows")
        .header("content-type", "application/json")
        .body(large);
    let large = api.send(large).await.problem(413, "too-large");
    assert_eq!(
        large["detail"],
        "the definition is larger than 1048576 bytes, the limit (limits.definition_max_bytes)"
    );
    let payload = json!({"workflow_id": NOBODY, "payload": {"text": "x".repeat(2 << 20)}});
    let large = api
        .post("/api/v1/trigger", &payload)
        .await
        .problem(413, "too-large");
    assert_eq!(
        large["detail"],
        "the payload is larger than 2097152 bytes, the limit (limits.payload_max_bytes)"
    );
}

async fn a_trigger_answers_with_the_run_it_made(api: &Api) {
    let workflow = api.create(&nap(60.0)).await;
    let payload = json!({"order_id": 7, "text": "ü\"\\"});
    let triggered = api
        .post(
            "/api/v1/trigger",
            &json!({"workflow_id": workflow, "payload": payload}),
        )
        .await
        .ok();
    assert_eq!(keys(&triggered), ["run_id", "status"]);
    assert_eq!(triggered["status"], "triggered");
    let id = triggered["run_id"].as_str().expect("it is a text");
    let run = api.get(&format!("/api/v1/runs/{id}")).await.ok();
    let fields = [
        "uuid",
        "id",
        "workflow_id",
        "workflow_version",
        "status",
        "payload",
        "created_at",
        "started_at",
        "completed_at",
        "output",
        "error",
        "failure",
        "waiting_for",
        "step_results",
    ];
    assert_eq!(keys(&run), fields);
    assert_eq!((&run["uuid"], &run["id"]), (&json!(id), &json!(id)));
    assert_eq!(
        (&run["workflow_id"], &run["workflow_version"]),
        (&json!(workflow), &json!(1))
    );
    assert_eq!(run["payload"], payload);
    assert_eq!(keys(&run["step_results"]), ["first", "nap"]);
    let created_at = run["created_at"].as_str().expect("it is a text");
    assert_eq!(
        (created_at.len(), &created_at[26..]),
        (27, "Z"),
        "RFC 3339 with microseconds: {created_at}"
    );
    assert_eq!(
        api.get(&format!("/api/v1/runs/{}", id.replace('-', "")))
            .await
            .ok()["id"],
        id
    );
    api.post(&format!("/api/v1/runs/{id}/cancel"), &json!({}))
        .await
        .ok();
}

async fn a_trigger_can_wait_for_the_end(api: &Api) {
    let workflow = api.create(&nap(0.05)).await;
    let run = api
        .post(
            "/api/v1/trigger?wait=30s",
            &json!({"workflow_id": workflow}),
        )
        .await
        .ok();
    assert_eq!(
        (&run["status"], &run["payload"]),
        (&json!("success"), &json!({}))
    );
    assert_eq!(
        (&run["error"], &run["failure"], &run["waiting_for"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    let step = &run["step_results"]["nap"];
    assert_eq!(
        keys(step)[..7],
        [
            "step_name",
            "status",
            "attempt",
            "started_at",
            "completed_at",
            "output",
            "error"
        ]
    );
    assert_eq!(
        (&step["step_name"], &step["status"]),
        (&json!("nap"), &json!("success"))
    );
    assert_eq!(step["output"]["type"], "delay");
    let times = [
        &run["created_at"],
        &run["started_at"],
        &step["started_at"],
        &step["completed_at"],
        &run["completed_at"],
    ];
    let times: Vec<_> = times
        .iter()
        .map(|time| time.as_str().expect("it is a text"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");

    let workflow = api.create(&nap(60.0)).await;
    let answer = api
        .post(
            "/api/v1/trigger?wait=500ms",
            &json!({"workflow_id": workflow}),
        )
        .await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let run = answer.json();
    assert_eq!(run["status"], "running");
    for waits in [
        &run["waiting_for"],
        &run["step_results"]["nap"]["waiting_for"],
    ] {
        assert_eq!(
            (&waits["kind"], &waits["step"]),
            (&json!("time"), &json!("nap"))
        );
        assert!(
            waits["until"].as_str() > run["created_at"].as_str(),
            "{run}"
        );
    }
    assert_eq!(run["step_results"]["first"]["status"], "success");
    assert_eq!(run["step_results"]["nap"]["status"], "running");
    let id = run["id"].as_str().expect("it is a text");
    api.post(&format!("/api/v1/runs/{id}/cancel"), &json!({}))
        .await
        .ok();
}

async fn a_trigger_that_does_not_hold_is_refused(api: &Api) {
    let trigger = async |body: Value| api.post("/api/v1/trigger", &body).await;
    let unknown = trigger(json!({"workflow_id": NOBODY}))
        .await
        .problem(404, "unknown-workflow");
    assert_eq!(unknown["detail"], format!("Workflow {NOBODY} not found"));
    let answer = trigger(json!({"workflow": NOBODY, "payload": []})).await;
    assert_eq!(
        answer.places("invalid-request"),
        ["/workflow", "/workflow_id", "/payload"]
    );
    assert!(
        answer.text.contains(r#"did you mean \"workflow_id\"?"#),
        "{}",
        answer.text
    );
    assert_eq!(
        trigger(json!({"workflow_id": 7}))
            .await
            .places("invalid-request"),
        ["/workflow_id"]
    );
    for query in ["wait=1h", "wait=soon", "wiat=1s"] {
        let answer = api
            .post(
                &format!("/api/v1/trigger?{query}"),
                &json!({"workflow_id": NOBODY}),
            )
            .await;
        assert_eq!(
            answer.places("invalid-request"),
            [query.split_once('=').map_or("", |(name, _)| name)]
        );
    }
}

async fn an_idempotency_key_makes_one_run(api: &Api) {
    let workflow = api.create(&nap(0.0)).await;
    let trigger = async |payload: Value| {
        let body = json!({"workflow_id": workflow, "payload": payload});
        let request = api
            .request(Method::POST, "/api/v1/trigger")
            .header("idempotency-key", "order-7")
            .json(&body);
        api.send(request).await
    };
    let first = trigger(json!({"order": 7})).await.ok();
    assert_eq!(trigger(json!({"order": 7})).await.ok(), first);
    trigger(json!({"order": 8}))
        .await
        .problem(409, "idempotency-key-reused");
    let empty = api
        .request(Method::POST, "/api/v1/trigger")
        .header("idempotency-key", "");
    let empty = api
        .send(empty.json(&json!({"workflow_id": workflow})))
        .await;
    assert_eq!(empty.places("invalid-request"), ["Idempotency-Key"]);
}

async fn a_signal_is_taken_by_a_run_that_goes_on(api: &Api) {
    let workflow = api.create(&nap(60.0)).await;
    let run = api.trigger(&workflow).await;
    let path = format!("/api/v1/runs/{run}/signals/approved");
    let with_key = |key: &str| {
        let request = api
            .request(Method::POST, &path)
            .header("Idempotency-Key", key);
        request.json(&json!({"by": "Ada"}))
    };
    for _ in 0..2 {
        let sent = api.send(with_key("click-7")).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        let told = json!({"run_id": run, "name": "approved", "status": "accepted"});
        assert_eq!(sent.json(), told);
    }
    let without_body = api.send(api.request(Method::POST, &path)).await;
    assert_eq!(without_body.status, 202);
    let text = api.request(Method::POST, &path).body("yes");
    api.send(text).await.problem(415, "wrong-content-type");
    let broken = api.request(Method::POST, &path);
    let broken = broken.header("Content-Type", "application/json").body("{");
    api.send(broken).await.problem(400, "malformed-json");
    let long = format!("/api/v1/runs/{run}/signals/{}", "x".repeat(129));
    let long = api.send(api.request(Method::POST, &long)).await;
    assert_eq!(long.places("invalid-request"), ["name"]);
    let unknown = format!("/api/v1/runs/{NOBODY}/signals/approved");
    let unknown = api.send(api.request(Method::POST, &unknown)).await;
    unknown.problem(404, "unknown-run");
    api.post(&format!("/api/v1/runs/{run}/cancel"), &json!({}))
        .await
        .ok();
    let late = api.send(api.request(Method::POST, &path)).await;
    late.problem(409, "run-finished");
}

async fn a_run_is_cancelled_once(api: &Api) {
    let workflow = api.create(&nap(60.0)).await;
    let run = api.trigger(&workflow).await;
    let path = format!("/api/v1/runs/{run}/cancel");
    assert_eq!(
        api.post(&path, &json!({"raeson": "x"}))
            .await
            .places("invalid-request"),
        ["/raeson"]
    );
    let cancelled = api
        .post(&path, &json!({"reason": "for the contract"}))
        .await
        .ok();
    assert_eq!(
        (&cancelled["id"], &cancelled["status"]),
        (&json!(run), &json!("cancelled"))
    );
    assert!(cancelled["completed_at"].is_string());
    let again = api.send(api.request(Method::POST, &path)).await;
    again.problem(409, "run-finished");
    let unknown = api
        .send(api.request(Method::POST, &format!("/api/v1/runs/{NOBODY}/cancel")))
        .await;
    assert_eq!(
        unknown.problem(404, "unknown-run")["detail"],
        "Workflow run not found"
    );
}

async fn runs_are_listed_in_pages(api: &Api) {
    let workflow = api.create(&nap(0.0)).await;
    let mut triggered = Vec::new();
    for _ in 0..5 {
        triggered.push(api.trigger(&workflow).await);
    }
    let walk = async |query: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = api
                .get(&format!(
                    "/api/v1/runs?workflow_id={workflow}&limit=2&{query}{cursor}"
                ))
                .await
                .ok();
            assert_eq!(keys(&page), ["items", "next_cursor", "limit"]);
            assert_eq!(page["limit"], 2);
            let items = page["items"].as_array().expect("it is a list");
            found.extend(
                items
                    .iter()
                    .map(|item| item["id"].as_str().expect("it is a text").to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    };
    assert_eq!(walk("order=asc").await, triggered);
    let mut newest_first = triggered.clone();
    newest_first.reverse();
    assert_eq!(walk("").await, newest_first);

    let page = api
        .get(&format!("/api/v1/runs?workflow_id={workflow}"))
        .await
        .ok();
    assert_eq!(page["limit"], 50);
    let item = &page["items"][0];
    let fields = [
        "uuid",
        "id",
        "workflow_id",
        "workflow_version",
        "status",
        "payload",
        "created_at",
        "started_at",
        "completed_at",
        "error",
    ];
    assert_eq!(keys(item), fields);
    let created_at = item["created_at"].as_str().expect("it is a text");
    let count = async |query: String| {
        let page = api
            .get(&format!("/api/v1/runs?workflow_id={workflow}&{query}"))
            .await
            .ok();
        page["items"].as_array().expect("it is a list").len()
    };
    assert_eq!(count("status=paused".to_owned()).await, 0);
    assert_eq!(
        count("status=pending,running&status=success".to_owned()).await,
        5
    );
    assert_eq!(count(format!("created_from={created_at}")).await, 1);
    assert_eq!(count(format!("created_before={created_at}")).await, 4);

    let answer = api
        .get("/api/v1/runs?limit=0&cursor=x&status=done&order=up&limt=5")
        .await;
    assert_eq!(
        answer.places("invalid-request"),
        ["limit", "cursor", "status", "order", "limt"]
    );
    assert_eq!(
        api.get("/api/v1/runs?limit=201")
            .await
            .places("invalid-request"),
        ["limit"]
    );
}

async fn what_is_not_there_is_a_problem(api: &Api) {
    let run = api
        .get(&format!("/api/v1/runs/{NOBODY}"))
        .await
        .problem(404, "unknown-run");
    assert_eq!(run["detail"], "Workflow run not found");
    let without_dashes = NOBODY.replace('-', "");
    let workflow = api
        .get(&format!("/api/v1/workflows/{without_dashes}"))
        .await
        .problem(404, "unknown-workflow");
    assert_eq!(workflow["detail"], format!("Workflow {NOBODY} not found"));
    assert_eq!(
        api.get("/api/v1/runs/7").await.places("invalid-request"),
        ["run_id"]
    );
    assert_eq!(api.get("/api/v1/workflows/%FF").await.status, 422);
    api.get("/api/v1/nothing")
        .await
        .problem(404, "unknown-route");
    let answer = api
        .send(api.request(Method::DELETE, "/api/v1/trigger"))
        .await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.headers["allow"], "POST");
    let named = api
        .request(Method::GET, "/api/v1/nothing")
        .header("x-request-id", "contract-1");
    assert_eq!(
        api.send(named).await.problem(404, "unknown-route")["request_id"],
        "contract-1"
    );
}

async fn the_api_describes_itself(api: &Api) {
    let document = api.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/trigger"]["post"].is_object());
    let pages = api.get("/docs/").await;
    assert!(
        pages.status == 200 && pages.text.contains("swagger"),
        "{}",
        pages.text
    );
    let page = api.get("/docs/errors/unknown-run").await;
    assert!(
        page.status == 200 && page.text.starts_with("# Unknown run (404)"),
        "{}",
        page.text
    );
    api.get("/docs/errors/nothing")
        .await
        .problem(404, "unknown-route");
    let metrics = api.get("/metrics").await;
    assert!(
        metrics
            .text
            .contains("millwork_http_request_duration_seconds_bucket"),
        "{}",
        metrics.text
    );
    let plugins = api.get("/api/v1/plugins").await.ok();
    let names = plugins["items"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|plugin| &plugin["name"]);
    assert!(names.into_iter().any(|name| name == "delay"), "{plugins}");
}
