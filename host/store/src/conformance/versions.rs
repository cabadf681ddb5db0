//! Workflows: their versions, their lists, and which version a new run is of.

use futures::future::join_all;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::RunStatus;

use super::sample::{
    at, commit, commit_all, create, end, journal, key, new_of, run, workflow, write,
};
use crate::{
    Changed, Commit, Committed, Deleted, Labels, NewVersion, Store, VersionRow, Workflow,
    WorkflowHead, WorkflowQuery,
};

fn version(number: u8, version: u32) -> Workflow {
    Workflow {
        id: workflow(number),
        version,
        name: format!("Order {number}"),
        definition: format!("{{\"name\":\"Order {number}\",\"version\":{version}}}"),
        created_at: at(i64::from(version)),
    }
}

fn new(number: u8, number_of_version: u32) -> NewVersion {
    NewVersion {
        workflow: version(number, number_of_version),
        label: Some(format!("order-{number}")),
        labels: Labels::from([("team".to_owned(), format!("Shop{number}"))]),
        triggers: Vec::new(),
    }
}

pub(super) async fn add(store: &dyn Store, number: u8, version: u32) {
    let added = store.add_version(new(number, version)).await;
    assert_eq!(added.unwrap(), Changed::Written);
}

/// A new run that wants the newest version.
fn newest(run: RunId, workflow: WorkflowId, version: u32) -> Commit {
    let mut commit = create(run);
    let new = new_of(&mut commit);
    (new.workflow, new.version, new.is_newest) = (workflow, version, true);
    commit
}

/// Versions live side by side.
pub async fn the_newest_version_of_a_workflow_is_found(store: &dyn Store) {
    let find = async |number, version| {
        let found = store.find_workflow(workflow(number), version).await;
        found.unwrap()
    };
    assert_eq!(find(1, None).await, None);
    for number in [1, 2, 3] {
        add(store, 1, number).await;
        assert_eq!(find(1, None).await, Some(version(1, number)));
    }
    assert_eq!(find(1, Some(2)).await, Some(version(1, 2)));
    assert_eq!(find(1, Some(4)).await, None);
    assert_eq!(find(2, None).await, None);
    let head = store.find_head(workflow(1)).await.unwrap();
    let expected = WorkflowHead {
        id: workflow(1),
        newest: 3,
        name: "Order 1".to_owned(),
        label: Some("order-1".to_owned()),
        labels: new(1, 1).labels,
        created_at: at(1),
        updated_at: at(3),
        archived_at: None,
    };
    assert_eq!(head, Some(expected));
    assert_eq!(store.find_head(workflow(2)).await.unwrap(), None);
    let row = |number| VersionRow {
        version: number,
        name: "Order 1".to_owned(),
        created_at: at(i64::from(number)),
    };
    let listed = async |before, limit| {
        let rows = store.list_versions(workflow(1), before, limit).await;
        rows.unwrap()
    };
    assert_eq!(listed(None, 2).await, [row(3), row(2)]);
    assert_eq!(listed(Some(2), 2).await, [row(1)]);
    assert_eq!(listed(Some(1), 2).await, []);
}

/// A run pinned to it would change under way.
pub async fn a_version_never_changes_and_comes_after_the_newest(store: &dyn Store) {
    let refused = async |new: NewVersion| {
        assert_eq!(store.add_version(new).await.unwrap(), Changed::Overtaken);
    };
    for number in [0, 2] {
        refused(new(1, number)).await;
    }
    add(store, 1, 1).await;
    let mut other = new(1, 1);
    other.workflow.name = "other".to_owned();
    refused(other.clone()).await;
    for number in [0, 3, u32::MAX] {
        other.workflow.version = number;
        refused(other.clone()).await;
    }
    let found = store.find_workflow(workflow(1), Some(1)).await.unwrap();
    assert_eq!(found, Some(version(1, 1)));
    let head = store.find_head(workflow(1)).await.unwrap().unwrap();
    assert_eq!((head.newest, head.name), (1, "Order 1".to_owned()));
}

