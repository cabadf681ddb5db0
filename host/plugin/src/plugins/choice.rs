//! What operators decide about plugins, carried out: who may be used, and what each may do.

use std::sync::{Arc, PoisonError};

use super::{Loading, Plugins};
use crate::catalog::{Listed, LoadedPlugin, Origin};
use crate::decision::{Decisions, Standing};
use crate::grant::{Grant, HttpRule, Network};
use crate::imports::Outfit;
use crate::manifest::Manifest;

impl Plugins {
    /// Says what is installed and what is decided, in place of what was. Grants hold from the next call on, also for runs that
    /// have begun; the rest is about new runs.
    pub async fn choose(&self, installed: Vec<Arc<LoadedPlugin>>, decisions: Decisions) {
        let mut loading = self.loading.lock().await;
        loading.installed = installed;
        *self
            .decisions
            .write()
            .unwrap_or_else(PoisonError::into_inner) = decisions;
        self.publish(&loading);
        let all = self
            .catalog
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .all();
        for plugin in all {
            plugin.equip(self.outfit(&plugin.manifest, &plugin.origin));
        }
    }

    /// Whether the configuration says what a plugin may do: then nobody else does.
    #[must_use]
    pub fn is_granted_by_configuration(&self, name: &str) -> bool {
        self.grants.contains_key(name)
    }

    /// Whether this host has what a grant names.
    ///
    /// # Errors
    /// A sentence for each directory and variable that it does not have.
    pub fn check_grant(&self, grant: &Grant) -> Result<(), Vec<String>> {
        self.premises.check(grant)
    }

    /// What a plugin works with: the configuration's word, or what was decided, or nothing.
    pub(super) fn outfit(&self, manifest: &Manifest, origin: &Origin) -> Arc<Outfit> {
        let decided = || {
            let decisions = self.decisions.read();
            let decisions = decisions.unwrap_or_else(PoisonError::into_inner);
            let decision = decisions.get(&manifest.name);
            decision.and_then(|decision| decision.grant.clone())
        };
        let grant = match self.grants.get(&manifest.name).cloned().or_else(decided) {
            Some(grant) => grant,
            // A file that calls itself like a bundled plugin does not inherit from it.
            None if *origin == Origin::Bundled => {
                bundled_grant(&manifest.name, self.bound_to_loopback)
            }
            None => Grant::default(),
        };
        self.sandbox.outfit(&manifest.name, &manifest.asks, grant)
    }

    /// Says what names mean from now on. What was installed wins over a bundled plugin of the same name and version, and a file
    /// over both.
    pub(super) fn publish(&self, loading: &Loading) {
        let decisions = self
            .decisions
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let plugins = loading
            .bundled
            .iter()
            .chain(&loading.installed)
            .map(Arc::clone)
            .chain(loading.folder.plugins());
        let plugins = plugins.map(|plugin| Listed {
            standing: Standing::of(&plugin, &decisions),
            plugin,
        });
        self.catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .name_all(plugins);
    }
}

/// What a bundled plugin may do where the operator says nothing about it.
fn bundled_grant(name: &str, bound_to_loopback: bool) -> Grant {
    if name != "webhook" {
        return Grant::default();
    }
    let private_networks = if bound_to_loopback {
        vec![Network::Loopback]
    } else {
        Vec::new()
    };
    Grant {
        http: vec![HttpRule::any()],
        private_networks,
        ..Grant::default()
    }
}
