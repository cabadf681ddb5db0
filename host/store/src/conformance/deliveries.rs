//! What is promised of deliveries.

use millwork_core::id::DeliveryId;
use millwork_core::run::RunStatus;

use super::sample::{advance, at, create, run, summary};
use crate::{
    Came, Commit, Delivery, DeliveryCounts, DeliveryQuery, DeliveryState, DeliveryStep, Resend,
    Store,
};

fn delivery(number: u8, webhook: &str) -> Delivery {
    let time = at(i64::from(number) * 10_000);
    Delivery {
        id: DeliveryId::from_parts(time, [number; 10]),
        webhook: webhook.to_owned(),
        run: run(u16::from(number)),
        event: format!("event {number} \0"),
        body: "{\"specversion\":\"1.0\"}".to_owned(),
        created_at: time,
        since: time,
        attempts: 0,
        due_at: Some(time),
        failure: None,
    }
}

async fn keep(store: &dyn Store, numbers: impl IntoIterator<Item = u8>, webhook: &str) {
    let deliveries = numbers.into_iter().map(|number| delivery(number, webhook));
    store
        .hand_over(Vec::new(), deliveries.collect())
        .await
        .unwrap();
}

fn everything() -> DeliveryQuery {
    DeliveryQuery {
        webhook: None,
        run: None,
        state: None,
        after: None,
        limit: 100,
    }
}

fn step(delivery: &Delivery, came: Came) -> DeliveryStep {
    DeliveryStep {
        id: delivery.id,
        attempts: delivery.attempts,
        came,
    }
}

fn no() -> String {
    "503 \0".to_owned()
}

/// Both or neither: so an end is either due to be told, or is on its way.
pub async fn a_delivery_is_kept_when_its_run_is_settled(store: &dyn Store) {
    let ended = summary(RunStatus::Failed);
    store.commit(vec![create(run(1))]).await.unwrap();
    let end = Commit {
        summary: ended,
        due_at: Some(at(50)),
        ..advance(run(1), 1)
    };
    store.commit(vec![end]).await.unwrap();
    assert_eq!(store.list_due(None, at(60), 10).await.unwrap().len(), 1);
    let kept = delivery(1, "shop");
    for _ in 0..2 {
        store
            .hand_over(vec![run(1)], vec![kept.clone()])
            .await
            .unwrap();
    }
    assert_eq!(store.list_due(None, at(60), 10).await.unwrap(), []);
    assert_eq!(store.find_delivery(kept.id).await.unwrap(), Some(kept));
    assert_eq!(
        store.find_delivery(delivery(2, "shop").id).await.unwrap(),
        None
    );
    assert_eq!(store.list_deliveries(everything()).await.unwrap().len(), 1);
}

/// Of its own webhook, the one that has waited longest first; and each again when its claim has run out.
pub async fn deliveries_are_taken_on_when_they_are_due(store: &dyn Store) {
    assert_eq!(store.next_delivery_due("shop").await.unwrap(), None);
    keep(store, 1..=3, "shop").await;
    keep(store, 4..=4, "desk").await;
    assert_eq!(
        store.next_delivery_due("shop").await.unwrap(),
        Some(at(10_000))
    );
    assert_eq!(
        store.next_delivery_due("desk").await.unwrap(),
        Some(at(40_000))
    );
    let claim = async |webhook: &'static str, before, limit| {
        let claimed = store.claim_deliveries(webhook, at(before), at(100_000), limit);
        let mut claimed = claimed.await.unwrap();
        claimed.sort_by_key(|claimed| claimed.id);
        let told = claimed
            .iter()
            .map(|claimed| (claimed.id, claimed.attempts, claimed.due_at));
        told.collect::<Vec<_>>()
    };
    let at_its_time = |number, attempts| (delivery(number, "shop").id, attempts, Some(at(100_000)));
    assert_eq!(claim("shop", 10_000, 9).await, []);
    assert_eq!(
        claim("shop", 30_001, 2).await,
        [at_its_time(1, 1), at_its_time(2, 1)]
    );
    assert_eq!(claim("shop", 30_001, 2).await, [at_its_time(3, 1)]);
    assert_eq!(claim("shop", 90_000, 9).await, []);
    assert_eq!(claim("desk", 90_000, 9).await, [at_its_time(4, 1)]);
    assert_eq!(claim("shop", 100_001, 1).await, [at_its_time(1, 2)]);
}

