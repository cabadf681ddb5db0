//! Workflows, plugins and the sign of life.

use super::sample::{at, digest, workflow};
use crate::{Plugin, Store, Workflow};

fn version(version: u32) -> Workflow {
    Workflow {
        id: workflow(1),
        version,
        name: "order-paid".to_owned(),
        definition: format!("{{\"name\":\"order-paid\",\"version\":{version}}}"),
        created_at: at(i64::from(version)),
    }
}

/// Versions live side by side.
pub async fn the_newest_version_of_a_workflow_is_found(store: &dyn Store) {
    assert_eq!(store.find_workflow(workflow(1), None).await.unwrap(), None);
    for number in [1, 3, 2, 10] {
        store.insert_workflow(version(number)).await.unwrap();
    }
    assert_eq!(
        store.find_workflow(workflow(1), None).await.unwrap(),
        Some(version(10))
    );
    assert_eq!(
        store.find_workflow(workflow(1), Some(2)).await.unwrap(),
        Some(version(2))
    );
    assert_eq!(
        store.find_workflow(workflow(1), Some(4)).await.unwrap(),
        None
    );
    assert_eq!(store.find_workflow(workflow(2), None).await.unwrap(), None);
}

/// A run pinned to it would change under way.
pub async fn a_version_of_a_workflow_never_changes(store: &dyn Store) {
    store.insert_workflow(version(1)).await.unwrap();
    store.insert_workflow(version(1)).await.unwrap();
    store
        .insert_workflow(Workflow {
            name: "other".to_owned(),
            ..version(1)
        })
        .await
        .unwrap();
    assert_eq!(
        store.find_workflow(workflow(1), Some(1)).await.unwrap(),
        Some(version(1))
    );
}

/// By its digest, whatever it is called.
pub async fn a_plugin_is_kept_once(store: &dyn Store) {
    let wasm: Vec<u8> = (0..300_000_u32).map(|i| i.to_le_bytes()[0]).collect();
    let plugin = Plugin {
        digest: digest(1),
        name: "webhook".to_owned(),
        version: "1.0.0".to_owned(),
        bundled: true,
        wasm,
    };
    assert_eq!(store.find_plugin(digest(1)).await.unwrap(), None);
    store.insert_plugin(plugin.clone()).await.unwrap();
    store
        .insert_plugin(Plugin {
            name: "renamed".to_owned(),
            ..plugin.clone()
        })
        .await
        .unwrap();
    let other = Plugin {
        digest: digest(2),
        bundled: false,
        wasm: Vec::new(),
        ..plugin.clone()
    };
    store.insert_plugin(other.clone()).await.unwrap();
    assert_eq!(store.find_plugin(digest(1)).await.unwrap(), Some(plugin));
    assert_eq!(store.find_plugin(digest(2)).await.unwrap(), Some(other));
    assert_eq!(store.find_plugin(digest(3)).await.unwrap(), None);
}

/// As often as it is asked.
pub async fn the_store_gives_a_sign_of_life(store: &dyn Store) {
    for _ in 0..3 {
        store.ping().await.unwrap();
    }
}