/// And each takes the place that it was told it had.
pub async fn of_many_writers_exactly_one_adds_each_version(store: &dyn Store) {
    for number in 1..6 {
        let writers = (0..8).map(|writer| {
            let mut new = new(1, number);
            new.workflow.definition = format!("{{\"writer\":{writer}}}");
            store.add_version(new)
        });
        let added = join_all(writers).await;
        let winners: Vec<_> = (0..)
            .zip(added)
            .filter(|(_, added)| matches!(added, Ok(Changed::Written)))
            .map(|(writer, _)| writer)
            .collect();
        let [winner] = winners[..] else {
            panic!("{winners:?} wrote version {number}")
        };
        let found = store.find_workflow(workflow(1), None).await.unwrap();
        let found = found.expect("it was added");
        let expected: i32 = winner;
        assert_eq!(found.version, number);
        assert_eq!(found.definition, format!("{{\"writer\":{expected}}}"));
    }
}

/// Also beside others in one call, and whatever else it is not.
pub async fn a_run_of_the_newest_version_is_of_the_newest_version(store: &dyn Store) {
    let (first, second) = (workflow(1), workflow(2));
    assert_eq!(
        commit(store, newest(run(1), first, 1)).await,
        Committed::Outdated
    );
    add(store, 1, 1).await;
    add(store, 2, 1).await;
    write(store, vec![newest(run(1), first, 1)]).await;
    add(store, 1, 2).await;
    let mut pinned = create(run(5));
    new_of(&mut pinned).workflow = first;
    let answers = commit_all(
        store,
        vec![
            newest(run(2), first, 1),
            newest(run(3), first, 2),
            newest(run(4), second, 1),
            pinned,
            newest(run(6), first, 3),
            // It exists: that is said first.
            newest(run(1), first, 1),
        ],
    )
    .await;
    use Committed::{Conflict, Outdated, Written};
    assert_eq!(
        answers,
        [Outdated, Written, Written, Written, Outdated, Conflict]
    );
    for number in [2, 6] {
        assert!(journal(store, run(number)).await.is_empty());
    }
}

/// It is there for the run that is made in its place; and what has been made is told whatever has changed since.
pub async fn a_key_is_not_taken_by_a_run_of_an_outdated_version(store: &dyn Store) {
    let keyed = |number, version| {
        let mut commit = newest(run(number), workflow(1), version);
        new_of(&mut commit).idempotency = Some(key("k", 1, at(99)));
        commit
    };
    add(store, 1, 1).await;
    add(store, 1, 2).await;
    assert_eq!(commit(store, keyed(1, 1)).await, Committed::Outdated);
    assert_eq!(commit(store, keyed(2, 2)).await, Committed::Written);
    let replayed = commit(store, keyed(3, 2)).await;
    assert!(
        matches!(replayed, Committed::Replayed { run: first, .. } if first == run(2)),
        "{replayed:?}"
    );
}

/// Whoever was told that a version is there gets no run of the one before.
pub async fn runs_and_versions_that_race_are_never_of_the_wrong_one(store: &dyn Store) {
    add(store, 1, 1).await;
    for number in 1..20_u16 {
        let version = u32::from(number);
        let (added, before) = futures::join!(
            store.add_version(new(1, version + 1)),
            store.commit(vec![newest(run(number * 2), workflow(1), version)])
        );
        assert_eq!(added.unwrap(), Changed::Written);
        let before = before.unwrap();
        assert!(
            matches!(before[..], [Committed::Written | Committed::Outdated]),
            "{before:?}"
        );
        let after = commit(store, newest(run(number * 2 + 1), workflow(1), version)).await;
        assert_eq!(after, Committed::Outdated);
    }
}

