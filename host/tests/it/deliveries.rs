//! Events out: every end of a run reaches those who want to know, whatever dies in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millwork::engine::{Options, RetryFrom, RetryWith};
use millwork::events::{Answer, SigningKey, Webhook, Wish, sign};
use millwork_bench::api::Api;
use millwork_bench::process::{Millwork, Server as _, ServerOptions};
use millwork_bench::sink::{Call, Sink, Temper};
use millwork_core::id::RunId;
use millwork_core::run::RunStatus;
use millwork_store::{Deliveries as _, Delivery, DeliveryQuery, DeliveryState};
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use crate::plugins::pause;
use crate::support::cluster::{Cluster, TIMEOUT, open};
use crate::support::harness::{Harness, Setup, breathe, workflow};
use crate::support::receiver::{self, RETRY_FOR, Receiver, SECRET, webhook};

const SECOND: Duration = Duration::from_secs(1);

/// A host in memory whose ends go to some webhooks.
struct Told {
    host: Harness,
    receiver: Arc<Receiver>,
    _couriers: DropGuard,
}

impl Told {
    fn start(webhooks: Vec<Webhook>) -> Self {
        let audience = receiver::audience(&webhooks);
        let host = Harness::with(Setup {
            options: Options {
                audience: Some(Arc::clone(&audience)),
                ..Options::default()
            },
            ..Setup::default()
        });
        let receiver = Receiver::new(&host.clock);
        let couriers = receiver::start(webhooks, &audience, &host.store, &host.clock, &receiver);
        Self {
            host,
            receiver,
            _couriers: couriers,
        }
    }

    async fn run(&self, kind: &str) -> RunId {
        let steps = json!([{"name": "a", "type": kind}]);
        let workflow = self.host.create(workflow(&steps)).await;
        let run = self.host.trigger(workflow, json!({})).await;
        self.host.finished(run).await;
        run
    }

    async fn kept(&self) -> Vec<Delivery> {
        let query = DeliveryQuery {
            webhook: None,
            run: None,
            state: None,
            after: None,
            limit: 100,
        };
        let kept = self.host.store.list_deliveries(query).await;
        kept.expect("memory answers")
    }

    /// Waits, without moving the clock, until so many requests have come.
    async fn came(&self, count: usize) -> Vec<Value> {
        for _ in 0..5_000 {
            let came = self.receiver.came();
            if came.len() >= count {
                return came.iter().map(|(_, sent)| body(&sent.body)).collect();
            }
            breathe().await;
        }
        panic!("{count} requests have not come: {:?}", self.receiver.came());
    }

    /// Waits, without moving the clock, until something holds of what is kept.
    async fn until(&self, what: &str, holds: impl Fn(&[Delivery]) -> bool) {
        for _ in 0..5_000 {
            if holds(&self.kept().await) {
                return;
            }
            breathe().await;
        }
        panic!("{what} has not come about: {:?}", self.kept().await);
    }
}

fn body(text: &str) -> Value {
    serde_json::from_str(text).expect("an event is JSON")
}

#[tokio::test]
async fn an_end_reaches_a_webhook_signed_and_is_forgotten() {
    let told = Told::start(vec![webhook("shop")]);
    let run = told.run("broken").await;
    let events = told.came(1).await;
    let event = &events[0];
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "millwork.run.failed");
    assert_eq!(event["source"], "/test");
    assert_eq!(event["subject"], run.to_string());
    assert_eq!(event["id"], format!("{run}-0"));
    let data = &event["data"];
    assert_eq!(data["run_id"], run.to_string());
    assert_eq!(data["workflow"], "test");
    assert_eq!(data["status"], "failed");
    assert_eq!(data["error"]["step"], "a");
    assert_eq!(data["error"]["message"], "it is broken");
    let (_, sent) = &told.receiver.came()[0];
    let header = |name: &str| {
        let found = sent.headers.iter().find(|(of, _)| *of == name);
        found.expect("it is there").1.clone()
    };
    assert_eq!(header("webhook-id"), format!("{run}-0"));
    let seconds: i64 = header("webhook-timestamp").parse().expect("a number");
    assert_eq!(seconds, 1_800_000_000);
    let key = SigningKey::read(SECRET).expect("it is a key");
    let signature = sign(&[key], &header("webhook-id"), seconds, &sent.body);
    assert_eq!(header("webhook-signature"), signature);
    told.until("nothing is kept", <[_]>::is_empty).await;
}