/// What arrived is forgotten; the rest is noted by who took it on last, and by nobody who was slower than his claim.
pub async fn what_came_of_a_delivery_is_noted(store: &dyn Store) {
    keep(store, 1..=3, "shop").await;
    let first = store.claim_deliveries("shop", at(50_000), at(60_000), 9);
    let first = first.await.unwrap();
    let second = store.claim_deliveries("shop", at(60_001), at(70_000), 9);
    let mut second = second.await.unwrap();
    second.sort_by_key(|delivery| delivery.id);
    let [one, two, three] = &second[..] else {
        panic!("{second:?}");
    };
    let late = first.iter().map(|late| {
        step(
            late,
            Came::Exhausted {
                failure: "late".to_owned(),
            },
        )
    });
    store.save_deliveries(late.collect()).await.unwrap();
    let steps = vec![
        step(one, Came::Delivered),
        step(
            two,
            Came::Again {
                at: at(80_000),
                failure: no(),
            },
        ),
        step(three, Came::Exhausted { failure: no() }),
    ];
    store.save_deliveries(steps).await.unwrap();
    store.save_deliveries(Vec::new()).await.unwrap();
    assert_eq!(store.find_delivery(one.id).await.unwrap(), None);
    let again = Delivery {
        due_at: Some(at(80_000)),
        failure: Some(no()),
        ..two.clone()
    };
    assert_eq!(store.find_delivery(two.id).await.unwrap(), Some(again));
    let exhausted = Delivery {
        due_at: None,
        failure: Some(no()),
        ..three.clone()
    };
    assert_eq!(exhausted.state(), DeliveryState::Exhausted);
    assert_eq!(
        store.find_delivery(three.id).await.unwrap(),
        Some(exhausted)
    );
    assert_eq!(
        store.next_delivery_due("shop").await.unwrap(),
        Some(at(80_000))
    );
    // Also by whom the claim had run out: it is there now.
    let two_before = &first.iter().find(|first| first.id == two.id).unwrap();
    store
        .save_deliveries(vec![step(two_before, Came::Delivered)])
        .await
        .unwrap();
    assert_eq!(store.find_delivery(two.id).await.unwrap(), None);
}

/// By webhook, by run and by state, page by page, the latest first.
pub async fn deliveries_are_listed_and_counted(store: &dyn Store) {
    keep(store, 1..=3, "shop").await;
    keep(store, 4..=4, "desk").await;
    give_up(store, "shop", 1).await;
    let list = async |query: DeliveryQuery| {
        let listed = store.list_deliveries(query).await.unwrap();
        listed.iter().map(|listed| listed.run).collect::<Vec<_>>()
    };
    assert_eq!(list(everything()).await, [run(4), run(3), run(2), run(1)]);
    let page = DeliveryQuery {
        after: Some(delivery(3, "shop").id),
        limit: 1,
        ..everything()
    };
    assert_eq!(list(page).await, [run(2)]);
    let of_shop = DeliveryQuery {
        webhook: Some("shop".to_owned()),
        state: Some(DeliveryState::Pending),
        ..everything()
    };
    assert_eq!(list(of_shop).await, [run(3), run(2)]);
    let exhausted = DeliveryQuery {
        state: Some(DeliveryState::Exhausted),
        ..everything()
    };
    assert_eq!(list(exhausted).await, [run(1)]);
    let of_run = DeliveryQuery {
        run: Some(run(4)),
        ..everything()
    };
    assert_eq!(list(of_run).await, [run(4)]);
    let counts = |webhook: &str, pending, exhausted| DeliveryCounts {
        webhook: webhook.to_owned(),
        pending,
        exhausted,
    };
    let counted = store.count_deliveries().await.unwrap();
    assert_eq!(counted, [counts("desk", 1, 0), counts("shop", 2, 1)]);
}

