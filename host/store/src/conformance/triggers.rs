//! Triggers: what starts runs when nobody asks for one.

use std::collections::BTreeSet;

use millwork_core::time::Timestamp;

use super::sample::{at, workflow};
use crate::Store;
use crate::trigger::{PathTaken, Trigger, TriggerId, TriggerKind, TriggerQuery};

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

async fn put(store: &dyn Store, triggers: Vec<Trigger>) {
    let taken = store.put_triggers(triggers).await;
    assert_eq!(taken.expect("the store keeps them"), None);
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
pub async fn triggers_are_kept_listed_and_removed(store: &dyn Store) {
    put(store, Vec::new()).await;
    let one = [schedule(id(1, 1, 0), 10), webhook(id(1, 1, 1), "a/b")];
    put(store, one.to_vec()).await;
    put(store, vec![schedule(id(1, 1, 0), 99)]).await;
    put(
        store,
        vec![schedule(id(1, 2, 0), 20), webhook(id(2, 1, 0), "c")],
    )
    .await;
    let stored = store.list_triggers(TriggerQuery { limit: 2, ..ALL }).await;
    assert_eq!(stored.unwrap(), one, "keeping it again changes nothing");
    let everything = [id(1, 1, 0), id(1, 1, 1), id(1, 2, 0), id(2, 1, 0)];
    assert_eq!(list(store, ALL).await, everything);
    let after = Some(id(1, 1, 1));
    assert_eq!(
        list(store, TriggerQuery { after, ..ALL }).await,
        everything[2..]
    );
    let kind = Some(TriggerKind::Webhook);
    assert_eq!(
        list(store, TriggerQuery { kind, ..ALL }).await,
        [id(1, 1, 1), id(2, 1, 0)]
    );
    let of_two = Some(workflow(2));
    let query = TriggerQuery {
        workflow: of_two,
        ..ALL
    };
    assert_eq!(list(store, query).await, [id(2, 1, 0)]);
    store.remove_triggers(workflow(1), Some(2)).await.unwrap();
    assert_eq!(list(store, ALL).await, [id(1, 2, 0), id(2, 1, 0)]);
    store.remove_triggers(workflow(1), None).await.unwrap();
    assert_eq!(list(store, ALL).await, [id(2, 1, 0)]);
}

/// All of its versions may have it.
pub async fn a_path_belongs_to_one_workflow(store: &dyn Store) {
    put(store, vec![webhook(id(1, 1, 0), "orders")]).await;
    put(store, vec![webhook(id(1, 2, 3), "orders")]).await;
    let refused = vec![schedule(id(2, 1, 0), 5), webhook(id(2, 1, 1), "orders")];
    let taken = PathTaken {
        path: "orders".to_owned(),
        workflow: workflow(1),
    };
    assert_eq!(
        store.put_triggers(refused.clone()).await.unwrap(),
        Some(taken)
    );
    assert_eq!(
        list(store, ALL).await,
        [id(1, 1, 0), id(1, 2, 3)],
        "nothing of it is kept"
    );
    let found = async |path| store.find_webhooks(path).await.unwrap();
    assert_eq!(found("orders").await, [id(1, 1, 0), id(1, 2, 3)]);
    assert_eq!(found("order").await, []);
    store.remove_triggers(workflow(1), Some(1)).await.unwrap();
    assert_eq!(found("orders").await, [id(1, 1, 0)]);
    store.remove_triggers(workflow(1), None).await.unwrap();
    put(store, refused).await;
    assert_eq!(found("orders").await, [id(2, 1, 1)]);
}

/// A tick is claimed by one, and comes again where nobody moves it on.
pub async fn schedules_are_claimed_when_they_are_due(store: &dyn Store) {
    assert_eq!(store.next_due().await.unwrap(), None);
    let (early, late) = (schedule(id(1, 1, 0), 10), schedule(id(2, 1, 0), 20));
    put(store, vec![late.clone()]).await;
    put(store, vec![early.clone(), webhook(id(1, 1, 1), "x")]).await;
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
    put(store, all.collect()).await;
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