#[tokio::test]
async fn every_kind_of_end_is_told_to_those_who_want_it() {
    let failures = Webhook {
        wish: Wish {
            types: vec!["millwork.run.failed".to_owned()],
            ..webhook("failures").wish
        },
        ..webhook("failures")
    };
    let others = Webhook {
        wish: Wish {
            workflows: vec!["others".to_owned()],
            ..webhook("others").wish
        },
        ..webhook("others")
    };
    let labelled = Webhook {
        wish: Wish {
            labels: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
            ..webhook("labelled").wish
        },
        ..webhook("labelled")
    };
    let told = Told::start(vec![webhook("all"), failures, others, labelled]);
    told.run("echo").await;
    told.run("broken").await;
    let steps = json!([{"name": "a", "type": "delay", "config": {"duration": 3600}}]);
    let sleeper = told.host.create(workflow(&steps)).await;
    let run = told.host.trigger(sleeper, json!({})).await;
    let waits = "the sleep";
    let is_asleep = |view: &millwork::engine::RunView| view.run.status() == RunStatus::Running;
    told.host.until(run, waits, is_asleep).await;
    let cancelled = told.host.engine.cancel_run(run, None).await;
    cancelled.expect("it is cancelled");
    told.host.finished(run).await;
    told.came(4).await;
    told.host.settle().await;
    let came = told.receiver.came();
    let mut told_to: Vec<_> = came
        .iter()
        .map(|(_, sent)| {
            let kind = body(&sent.body)["type"].as_str().map(str::to_owned);
            (sent.url.host().map(str::to_owned), kind)
        })
        .collect();
    told_to.sort();
    let expected = [
        ("all.example", "millwork.run.cancelled"),
        ("all.example", "millwork.run.failed"),
        ("all.example", "millwork.run.succeeded"),
        ("failures.example", "millwork.run.failed"),
    ];
    let expected = expected.map(|(host, kind)| (Some(host.to_owned()), Some(kind.to_owned())));
    assert_eq!(told_to, expected);
}

#[tokio::test]
async fn what_does_not_arrive_is_sent_again_with_growing_waits_and_the_same_id() {
    let told = Told::start(vec![webhook("shop")]);
    told.receiver.answer_with(Err("nobody is there".to_owned()));
    told.receiver.answer(503, 2);
    told.run("echo").await;
    let mut passed = Duration::ZERO;
    for attempt in 1..=4 {
        told.came(attempt).await;
        // The longest that the next wait may be; a claim is longer.
        let wait = passed.max(5 * SECOND);
        let next = told.host.now().after(wait);
        let is_noted = |kept: &[Delivery]| {
            kept.iter()
                .all(|of| of.attempts as usize == attempt && of.due_at <= Some(next))
        };
        told.until("the attempt is noted", is_noted).await;
        if attempt == 1 {
            let kept = told.kept().await;
            assert_eq!(kept[0].failure.as_deref(), Some("nobody is there"));
        }
        told.host.clock.advance(wait);
        passed += wait;
    }
    told.until("nothing is kept", <[_]>::is_empty).await;
    let came = told.receiver.came();
    let ids: BTreeSet<_> = came.iter().map(|(_, sent)| &sent.headers[0].1).collect();
    assert_eq!((came.len(), ids.len()), (4, 1));
    let bodies: BTreeSet<_> = came.iter().map(|(_, sent)| &sent.body).collect();
    assert_eq!(bodies.len(), 1, "what is signed anew is the same");
}

#[tokio::test]
async fn a_wait_that_the_receiver_asks_for_is_kept() {
    let told = Told::start(vec![webhook("shop")]);
    told.receiver.answer_with(Ok(Answer {
        status: 429,
        retry_after: Some(Duration::from_secs(600)),
    }));
    told.run("echo").await;
    told.came(1).await;
    let is_noted = |kept: &[Delivery]| kept[0].failure.is_some();
    told.until("the attempt is noted", is_noted).await;
    let due = told.kept().await[0].due_at;
    assert_eq!(due, Some(told.host.now().after(Duration::from_secs(600))));
}