async fn give_up(store: &dyn Store, webhook: &str, limit: usize) {
    let claimed = store.claim_deliveries(webhook, at(99_000), at(99_500), limit);
    let claimed = claimed.await.unwrap();
    let given_up = claimed
        .iter()
        .map(|claimed| step(claimed, Came::Exhausted { failure: no() }));
    store.save_deliveries(given_up.collect()).await.unwrap();
}

/// One, or all that were given up: from then on as if they were new.
pub async fn deliveries_are_sent_again(store: &dyn Store) {
    keep(store, 1..=4, "shop").await;
    keep(store, 5..=5, "desk").await;
    give_up(store, "shop", 3).await;
    give_up(store, "desk", 1).await;
    let resend = async |which, limit| store.resend_deliveries(which, at(200_000), limit).await;
    let exhausted = |webhook: Option<&str>| Resend::Exhausted {
        webhook: webhook.map(str::to_owned),
    };
    assert_eq!(
        resend(Resend::One(delivery(9, "shop").id), 9)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        resend(Resend::One(delivery(1, "shop").id), 9)
            .await
            .unwrap(),
        1
    );
    let found = store.find_delivery(delivery(1, "shop").id).await.unwrap();
    let found = found.unwrap();
    assert_eq!(
        (found.since, found.due_at),
        (at(200_000), Some(at(200_000)))
    );
    assert_eq!((found.attempts, found.failure), (1, Some(no())));
    assert_eq!(resend(exhausted(Some("shop")), 1).await.unwrap(), 1);
    assert_eq!(resend(exhausted(Some("shop")), 9).await.unwrap(), 1);
    assert_eq!(resend(exhausted(Some("shop")), 9).await.unwrap(), 0);
    assert_eq!(resend(exhausted(None), 9).await.unwrap(), 1);
    // One that waits for its next attempt is tried at once.
    assert_eq!(
        resend(Resend::One(delivery(4, "shop").id), 9)
            .await
            .unwrap(),
        1
    );
    let claimed = store.claim_deliveries("shop", at(200_001), at(300_000), 9);
    assert_eq!(claimed.await.unwrap().len(), 4);
}

/// Whatever state they are in: nothing is kept for ever.
pub async fn old_deliveries_are_removed(store: &dyn Store) {
    keep(store, 1..=4, "shop").await;
    give_up(store, "shop", 1).await;
    assert_eq!(store.remove_deliveries(at(10_000), 9).await.unwrap(), 0);
    assert_eq!(store.remove_deliveries(at(30_000), 1).await.unwrap(), 1);
    assert_eq!(store.remove_deliveries(at(30_000), 9).await.unwrap(), 1);
    assert_eq!(store.list_deliveries(everything()).await.unwrap().len(), 2);
}

/// Whoever asks at the same moment.
pub async fn of_many_claimers_a_delivery_goes_to_one(store: &dyn Store) {
    keep(store, 1..=8, "shop").await;
    let claims = (0..12).map(|_| store.claim_deliveries("shop", at(90_000), at(100_000), 2));
    let claimed = futures::future::join_all(claims).await;
    let mut runs: Vec<_> = claimed
        .into_iter()
        .flat_map(|claimed| claimed.unwrap())
        .map(|claimed| (claimed.run, claimed.attempts))
        .collect();
    runs.sort();
    let expected: Vec<_> = (1..=8).map(|number| (run(number), 1)).collect();
    assert_eq!(runs, expected);
}
