//! Workflows that change: versions, lists, what is put away.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Api, NOBODY, keys, nap};

async fn put(api: &Api, path: &str, definition: &Value) -> Answer {
    let request = api.request(Method::PUT, path).json(definition);
    api.send(request).await
}

async fn delete(api: &Api, path: &str) -> Answer {
    api.send(api.request(Method::DELETE, path)).await
}

pub(super) async fn a_workflow_gets_versions(api: &Api) {
    let id = api.create(&nap(0.0)).await;
    let path = format!("/api/v1/workflows/{id}");
    let mut read = api.get(&path).await.ok();
    let unchanged = put(api, &path, &read).await.ok();
    assert_eq!(
        unchanged,
        json!({"message": "Workflow unchanged", "workflow_id": id, "version": 1})
    );
    read["steps"][0]["config"]["duration"] = json!(0.25);
    let updated = put(api, &format!("{path}?expected_version=1"), &read).await;
    assert_eq!(
        updated.ok(),
        json!({"message": "Workflow updated successfully", "workflow_id": id, "version": 2})
    );
    let stale = put(api, &format!("{path}?expected_version=1"), &nap(9.0)).await;
    stale.problem(409, "workflow-changed");
    let bad = put(api, &path, &json!({"name": "x", "steps": [{}]})).await;
    bad.problem(422, "invalid-definition");
    let nobody = put(api, &format!("/api/v1/workflows/{NOBODY}"), &nap(0.0)).await;
    nobody.problem(404, "unknown-workflow");

    let newest = api.get(&path).await.ok();
    assert_eq!(newest["version"], 2);
    assert_eq!(newest["steps"][0]["config"]["duration"], 0.25);
    let first = api.get(&format!("{path}/versions/1")).await.ok();
    assert_eq!((&first["version"], &first["uuid"]), (&json!(1), &json!(id)));
    assert_eq!(first["steps"], nap(0.0)["steps"]);
    api.get(&format!("{path}/versions/3"))
        .await
        .problem(404, "unknown-version");
    let refused = api.get(&format!("{path}/versions/zero")).await;
    assert_eq!(refused.places("invalid-request"), ["version"]);
    let page = api.get(&format!("{path}/versions?limit=1")).await.ok();
    assert_eq!(keys(&page["items"][0]), ["version", "name", "created_at"]);
    assert_eq!(page["items"][0]["version"], 2);
    let cursor = page["next_cursor"].as_str().expect("there is another page");
    let page = api
        .get(&format!("{path}/versions?cursor={cursor}"))
        .await
        .ok();
    assert_eq!(
        (&page["items"][0]["version"], &page["next_cursor"]),
        (&json!(1), &Value::Null)
    );

    let trigger = async |version: Value| {
        let body = json!({"workflow_id": id, "version": version});
        api.post("/api/v1/trigger?wait=20s", &body).await
    };
    for (asked, taken) in [(json!(1), 1), (json!(null), 2)] {
        let run = trigger(asked).await.ok();
        assert_eq!(run["workflow_version"], taken);
    }
    trigger(json!(3)).await.problem(404, "unknown-version");
    let refused = trigger(json!("newest")).await;
    assert_eq!(refused.places("invalid-request"), ["/version"]);
}

pub(super) async fn versions_are_compared(api: &Api) {
    let id = api.create(&nap(0.0)).await;
    let path = format!("/api/v1/workflows/{id}");
    let mut changed = nap(0.0);
    changed["steps"][0]["config"]["duration"] = json!(7);
    put(api, &path, &changed).await.ok();
    let step = changed["steps"][0]["name"].clone();
    let change = json!({"kind": "changed", "path": "/steps/0/config/duration", "step": step, "before": nap(0.0)["steps"][0]["config"]["duration"], "after": 7});
    for query in ["", "?from=1", "?from=1&to=2"] {
        let diff = api.get(&format!("{path}/diff{query}")).await.ok();
        assert_eq!(diff, json!({"from": 1, "to": 2, "changes": [change]}));
    }
    let back = api.get(&format!("{path}/diff?from=2&to=1")).await.ok();
    assert_eq!(back["changes"][0]["after"], change["before"]);
    let same = api.get(&format!("{path}/diff?from=2&to=2")).await.ok();
    assert_eq!(same["changes"], json!([]));
    api.get(&format!("{path}/diff?from=9"))
        .await
        .problem(404, "unknown-version");
    let refused = api.get(&format!("{path}/diff?from=0")).await;
    assert_eq!(refused.places("invalid-request"), ["from"]);
}

