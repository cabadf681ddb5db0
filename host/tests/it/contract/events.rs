//! What happened to a run: pages, streams, and what its steps said.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{Api, NOBODY, nap};

pub(super) async fn what_happened_is_read_in_pages(api: &Api) {
    let workflow = api.create(&nap(0.0)).await;
    let body = json!({"workflow_id": workflow, "payload": {"n": 1}});
    let run = api.post("/api/v1/trigger?wait=20s", &body).await.ok();
    let path = format!(
        "/api/v1/runs/{}/events",
        run["id"].as_str().expect("a text")
    );
    let mut events: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = api.get(&format!("{path}?limit=1{cursor}")).await.ok();
        let items = page["items"].as_array().expect("it is a list");
        events.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let whole = api.get(&path).await.ok();
    assert_eq!(whole["items"], json!(events));
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str()).collect();
    assert_eq!(types.first(), Some(&Some("run-created")));
    assert_eq!(types.last(), Some(&Some("run-succeeded")));
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64()).collect();
    assert_eq!(seqs, (0..events.len() as u64).map(Some).collect::<Vec<_>>());
    assert_eq!(events[0]["payload"], json!({"n": 1}));
    assert_eq!(events[0]["workflow_id"], json!(workflow));
    let succeeded = events
        .iter()
        .find(|event| event["type"] == "step-succeeded");
    let output = &succeeded.expect("the step succeeded")["output"];
    assert_eq!(output["type"], "delay");

    let nobody = format!("/api/v1/runs/{NOBODY}/events");
    api.get(&nobody).await.problem(404, "unknown-run");
    let refused = api.get(&format!("{path}?cursor=x&limit=0")).await;
    assert_eq!(refused.places("invalid-request"), ["limit", "cursor"]);
}

/// A stream that is being read.
struct Stream {
    response: Response,
    read: String,
}

impl Stream {
    async fn open(api: &Api, run: &str, last: Option<&str>) -> Response {
        let path = format!("/api/v1/runs/{run}/events");
        let mut request = api.request(Method::GET, &path);
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.send().await.expect("the server answers")
    }

    fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            read: String::new(),
        }
    }

    /// The next message, as its fields; nothing where the stream has ended.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some((message, rest)) = self.read.split_once("\n\n") {
                let message = Message::read(message);
                self.read = rest.to_owned();
                if let Some(message) = message {
                    return Some(message);
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk());
            let chunk = chunk
                .await
                .expect("something comes")
                .expect("it is whole")?;
            self.read += std::str::from_utf8(&chunk).expect("it is text");
        }
    }

    async fn rest(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Message {
    id: String,
    event: String,
    data: Value,
}

impl Message {
    fn read(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.trim_start_matches(": ").to_owned())
        };
        Some(Self {
            id: field("id").unwrap_or_default(),
            event: field("event")?,
            data: serde_json::from_str(&field("data")?).expect("it is JSON"),
        })
    }
}

pub(super) async fn what_happens_is_streamed_and_taken_up_again(api: &Api) {
    let workflow = api.create(&nap(1.5)).await;
    let run = api.trigger(&workflow).await;
    let mut stream = Stream::of(Stream::open(api, &run, None).await);
    let first = stream.next().await.expect("the run has begun");
    assert_eq!(
        (first.id.as_str(), first.event.as_str()),
        ("0", "run-created")
    );
    assert_eq!(first.data["type"], "run-created");
    let mut asleep = first.clone();
    while asleep.event != "step-suspended" {
        asleep = stream.next().await.expect("it goes to sleep");
    }
    let behind_it = asleep.data["seq"].as_u64().expect("a number") + 1;
    let behind_it = usize::try_from(behind_it).expect("small");
    // Cut off here, it goes on behind that.
    drop(stream);
    let again = Stream::of(Stream::open(api, &run, Some(&asleep.id)).await);
    let rest = again.rest().await;
    let (end, events) = rest.split_last().expect("there is an end");
    assert_eq!(
        (end.event.as_str(), &end.data),
        ("end", &json!({"status": "success"}))
    );
    let seqs: Vec<_> = events.iter().map(|message| message.id.as_str()).collect();
    let page = api.get(&format!("/api/v1/runs/{run}/events")).await.ok();
    let expected = page["items"].as_array().expect("it is a list");
    let behind: Vec<_> = expected[behind_it..]
        .iter()
        .map(|event| event["seq"].to_string())
        .collect();
    assert_eq!(seqs, behind);
    let told: Vec<_> = events.iter().map(|message| message.data.clone()).collect();
    assert_eq!(told, expected[behind_it..]);
    // All of it once more, and then nothing that could come any more.
    let whole = Stream::of(Stream::open(api, &run, None).await).rest().await;
    assert_eq!(whole.len(), expected.len() + 1);
    let last = &events.last().expect("there are some").id;
    let over = Stream::open(api, &run, Some(last)).await;
    assert_eq!(over.status(), 204, "who asks again may stop");

    let refused = Stream::open(api, NOBODY, None).await;
    assert_eq!(refused.status(), 404);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    let refused = Stream::open(api, &run, Some("x")).await;
    assert_eq!(refused.status(), 422);
}

pub(super) async fn what_steps_said_is_read(api: &Api) {
    // The connector that comes with every server says nothing: there is a page all the same, and words for what is wrong.
    let workflow = api.create(&nap(0.0)).await;
    let run = api.trigger(&workflow).await;
    let path = format!("/api/v1/runs/{run}/logs");
    let page = api.get(&format!("{path}?step=nap&level=info")).await.ok();
    assert_eq!(page["next_cursor"], Value::Null);
    assert!(page["items"].is_array());
    let refused = api.get(&format!("{path}?level=loud&cursor=7")).await;
    assert_eq!(refused.places("invalid-request"), ["cursor", "level"]);
    let nobody = format!("/api/v1/runs/{NOBODY}/logs");
    api.get(&nobody).await.problem(404, "unknown-run");
}