#[tokio::test]
async fn what_was_tried_for_long_enough_is_given_up_and_can_be_sent_again() {
    let told = Told::start(vec![webhook("shop")]);
    told.receiver.answer(500, 1_000);
    let run = told.run("broken").await;
    let is_given_up = |kept: &[Delivery]| {
        kept.first()
            .is_some_and(|of| of.state() == DeliveryState::Exhausted)
    };
    let mut passed = Duration::ZERO;
    while !is_given_up(&told.kept().await) {
        assert!(passed < 2 * RETRY_FOR, "{:?}", told.kept().await);
        told.host.settle().await;
        told.host.clock.advance(Duration::from_secs(1_800));
        passed += Duration::from_secs(1_800);
    }
    assert!(passed >= RETRY_FOR, "{passed:?}");
    let kept = told.kept().await.remove(0);
    assert_eq!(kept.run, run);
    assert_eq!(kept.failure.as_deref(), Some("the webhook answered 500"));
    let before = told.receiver.came().len();
    told.host.clock.advance(RETRY_FOR);
    told.host.settle().await;
    assert_eq!(told.receiver.came().len(), before, "nobody tries any more");
    let resent = told.host.engine.resend_exhausted(Some("desk".to_owned()));
    assert_eq!(resent.await.expect("memory answers"), 0);
    let resent = told.host.engine.resend_delivery(kept.id).await;
    assert_eq!(resent.expect("it is there").since, told.host.now());
    // It is as new: one failure does not end it.
    told.came(before + 1).await;
    let is_pending = |kept: &[Delivery]| kept[0].due_at.is_some_and(|at| at > told.host.now());
    told.until("the next attempt is set", is_pending).await;
}

#[tokio::test]
async fn a_receiver_that_wants_no_more_is_not_asked_again() {
    let told = Told::start(vec![webhook("shop")]);
    told.receiver.answer(410, 1);
    told.run("echo").await;
    let is_given_up = |kept: &[Delivery]| {
        kept.first()
            .is_some_and(|of| of.state() == DeliveryState::Exhausted)
    };
    told.until("it is given up", is_given_up).await;
    let resent = told.host.engine.resend_exhausted(None).await;
    assert_eq!(resent.expect("memory answers"), 1);
    told.until("nothing is kept", <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_webhook_that_hangs_keeps_no_other_waiting() {
    let told = Told::start(vec![webhook("slow"), webhook("fast")]);
    told.receiver
        .hangs
        .lock()
        .expect("nobody panics")
        .push("slow.example".to_owned());
    for _ in 0..10 {
        told.run("echo").await;
    }
    // Four of those that hang, and all of the others.
    told.came(14).await;
    told.until("the others have arrived", |kept| {
        kept.len() == 10 && kept.iter().all(|of| of.webhook == "slow")
    })
    .await;
}

#[tokio::test]
async fn a_run_that_is_done_again_ends_again_and_is_told_again() {
    let told = Told::start(vec![webhook("shop")]);
    let run = told.run("broken").await;
    told.came(1).await;
    told.host.settle().await;
    let retried = told
        .host
        .engine
        .retry_run(run, RetryFrom::Failure, RetryWith::Pinned);
    retried.await.expect("it is done again");
    let events = told.came(2).await;
    let ids: Vec<_> = events.iter().map(|event| &event["id"]).collect();
    assert_eq!(
        ids,
        [&json!(format!("{run}-0")), &json!(format!("{run}-1"))]
    );
    assert_eq!(events[1]["data"]["retries"], 1);
}

#[tokio::test]
async fn where_nobody_wants_to_know_nothing_is_kept_and_no_row_stays_due() {
    let host = Harness::new();
    let steps = json!([{"name": "a", "type": "echo"}]);
    let id = host.create(workflow(&steps)).await;
    let run = host.trigger(id, json!({})).await;
    host.succeeded(run).await;
    let counts = host.store.count_deliveries().await;
    assert_eq!(counts.expect("memory answers"), []);
    let due = millwork_store::Store::list_due(
        &*host.store,
        None,
        millwork_core::time::Timestamp::MAX,
        10,
    );
    assert_eq!(due.await.expect("memory answers"), []);
}

#[tokio::test]
async fn an_end_whose_process_died_before_it_was_told_is_told_by_another() {
    let webhooks = vec![webhook("shop")];
    let audience = receiver::audience(&webhooks);
    let cluster = Cluster::telling(&audience);
    let receiver = Receiver::new(&cluster.clock);
    let _couriers = receiver::start(
        webhooks,
        &audience,
        &cluster.store,
        &cluster.clock,
        &receiver,
    );
    let (api, worker) = (cluster.api(), cluster.worker(open()));
    cluster.hub.refuses_events.store(true, Ordering::Relaxed);
    let workflow = api.create(json!([{"name": "a", "type": "gate"}])).await;
    let run = api.trigger(workflow).await;
    let ended = api.engine.wait_for_run(run, SECOND).await;
    assert_eq!(ended.expect("it ends").run.status(), RunStatus::Success);
    cluster.settle().await;
    assert!(
        cluster.due_at(run).await.is_some(),
        "it is still to be told"
    );
    worker.kill();
    cluster.hub.refuses_events.store(false, Ordering::Relaxed);
    let _other = cluster.worker(open());
    cluster.pass(TIMEOUT + 2 * SECOND).await;
    cluster
        .until("the end is told", async || {
            !receiver.came().is_empty() && cluster.due_at(run).await.is_none()
        })
        .await;
    let told = cluster.hub.told();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].id, format!("{run}-0"));
    let came = receiver.came();
    assert_eq!(body(&came[0].1.body)["id"], told[0].id);
}

