//! How many runs are in each state.

use serde_json::{Value, json};

use super::{Api, NOBODY, keys, nap};

pub(super) async fn runs_are_counted_by_state(api: &Api) {
    let workflow = api.create(&nap(60.0)).await;
    let path = format!("/api/v1/stats?workflow_id={workflow}");
    let all = api.get("/api/v1/stats").await.ok();
    assert_eq!(keys(&all), ["workflow_id", "runs"]);
    assert_eq!(all["workflow_id"], Value::Null);
    let none =
        json!({"pending": 0, "running": 0, "success": 0, "failed": 0, "paused": 0, "cancelled": 0});
    assert_eq!(api.get(&path).await.ok()["runs"], none);
    let runs = [api.trigger(&workflow).await, api.trigger(&workflow).await];
    let cancel = format!("/api/v1/runs/{}/cancel", runs[0]);
    api.post(&cancel, &json!({})).await.ok();
    let counts = api.get(&path).await.ok()["runs"].clone();
    let under_way = [&counts["pending"], &counts["running"]].map(|count| count.as_u64());
    assert_eq!(under_way.into_iter().flatten().sum::<u64>(), 1);
    assert_eq!(counts["cancelled"], 1);
    let cancel = format!("/api/v1/runs/{}/cancel", runs[1]);
    api.post(&cancel, &json!({})).await.ok();
    assert_eq!(api.get(&path).await.ok()["runs"]["cancelled"], 2);
    let unknown = api
        .get(&format!("/api/v1/stats?workflow_id={NOBODY}"))
        .await;
    unknown.problem(404, "unknown-workflow");
    let refused = api.get("/api/v1/stats?workflow_id=7").await;
    assert_eq!(refused.places("invalid-request"), ["workflow_id"]);
}

pub(super) async fn runs_are_counted_over_time(api: &Api) {
    let workflow = api.create(&nap(60.0)).await;
    let run = api.trigger(&workflow).await;
    let cancel = format!("/api/v1/runs/{run}/cancel");
    api.post(&cancel, &json!({})).await.ok();
    let created = api.get(&format!("/api/v1/runs/{run}")).await.ok()["created_at"].clone();
    let created = created.as_str().expect("it is a time");
    let path = format!(
        "/api/v1/stats/history?workflow_id={workflow}&stretches=2&created_from={created}&created_before=2200-01-01T00:00:00Z"
    );
    let history = api.get(&path).await.ok();
    assert_eq!(
        keys(&history),
        [
            "workflow_id",
            "created_from",
            "created_before",
            "counted_from",
            "stretch_seconds",
            "items"
        ]
    );
    assert_eq!(history["workflow_id"], workflow.as_str());
    assert_eq!(history["counted_from"], history["created_from"]);
    let items = history["items"].as_array().expect("it is a list");
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["created_from"], history["created_from"]);
    assert_eq!(
        [
            &items[0]["runs"]["cancelled"],
            &items[1]["runs"]["cancelled"]
        ],
        [1, 0]
    );
    let unknown = format!("/api/v1/stats/history?workflow_id={NOBODY}");
    api.get(&unknown).await.problem(404, "unknown-workflow");
    let refused = api.get("/api/v1/stats/history?stretches=999").await;
    assert_eq!(refused.places("invalid-request"), ["stretches"]);
}
