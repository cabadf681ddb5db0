//! Labels of runs.

use millwork_core::run::RunStatus;

use super::sample::{advance, at, create, end, everything, list, new_of, run, workflow, write};
use crate::{Labels, Order, RunQuery, Store};

fn labels(all: &[(&str, &str)]) -> Labels {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    all.iter().map(owned).collect()
}

fn with(all: &[(&str, &str)]) -> RunQuery {
    RunQuery {
        labels: labels(all).into_iter().collect(),
        ..everything()
    }
}

/// By one and by several, together with the other filters, in both orders and in pages.
pub async fn runs_are_listed_by_their_labels(store: &dyn Store) {
    let of = [
        labels(&[]),
        labels(&[("team", "shop")]),
        labels(&[("team", "shop"), ("customer", "7")]),
        labels(&[("team", "till"), ("customer", "7")]),
        labels(&[
            ("team", "shop"),
            ("customer", "7"),
            ("odd", "\0 \u{10ffff} \""),
        ]),
    ];
    for (number, labels) in (0..).zip(of) {
        let mut commit = create(run(number));
        new_of(&mut commit).labels = labels;
        new_of(&mut commit).workflow = workflow(u8::from(number == 4));
        write(store, vec![commit]).await;
    }
    let shop = [run(4), run(2), run(1)];
    assert_eq!(list(store, with(&[("team", "shop")])).await, shop);
    let both = with(&[("team", "shop"), ("customer", "7")]);
    assert_eq!(list(store, both.clone()).await, [run(4), run(2)]);
    let odd = with(&[("odd", "\0 \u{10ffff} \""), ("customer", "7")]);
    assert_eq!(list(store, odd).await, [run(4)]);
    assert_eq!(list(store, with(&[("team", "7")])).await, []);
    let contradicting = RunQuery {
        labels: vec![
            ("team".to_owned(), "shop".to_owned()),
            ("team".to_owned(), "till".to_owned()),
        ],
        ..everything()
    };
    assert_eq!(list(store, contradicting).await, []);
    write(store, vec![advance(run(2), 1)]).await;
    let running = RunQuery {
        statuses: vec![RunStatus::Running, RunStatus::Failed],
        ..with(&[("team", "shop")])
    };
    assert_eq!(list(store, running).await, [run(2)]);
    let of_workflow = RunQuery {
        workflow: Some(workflow(1)),
        ..both.clone()
    };
    assert_eq!(list(store, of_workflow).await, [run(4)]);
    let page = |after| RunQuery {
        after,
        order: Order::OldestFirst,
        limit: 2,
        ..with(&[("team", "shop")])
    };
    assert_eq!(list(store, page(None)).await, [run(1), run(2)]);
    assert_eq!(list(store, page(Some(run(2)))).await, [run(4)]);
}

/// A run that is made again under the same identifier has none of them.
pub async fn labels_go_with_their_run(store: &dyn Store) {
    let mut commit = create(run(1));
    new_of(&mut commit).labels = labels(&[("team", "shop")]);
    let ended = end(run(1), 1, RunStatus::Success, at(5));
    write(store, vec![commit, ended]).await;
    let removed = store.remove_finished(at(6), at(6), 10).await.unwrap();
    assert_eq!(removed, 1);
    assert_eq!(list(store, with(&[("team", "shop")])).await, []);
    write(store, vec![create(run(1))]).await;
    assert_eq!(list(store, with(&[("team", "shop")])).await, []);
}