pub(super) async fn a_definition_is_checked_and_not_created(api: &Api) {
    let count = async || {
        let page = api
            .get("/api/v1/workflows?limit=200&search=only-checked")
            .await;
        page.ok()["items"].as_array().expect("it is a list").len()
    };
    let mut definition = nap(0.0);
    definition["name"] = "only-checked".into();
    let told = api.post("/api/v1/workflows/validate", &definition).await;
    assert_eq!(told.ok(), json!({"valid": true, "errors": []}));
    definition["steps"][0]["config"]["duration"] = json!(-1);
    definition["stpes"] = json!([]);
    let told = api
        .post("/api/v1/workflows/validate", &definition)
        .await
        .ok();
    assert_eq!(told["valid"], false);
    let errors = told["errors"].as_array().expect("it is a list");
    let mut places: Vec<_> = errors.iter().map(|error| error["path"].as_str()).collect();
    places.sort_unstable();
    assert_eq!(places, [Some("/steps/0/config/duration"), Some("/stpes")]);
    assert_eq!(count().await, 0);
}

pub(super) async fn workflows_are_listed_and_searched(api: &Api) {
    let mut made = Vec::new();
    for number in 0..3 {
        let mut definition = nap(0.0);
        definition["id"] = format!("listed-{number}").into();
        definition["name"] = format!("Listed {number}").into();
        definition["labels"] = json!({"team": format!("t{number}")});
        made.push(api.create(&definition).await);
    }
    let find = async |query: &str| {
        let page = api.get(&format!("/api/v1/workflows?{query}")).await.ok();
        assert_eq!(keys(&page), ["items", "next_cursor", "limit"]);
        let items = page["items"].as_array().expect("it is a list").clone();
        let ids = items
            .iter()
            .map(|item| item["uuid"].as_str().expect("a text").to_owned());
        (ids.collect::<Vec<_>>(), page["next_cursor"].clone(), items)
    };
    let (all, _, items) = find("search=LISTED").await;
    assert_eq!(all, [made[2].clone(), made[1].clone(), made[0].clone()]);
    let fields = [
        "uuid",
        "id",
        "name",
        "labels",
        "version",
        "created_at",
        "updated_at",
        "archived_at",
    ];
    assert_eq!(keys(&items[0]), fields);
    assert_eq!(items[0]["labels"], json!({"team": "t2"}));
    let (first, cursor, _) = find("search=listed&limit=2").await;
    let cursor = cursor.as_str().expect("there is another page");
    let (second, end, _) = find(&format!("search=listed&limit=2&cursor={cursor}")).await;
    assert_eq!(([first, second].concat(), end), (all, Value::Null));
    for query in ["id=listed-1", "name=Listed%201", "search=team%3Dt1"] {
        assert_eq!(find(query).await.0, [made[1].clone()], "{query}");
    }
    let refused = api.get("/api/v1/workflows?limit=0&labl=x").await;
    assert_eq!(refused.places("invalid-request"), ["limit", "labl"]);
}

pub(super) async fn a_workflow_is_archived_restored_and_deleted(api: &Api) {
    let mut definition = nap(60.0);
    definition["name"] = "Put away".into();
    let id = api.create(&definition).await;
    let path = format!("/api/v1/workflows/{id}");
    let run = api.trigger(&id).await;
    delete(api, &path).await.problem(409, "workflow-in-use");
    let archived = delete(api, &format!("{path}?archive=true")).await;
    assert_eq!(
        archived.ok(),
        json!({"message": "Workflow archived", "workflow_id": id})
    );
    let refused = api
        .post("/api/v1/trigger", &json!({"workflow_id": id}))
        .await;
    refused.problem(409, "workflow-archived");
    assert!(api.get(&path).await.ok()["archived_at"].is_string());
    let count = async |query: &str| {
        let page = api
            .get(&format!("/api/v1/workflows?name=Put%20away{query}"))
            .await;
        page.ok()["items"].as_array().expect("it is a list").len()
    };
    assert_eq!((count("").await, count("&archived=true").await), (0, 1));
    let restored = api.post(&format!("{path}/restore"), &json!({})).await.ok();
    assert_eq!(restored["message"], "Workflow restored");
    assert_eq!(count("").await, 1);
    api.post(&format!("/api/v1/runs/{run}/cancel"), &json!({}))
        .await
        .ok();
    assert_eq!(
        delete(api, &path).await.ok(),
        json!({"message": "Workflow deleted", "workflow_id": id})
    );
    for path in [&path, &format!("{path}/versions"), &format!("{path}/diff")] {
        api.get(path).await.problem(404, "unknown-workflow");
    }
    delete(api, &path).await.problem(404, "unknown-workflow");
    assert_eq!(count("&archived=true").await, 0);
    let shown = api.get(&format!("/api/v1/runs/{run}")).await.ok();
    assert_eq!(shown["status"], "cancelled");
}
