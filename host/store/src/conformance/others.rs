//! Plugins and the sign of life.

use super::sample::digest;
use crate::{Plugin, Store};

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

/// Where there is one: a store that forgets has none.
pub async fn the_store_says_how_large_it_is(store: &dyn Store) {
    let size = store.size_bytes().await.unwrap();
    assert!(size.is_none_or(|bytes| bytes > 0), "{size:?}");
}