#[tokio::test]
async fn an_end_that_is_told_twice_is_one_delivery() {
    let webhooks = vec![webhook("shop")];
    let audience = receiver::audience(&webhooks);
    let cluster = Cluster::telling(&audience);
    let (api, _worker) = (cluster.api(), cluster.worker(open()));
    let workflow = api.create(json!([{"name": "a", "type": "gate"}])).await;
    // The event is taken and the announcement is not: so all of it is told again.
    cluster.hub.refuses_ends.store(true, Ordering::Relaxed);
    let run = api.trigger(workflow).await;
    cluster
        .until("the event is told", async || cluster.hub.told().len() == 1)
        .await;
    cluster.hub.refuses_ends.store(false, Ordering::Relaxed);
    cluster.pass(TIMEOUT + 2 * SECOND).await;
    cluster
        .until("the row is settled", async || {
            cluster.due_at(run).await.is_none()
        })
        .await;
    let ids: Vec<_> = cluster.hub.told().into_iter().map(|of| of.id).collect();
    assert_eq!(ids, [format!("{run}-0"), format!("{run}-0")]);
    let counts = cluster.store.count_deliveries().await;
    assert_eq!(counts.expect("memory answers")[0].pending, 1);
}

/// A process whose ends go to a sink.
fn served(home: &std::path::Path, sink: &Sink, path: &str) -> ServerOptions {
    let config = home.join("millwork.toml");
    let text = format!(
        "[events]\nretry_for = '1h'\n[events.webhooks.sink]\nurl = '{}'\nsecrets = ['{SECRET}', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD']\n",
        sink.url(path)
    );
    std::fs::write(&config, text).expect("it is written");
    let mut options = ServerOptions::new(env!("CARGO_BIN_EXE_millwork"));
    options.server_args = vec!["--config".to_owned(), config.display().to_string()];
    options
}

