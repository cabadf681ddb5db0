//! Triggers: what starts runs when nobody asks for one.

use std::collections::BTreeSet;

use millwork_core::time::Timestamp;

use super::sample::{at, workflow};
use crate::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery};
use crate::{Changed, Deleted, Labels, NewVersion, Store, Workflow};

fn id(of: u8, version: u32, number: u32) -> TriggerId {
    TriggerId {
        workflow: workflow(of),
        version,
        number,
    }
}

fn schedule(id: TriggerId, next_at: i64) -> Trigger {
    Trigger {
        id,
        kind: TriggerKind::Schedule,
        place: "0 9 * * *".to_owned(),
        next_at: Some(at(next_at)),
    }
}

fn webhook(id: TriggerId, path: &str) -> Trigger {
    Trigger {
        id,
        kind: TriggerKind::Webhook,
        place: path.to_owned(),
        next_at: None,
    }
}

/// Keeps triggers with their workflow's next version.
async fn put(store: &dyn Store, triggers: Vec<Trigger>) -> Changed {
    let id = triggers[0].id;
    let workflow = Workflow {
        id: id.workflow,
        version: id.version,
        name: "n".to_owned(),
        definition: "{}".to_owned(),
        created_at: at(1),
    };
    let new = NewVersion {
        workflow,
        label: None,
        labels: Labels::new(),
        triggers,
    };
    store.add_version(new).await.expect("the store answers")
}

async fn must_put(store: &dyn Store, triggers: Vec<Trigger>) {
    assert_eq!(put(store, triggers).await, Changed::Written);
}

async fn list(store: &dyn Store, query: TriggerQuery) -> Vec<TriggerId> {
    let listed = store.list_triggers(query).await.expect("the store lists");
    listed.into_iter().map(|trigger| trigger.id).collect()
}

const ALL: TriggerQuery = TriggerQuery {
    workflow: None,
    kind: None,
    after: None,
    limit: 100,
};

/// In pages, by workflow and by kind.
pub async fn triggers_are_kept_and_listed_with_the_newest_version(store: &dyn Store) {
    let one = [schedule(id(1, 1, 0), 10), webhook(id(1, 1, 1), "a/b")];
    must_put(store, one.to_vec()).await;
    must_put(store, vec![webhook(id(2, 1, 0), "c")]).await;
    let stored = store.list_triggers(TriggerQuery { limit: 2, ..ALL }).await;
    assert_eq!(stored.unwrap(), one);
    let everything = [id(1, 1, 0), id(1, 1, 1), id(2, 1, 0)];
    assert_eq!(list(store, ALL).await, everything);
    let after = Some(id(1, 1, 0));
    assert_eq!(
        list(store, TriggerQuery { after, ..ALL }).await,
        everything[1..]
    );
    let kind = Some(TriggerKind::Webhook);
    assert_eq!(
        list(store, TriggerQuery { kind, ..ALL }).await,
        [id(1, 1, 1), id(2, 1, 0)]
    );
    let of_two = TriggerQuery {
        workflow: Some(workflow(2)),
        ..ALL
    };
    assert_eq!(list(store, of_two).await, [id(2, 1, 0)]);
    must_put(store, vec![schedule(id(1, 2, 0), 20)]).await;
    assert_eq!(list(store, ALL).await, [id(1, 2, 0), id(2, 1, 0)]);
}

/// The paths are free for others, and come back only where nobody has taken them.
pub async fn a_workflow_that_takes_no_runs_has_no_triggers(store: &dyn Store) {
    let triggers = vec![schedule(id(1, 1, 0), 10), webhook(id(1, 1, 1), "orders")];
    must_put(store, triggers.clone()).await;
    let restore = async || {
        let restored = store.restore_workflow(workflow(1), 1, triggers.clone());
        restored.await.unwrap()
    };
    assert!(store.archive_workflow(workflow(1), at(5)).await.unwrap());
    assert_eq!(list(store, ALL).await, []);
    assert_eq!(store.next_due().await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(restore().await, Changed::Written);
        assert_eq!(list(store, ALL).await, [id(1, 1, 0), id(1, 1, 1)]);
    }
    assert!(store.archive_workflow(workflow(1), at(6)).await.unwrap());
    must_put(store, vec![webhook(id(2, 1, 0), "orders")]).await;
    let taken = PathTaken {
        path: "orders".to_owned(),
        workflow: workflow(2),
    };
    assert_eq!(restore().await, Changed::PathTaken(taken));
    let head = store.find_head(workflow(1)).await.unwrap().unwrap();
    assert_eq!(head.archived_at, Some(at(6)), "nothing of it is written");
    let deleted = store.delete_workflow(workflow(2), at(7)).await.unwrap();
    assert_eq!(deleted, Deleted::Deleted);
    assert_eq!(restore().await, Changed::Written);
    assert_eq!(list(store, ALL).await, [id(1, 1, 0), id(1, 1, 1)]);
}