async fn list(store: &dyn Store, query: WorkflowQuery) -> Vec<WorkflowId> {
    let heads = store.list_workflows(query).await.unwrap();
    heads.into_iter().map(|head| head.id).collect()
}

fn all() -> WorkflowQuery {
    WorkflowQuery {
        limit: 100,
        ..WorkflowQuery::default()
    }
}

/// The latest created first; every filter by itself and together.
pub async fn workflows_are_listed_and_searched(store: &dyn Store) {
    assert_eq!(list(store, all()).await, []);
    for number in [2, 1, 3, 4] {
        add(store, number, 1).await;
    }
    let mut renamed = new(3, 2);
    renamed.workflow.name = "ÄRGER\u{0}100%".to_owned();
    renamed.label = None;
    assert_eq!(store.add_version(renamed).await.unwrap(), Changed::Written);
    let ids = |numbers: &[u8]| numbers.iter().copied().map(workflow).collect::<Vec<_>>();
    assert_eq!(list(store, all()).await, ids(&[4, 3, 2, 1]));
    let page = |after: Option<u8>| WorkflowQuery {
        after: after.map(workflow),
        limit: 3,
        ..all()
    };
    assert_eq!(list(store, page(None)).await, ids(&[4, 3, 2]));
    assert_eq!(list(store, page(Some(2))).await, ids(&[1]));
    let by = |label: Option<&str>, name: Option<&str>, text: Option<&str>| WorkflowQuery {
        label: label.map(str::to_owned),
        name: name.map(str::to_owned),
        text: text.map(str::to_owned),
        ..all()
    };
    let cases: [(WorkflowQuery, &[u8]); 11] = [
        (by(Some("order-2"), None, None), &[2]),
        (by(Some("order-3"), None, None), &[]),
        (by(Some("Order-2"), None, None), &[]),
        (by(None, Some("Order 4"), None), &[4]),
        (by(None, Some("Order 4"), Some("shop4")), &[4]),
        (by(None, Some("Order 4"), Some("shop1")), &[]),
        (by(None, None, Some("ORDER")), &[4, 2, 1]),
        (by(None, None, Some("team=shop")), &[4, 3, 2, 1]),
        (by(None, None, Some("ärger\u{0}1")), &[3]),
        (by(None, None, Some("0%")), &[3]),
        (by(None, None, Some("_")), &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(list(store, query.clone()).await, ids(expected), "{query:?}");
    }
    let told = store.list_workflows(by(None, None, Some("%"))).await;
    let told = told.unwrap();
    assert_eq!((told[0].newest, told[0].label.as_ref()), (2, None));
    assert_eq!(told[0].name, "ÄRGER\u{0}100%");
}

/// Its runs go on; a new version takes it back too.
pub async fn an_archived_workflow_takes_no_runs_until_it_is_taken_back(store: &dyn Store) {
    let archive = async |number, at| {
        let archived = store.archive_workflow(workflow(number), at).await;
        archived.unwrap()
    };
    let restore = async |newest| {
        let restored = store.restore_workflow(workflow(1), newest, Vec::new());
        restored.await.unwrap()
    };
    assert!(!archive(1, at(5)).await);
    assert_eq!(restore(1).await, Changed::Overtaken);
    add(store, 1, 1).await;
    add(store, 2, 1).await;
    write(store, vec![newest(run(1), workflow(1), 1)]).await;
    for time in [at(5), at(6)] {
        assert!(archive(1, time).await);
        let head = store.find_head(workflow(1)).await.unwrap().unwrap();
        assert_eq!(head.archived_at, Some(at(5)));
    }
    let outdated = commit(store, newest(run(2), workflow(1), 1)).await;
    assert_eq!(outdated, Committed::Outdated);
    write(store, vec![end(run(1), 1, RunStatus::Success, at(9))]).await;
    assert_eq!(list(store, all()).await, [workflow(2)]);
    let with_archived = WorkflowQuery {
        with_archived: true,
        ..all()
    };
    assert_eq!(list(store, with_archived).await, [workflow(2), workflow(1)]);
    assert_eq!(restore(2).await, Changed::Overtaken);
    for _ in 0..2 {
        assert_eq!(restore(1).await, Changed::Written);
    }
    write(store, vec![newest(run(2), workflow(1), 1)]).await;
    assert!(archive(1, at(7)).await);
    add(store, 1, 2).await;
    write(store, vec![newest(run(3), workflow(1), 2)]).await;
    let head = store.find_head(workflow(1)).await.unwrap().unwrap();
    assert_eq!(head.archived_at, None);
}

/// Its versions are there for who shows its runs.
pub async fn a_workflow_is_deleted_when_no_run_of_it_is_unfinished(store: &dyn Store) {
    let delete = async |number| {
        let deleted = store.delete_workflow(workflow(number), at(50)).await;
        deleted.unwrap()
    };
    assert_eq!(delete(1).await, Deleted::Unknown);
    add(store, 1, 1).await;
    add(store, 2, 1).await;
    write(
        store,
        vec![
            newest(run(1), workflow(1), 1),
            newest(run(2), workflow(1), 1),
            newest(run(3), workflow(2), 1),
        ],
    )
    .await;
    for number in [1, 2] {
        assert_eq!(delete(1).await, Deleted::InUse(run(number)));
        write(store, vec![end(run(number), 1, RunStatus::Failed, at(9))]).await;
    }
    assert_eq!(delete(1).await, Deleted::Deleted);
    assert_eq!(delete(1).await, Deleted::Unknown);
    assert_eq!(store.find_head(workflow(1)).await.unwrap(), None);
    assert_eq!(list(store, all()).await, [workflow(2)]);
    assert_eq!(store.list_versions(workflow(1), None, 9).await.unwrap(), []);
    assert_eq!(store.find_workflow(workflow(1), None).await.unwrap(), None);
    let found = store.find_workflow(workflow(1), Some(1)).await.unwrap();
    assert_eq!(found, Some(version(1, 1)));
    // It does not come back, and takes nothing more.
    let added = store.add_version(new(1, 2)).await;
    assert_eq!(added.unwrap(), Changed::Overtaken);
    let archived = store.archive_workflow(workflow(1), at(60)).await;
    assert!(!archived.unwrap());
    let restored = store.restore_workflow(workflow(1), 1, Vec::new()).await;
    assert_eq!(restored.unwrap(), Changed::Overtaken);
    let outdated = commit(store, newest(run(4), workflow(1), 1)).await;
    assert_eq!(outdated, Committed::Outdated);
}

/// However long ago it was deleted.
pub async fn what_is_left_of_a_deleted_workflow_goes_with_its_last_run(store: &dyn Store) {
    let remove = async |before| store.remove_deleted(before, 10).await.unwrap();
    for number in [1, 2, 3] {
        add(store, number, 1).await;
    }
    add(store, 1, 2).await;
    write(store, vec![newest(run(1), workflow(1), 2)]).await;
    write(store, vec![end(run(1), 1, RunStatus::Success, at(9))]).await;
    for number in [1, 2] {
        let deleted = store.delete_workflow(workflow(number), at(50)).await;
        assert_eq!(deleted.unwrap(), Deleted::Deleted);
    }
    assert_eq!(remove(at(50)).await, 0);
    assert_eq!(remove(at(51)).await, 1);
    let find = async |number, version| {
        let found = store.find_workflow(workflow(number), Some(version)).await;
        found.unwrap().is_some()
    };
    assert!(!find(2, 1).await);
    assert!(find(1, 1).await && find(1, 2).await && find(3, 1).await);
    store.remove_finished(at(99), at(99), 10).await.unwrap();
    assert_eq!(remove(at(99)).await, 1);
    assert!(!find(1, 1).await && !find(1, 2).await && find(3, 1).await);
}
