//! What connectors remember: compared and written in one step.

use std::collections::HashSet;

use futures::future::join_all;

use crate::{Expected, Store, Value, ValueKey, Written};

fn key(name: &str) -> ValueKey {
    ValueKey {
        plugin: "slack".to_owned(),
        workflow: "orders".to_owned(),
        key: name.to_owned(),
    }
}

async fn write(store: &dyn Store, key: &ValueKey, value: &[u8], expected: Expected) -> Written {
    store
        .write_value(key, Some(value.to_vec()), expected)
        .await
        .expect("the store writes values")
}

async fn delete(store: &dyn Store, key: &ValueKey, expected: Expected) -> Written {
    store
        .write_value(key, None, expected)
        .await
        .expect("the store deletes values")
}

async fn find(store: &dyn Store, key: &ValueKey) -> Option<Value> {
    store.find_value(key).await.expect("the store reads values")
}

/// Writes what must be written, and tells its version.
async fn written(store: &dyn Store, key: &ValueKey, value: &[u8], expected: Expected) -> u64 {
    match write(store, key, value, expected).await {
        Written::Version(version) => version,
        other => panic!("{key:?} is not written but {other:?}"),
    }
}

/// Any bytes, none included.
pub async fn a_value_is_written_read_and_deleted(store: &dyn Store) {
    let key = key("cursor");
    assert_eq!(find(store, &key).await, None);
    let first = written(store, &key, &[0, 255, 0], Expected::Absent).await;
    assert!(first > 0);
    assert_eq!(
        find(store, &key).await,
        Some(Value {
            bytes: vec![0, 255, 0],
            version: first
        })
    );
    let second = written(store, &key, b"", Expected::Version(first)).await;
    assert!(second > first);
    assert_eq!(
        find(store, &key).await,
        Some(Value {
            bytes: Vec::new(),
            version: second
        })
    );
    let third = written(store, &key, b"x", Expected::Any).await;
    assert!(third > second);
    assert_eq!(
        delete(store, &key, Expected::Version(third)).await,
        Written::Deleted
    );
    assert_eq!(find(store, &key).await, None);
}

/// And nothing is written.
pub async fn a_writer_who_expects_something_else_is_told_what_is_there(store: &dyn Store) {
    let key = key("cursor");
    assert_eq!(
        write(store, &key, b"a", Expected::Version(1)).await,
        Written::Conflict(None)
    );
    assert_eq!(
        delete(store, &key, Expected::Version(1)).await,
        Written::Conflict(None)
    );
    let version = written(store, &key, b"a", Expected::Absent).await;
    assert_eq!(
        write(store, &key, b"b", Expected::Absent).await,
        Written::Conflict(Some(version))
    );
    assert_eq!(
        write(store, &key, b"b", Expected::Version(version + 1)).await,
        Written::Conflict(Some(version))
    );
    assert_eq!(
        delete(store, &key, Expected::Absent).await,
        Written::Conflict(Some(version))
    );
    assert_eq!(
        find(store, &key).await,
        Some(Value {
            bytes: b"a".to_vec(),
            version
        })
    );
    assert_eq!(delete(store, &key, Expected::Any).await, Written::Deleted);
    // What is not there is deleted where that was expected.
    assert_eq!(delete(store, &key, Expected::Any).await, Written::Deleted);
    assert_eq!(
        delete(store, &key, Expected::Absent).await,
        Written::Deleted
    );
}

/// Plugin, workflow and key each count; so does every character of them.
pub async fn keys_do_not_touch_each_other(store: &dyn Store) {
    let keys = [
        key("a"),
        key("A"),
        key("a "),
        key(""),
        key("a\0b"),
        key("a\0c"),
        ValueKey {
            plugin: "teams".to_owned(),
            ..key("a")
        },
        ValueKey {
            workflow: "refunds".to_owned(),
            ..key("a")
        },
    ];
    for (number, key) in (0..).zip(&keys) {
        written(store, key, &[number], Expected::Absent).await;
    }
    for (number, key) in (0..).zip(&keys) {
        assert_eq!(
            find(store, key).await.map(|value| value.bytes),
            Some(vec![number]),
            "{key:?}"
        );
    }
}

/// Or a writer who has slept over a deletion would take the new value for the one that it knew.
pub async fn a_version_is_never_given_twice(store: &dyn Store) {
    let key = key("cursor");
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(written(store, &key, b"x", Expected::Absent).await);
        assert_eq!(delete(store, &key, Expected::Any).await, Written::Deleted);
    }
    assert!(seen.is_sorted_by(|one, next| one < next), "{seen:?}");
}

/// Many tasks count up one value, each from what it read.
pub async fn of_racing_writers_none_is_lost(store: &dyn Store) {
    const WRITERS: u64 = 8;
    const ROUNDS: u64 = 20;
    let key = key("counter");
    let key = &key;
    let writers = (0..WRITERS).map(|_| async move {
        let mut versions = Vec::new();
        while versions.len() < usize::try_from(ROUNDS).expect("small") {
            let found = find(store, key).await;
            let expected = found
                .as_ref()
                .map_or(Expected::Absent, |value| Expected::Version(value.version));
            let count = found.map_or(0, |value| {
                u64::from_le_bytes(value.bytes.try_into().expect("eight bytes"))
            });
            match write(store, key, &(count + 1).to_le_bytes(), expected).await {
                Written::Version(version) => versions.push(version),
                Written::Conflict(_) => {}
                Written::Deleted => panic!("nothing was to be deleted"),
            }
        }
        versions
    });
    let versions = join_all(writers).await.concat();
    let count = find(store, key).await.expect("it was written").bytes;
    assert_eq!(count, (WRITERS * ROUNDS).to_le_bytes());
    assert_eq!(
        versions.iter().collect::<HashSet<_>>().len(),
        versions.len()
    );
}