/// And is given back with the version that had it.
pub async fn a_path_belongs_to_one_workflow(store: &dyn Store) {
    must_put(store, vec![webhook(id(1, 1, 0), "orders")]).await;
    let two = vec![schedule(id(1, 2, 0), 3), webhook(id(1, 2, 1), "orders")];
    must_put(store, two).await;
    let refused = vec![schedule(id(2, 1, 0), 5), webhook(id(2, 1, 1), "orders")];
    let taken = PathTaken {
        path: "orders".to_owned(),
        workflow: workflow(1),
    };
    assert_eq!(put(store, refused.clone()).await, Changed::PathTaken(taken));
    let kept = [id(1, 2, 0), id(1, 2, 1)];
    assert_eq!(list(store, ALL).await, kept, "nothing of it is kept");
    assert_eq!(store.find_head(workflow(2)).await.unwrap(), None);
    let found = async |path| store.find_webhooks(path).await.unwrap();
    assert_eq!(found("orders").await, [id(1, 2, 1)]);
    assert_eq!(found("order").await, []);
    must_put(store, vec![webhook(id(1, 3, 0), "order")]).await;
    assert_eq!(found("orders").await, []);
    must_put(store, refused).await;
    assert_eq!(found("orders").await, [id(2, 1, 1)]);
}

/// Nobody waits for ever, and a path has one holder.
pub async fn workflows_that_want_each_others_paths_at_once_are_answered(store: &dyn Store) {
    let paths = ["a", "b"];
    for round in 1..20_u32 {
        let want = async |number: u8| {
            let place = (usize::from(number) + usize::try_from(round).unwrap()) % 2;
            let head = store.find_head(workflow(number)).await.unwrap();
            let version = head.map_or(0, |head| head.newest) + 1;
            put(store, vec![webhook(id(number, version, 0), paths[place])]).await
        };
        let answers = futures::future::join(want(1), want(2)).await;
        for answer in [answers.0, answers.1] {
            assert_ne!(answer, Changed::Overtaken);
        }
        let mut holders = BTreeSet::new();
        for path in paths {
            holders.extend(store.find_webhooks(path).await.unwrap());
        }
        let listed = list(store, ALL).await;
        assert_eq!(Vec::from_iter(holders), listed);
    }
}

/// A tick is claimed by one, and comes again where nobody moves it on.
pub async fn schedules_are_claimed_when_they_are_due(store: &dyn Store) {
    assert_eq!(store.next_due().await.unwrap(), None);
    let (early, late) = (schedule(id(1, 1, 0), 10), schedule(id(2, 1, 0), 20));
    must_put(store, vec![late.clone()]).await;
    must_put(store, vec![early.clone(), webhook(id(1, 1, 1), "x")]).await;
    let claim = async |before, until| {
        let claimed = store.claim_ticks(at(before), at(until), 10).await;
        claimed.unwrap()
    };
    assert_eq!(store.next_due().await.unwrap(), Some(at(10)));
    assert_eq!(claim(10, 50).await, []);
    assert_eq!(claim(11, 50).await, std::slice::from_ref(&early));
    assert_eq!(claim(11, 50).await, [], "somebody has it");
    assert_eq!(store.next_due().await.unwrap(), Some(at(20)));
    assert!(
        store
            .move_tick(early.id, at(10), Some(at(70)))
            .await
            .unwrap()
    );
    assert!(
        !store
            .move_tick(early.id, at(10), Some(at(80)))
            .await
            .unwrap(),
        "it is at another tick"
    );
    // Whoever had this one has died.
    assert_eq!(claim(21, 40).await, std::slice::from_ref(&late));
    assert_eq!(claim(41, 90).await, std::slice::from_ref(&late));
    assert!(store.move_tick(late.id, at(20), None).await.unwrap());
    assert_eq!(store.next_due().await.unwrap(), Some(at(70)));
    let moved = claim(71, 99).await;
    assert_eq!(moved.len(), 1);
    assert_eq!((moved[0].id, moved[0].next_at), (early.id, Some(at(70))));
}

/// Many at once, each a few at a time.
pub async fn of_many_claimers_each_tick_goes_to_one(store: &dyn Store) {
    let all = (0..60).map(|number| schedule(id(1, 1, number), i64::from(number)));
    must_put(store, all.collect()).await;
    let claimer = async || {
        let mut mine = Vec::new();
        loop {
            let claimed = store.claim_ticks(at(100), Timestamp::MAX, 7).await.unwrap();
            if claimed.is_empty() {
                return mine;
            }
            mine.extend(claimed.into_iter().map(|trigger| trigger.id));
        }
    };
    let all = futures::future::join_all((0..4).map(|_| claimer())).await;
    let all: Vec<_> = all.into_iter().flatten().collect();
    assert_eq!(all.len(), 60, "none is left, and none was given twice");
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 60);
}
