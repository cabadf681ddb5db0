//! Installed plugins, and what was decided about them.

use millwork_core::run::RunStatus;

use super::Subject;
use super::sample::{advance, at, create, digest, run, summary};
use crate::{Commit, Committed, Installed, InstalledPlugin, PluginDecision, Registry};

fn plugin(name: &str, version: &str, bytes: u8) -> InstalledPlugin {
    InstalledPlugin {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: digest(bytes),
        installed_at: at(i64::from(bytes)),
        signature: bytes.is_multiple_of(2).then(|| format!("signed\n{bytes}")),
    }
}

/// What is installed later in the same place takes it.
pub async fn a_name_and_a_version_mean_what_was_installed_last(registry: &dyn Registry) {
    let empty = registry.load_registry().await.unwrap();
    assert_eq!(empty, Installed::default());
    for (name, version, bytes) in [("b", "1.0.0", 1), ("a", "2.0.0", 2), ("a", "1.0.0", 3)] {
        registry
            .install(plugin(name, version, bytes))
            .await
            .unwrap();
    }
    registry.install(plugin("a", "2.0.0", 4)).await.unwrap();
    assert!(registry.uninstall("b", "1.0.0").await.unwrap());
    assert!(!registry.uninstall("b", "1.0.0").await.unwrap());
    assert!(!registry.uninstall("a", "3.0.0").await.unwrap());
    let installed = registry.load_registry().await.unwrap();
    let expected = [plugin("a", "1.0.0", 3), plugin("a", "2.0.0", 4)];
    assert_eq!(installed.plugins, expected);
}

/// Whole, in place of the one before.
pub async fn a_decision_takes_the_place_of_the_one_before(registry: &dyn Registry) {
    let decision =
        |name: &str, grants: Option<&str>, agreed: Option<&str>, disabled| PluginDecision {
            name: name.to_owned(),
            grants: grants.map(str::to_owned),
            agreed: agreed.map(str::to_owned),
            disabled,
        };
    let first = decision("b", Some("{\"kv\":true}"), None, true);
    let other = decision("a", None, Some("[\"kv\"]"), false);
    let second = decision("b", None, Some("[]"), false);
    for decided in [&first, &other] {
        registry.decide(decided.clone()).await.unwrap();
    }
    let told = registry.load_registry().await.unwrap().decisions;
    assert_eq!(told, [other.clone(), first]);
    registry.decide(second.clone()).await.unwrap();
    let told = registry.load_registry().await.unwrap().decisions;
    assert_eq!(told, [other, second]);
}

/// Until it has ended.
pub async fn a_run_that_is_pinned_to_a_plugin_is_found(subject: &Subject) {
    let Subject {
        store, registry, ..
    } = subject;
    let pinned = |number, bytes| Commit {
        records: vec![format!("{{\"digest\":\"{}\"}}", digest(bytes))],
        ..create(run(number))
    };
    let written = store
        .commit(vec![pinned(1, 1), pinned(2, 2)])
        .await
        .unwrap();
    assert_eq!(written, [Committed::Written, Committed::Written]);
    let found = registry.find_run_using(digest(1)).await.unwrap();
    assert_eq!(found, Some(run(1)));
    assert_eq!(registry.find_run_using(digest(3)).await.unwrap(), None);
    let ended = Commit {
        summary: summary(RunStatus::Success),
        due_at: None,
        ..advance(run(1), 1)
    };
    store.commit(vec![ended]).await.unwrap();
    assert_eq!(registry.find_run_using(digest(1)).await.unwrap(), None);
    let found = registry.find_run_using(digest(2)).await.unwrap();
    assert_eq!(found, Some(run(2)));
}