fn is_signed(call: &Call) -> bool {
    let one = |name: &str| call.header(name)[0].to_owned();
    let keys = [SECRET, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
        .map(|text| SigningKey::read(text).expect("it is a key"));
    let seconds = one("webhook-timestamp").parse().expect("a number");
    let sent = std::str::from_utf8(&call.raw_body).expect("it is text");
    one("webhook-signature") == sign(&keys, &one("webhook-id"), seconds, sent)
        && one("content-type") == "application/cloudevents+json; charset=UTF-8"
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_loses_no_event() {
    const RUNS: usize = 60;
    let home = tempfile::tempdir().expect("a folder");
    let sink = Sink::open(Temper {
        busy_share: 0.1,
        answer_after_max: Duration::from_millis(50),
        seed: 7,
    })
    .await
    .expect("the sink starts");
    let mut server = Millwork::launch(&served(home.path(), &sink, "/ends"))
        .await
        .expect("it starts");
    let mut api = Api::new(server.address());
    let definition = json!({"name": "nap", "steps": [{"name": "nap", "type": "delay", "config": {"duration": 0.05}}]});
    let workflow = api.create_workflow(&definition).await.expect("it holds");
    let mut runs = BTreeSet::new();
    for round in 0..3 {
        for _ in 0..RUNS / 3 {
            runs.insert(api.trigger(&workflow, &json!({})).await.expect("accepted"));
        }
        // In the midst of ends, announcements and deliveries.
        pause(60 * (round + 1)).await;
        server.kill().await.expect("it is killed");
        server.start().await.expect("it starts again");
        server.ready().await.expect("it is ready");
        api = Api::new(server.address());
    }
    let mut told = BTreeSet::new();
    for _ in 0..1_200 {
        let calls = sink.calls();
        let arrived = calls.iter().filter(|call| call.status == 200);
        told = arrived
            .map(|call| body(std::str::from_utf8(&call.raw_body).expect("text")))
            .map(|event| event["data"]["run_id"].as_str().expect("an id").to_owned())
            .collect();
        if told.len() == runs.len() {
            break;
        }
        pause(50).await;
    }
    assert_eq!(told, runs, "every end has arrived");
    assert!(sink.calls().iter().all(is_signed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_was_not_taken_is_seen_and_sent_again_over_the_api() {
    let home = tempfile::tempdir().expect("a folder");
    let sink = Sink::open(Temper::default())
        .await
        .expect("the sink starts");
    let server = Millwork::launch(&served(home.path(), &sink, "/status/410"))
        .await
        .expect("it starts");
    let mut api = Api::new(server.address());
    let definition = json!({"name": "nap", "steps": [{"name": "nap", "type": "delay", "config": {"duration": 0}}]});
    let workflow = api.create_workflow(&definition).await.expect("it holds");
    let run = api.trigger(&workflow, &json!({})).await.expect("accepted");
    let url = format!("http://{}", server.address());
    let http = reqwest::Client::new();
    let get = async |path: &str| -> Value {
        let answer = http.get(format!("{url}{path}")).send().await;
        answer.expect("it answers").json().await.expect("JSON")
    };
    let mut listed = json!(null);
    for _ in 0..600 {
        listed = get("/api/v1/deliveries?state=exhausted&webhook=sink").await;
        if listed["items"][0].is_object() {
            break;
        }
        pause(50).await;
    }
    let delivery = &listed["items"][0];
    assert_eq!(delivery["run_id"], run.as_str());
    assert_eq!(delivery["attempts"], 1);
    assert_eq!(
        delivery["failure"],
        "the webhook answered 410: it wants no more"
    );
    assert_eq!(delivery["event"]["type"], "millwork.run.succeeded");
    let id = delivery["id"].as_str().expect("an id");
    let resent = http
        .post(format!("{url}/api/v1/deliveries/{id}/resend"))
        .send()
        .await
        .expect("it answers");
    assert_eq!(resent.status(), 202);
    for _ in 0..600 {
        if sink.calls().len() >= 2 {
            break;
        }
        pause(50).await;
    }
    assert_eq!(sink.calls().len(), 2);
    let metrics = http.get(format!("{url}/metrics")).send().await;
    let metrics = metrics.expect("it answers").text().await.expect("text");
    let line = "millwork_event_deliveries_total{webhook=\"sink\",result=\"exhausted\"}";
    assert!(metrics.contains(line), "{metrics}");
    let unknown = get(&format!("/api/v1/deliveries/{run}")).await;
    assert_eq!(unknown["type"], "/docs/errors/unknown-delivery");
}
