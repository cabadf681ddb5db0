//! Kept values in memory: for tests, and for calls that nobody keeps anything for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::{Entry, Expectation, KeyValue, KvError, Scope};

/// What one scope may hold, keys included.
const SCOPE_MAX_BYTES: usize = 1 << 20;

/// What an entry costs besides its key and value, so that a million empty ones are bounded too.
const ENTRY_COST_BYTES: usize = 64;

/// Kept values that are gone when the process is.
#[derive(Debug, Default)]
pub struct MemoryKeyValue(Mutex<HashMap<Scope, Room>>);

#[derive(Debug, Default)]
struct Room {
    entries: HashMap<String, Entry>,
    held_bytes: usize,
    /// Versions are never given out twice, so that a key that was deleted and written again is seen to have changed.
    last_version: u64,
}

impl Room {
    fn check(&self, key: &str, expected: Expectation) -> Result<(), KvError> {
        let version = self.entries.get(key).map(|entry| entry.version);
        let holds = match expected {
            Expectation::Any => true,
            Expectation::Absent => version.is_none(),
            Expectation::Version(wanted) => version == Some(wanted),
        };
        if holds {
            Ok(())
        } else {
            Err(KvError::Conflict(version))
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.held_bytes -= cost(key, &old.value);
        }
    }
}

fn cost(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_COST_BYTES
}

#[async_trait]
impl KeyValue for MemoryKeyValue {
    async fn get(&self, scope: &Scope, key: &str) -> Result<Option<Entry>, KvError> {
        let rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rooms
            .get(scope)
            .and_then(|room| room.entries.get(key))
            .cloned())
    }

    async fn set(
        &self,
        scope: &Scope,
        key: &str,
        value: Vec<u8>,
        expected: Expectation,
    ) -> Result<u64, KvError> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry(scope.clone()).or_default();
        room.check(key, expected)?;
        let old_bytes = room.entries.get(key).map_or(0, |old| cost(key, &old.value));
        let held_bytes = room.held_bytes - old_bytes + cost(key, &value);
        if held_bytes > SCOPE_MAX_BYTES {
            return Err(KvError::Full(SCOPE_MAX_BYTES as u64));
        }
        room.held_bytes = held_bytes;
        room.last_version += 1;
        let version = room.last_version;
        room.entries
            .insert(key.to_owned(), Entry { value, version });
        Ok(version)
    }

    async fn delete(&self, scope: &Scope, key: &str, expected: Expectation) -> Result<(), KvError> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(room) = rooms.get_mut(scope) else {
            return Ok(());
        };
        if room.entries.contains_key(key) {
            room.check(key, expected)?;
            room.remove(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(workflow: &str) -> Scope {
        Scope {
            plugin: "p".to_owned(),
            workflow: workflow.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_write_happens_only_over_what_was_expected() {
        let (kv, scope) = (MemoryKeyValue::default(), scope("w"));
        let first = kv
            .set(&scope, "k", vec![1], Expectation::Absent)
            .await
            .expect("nothing is there");
        assert_eq!(
            kv.set(&scope, "k", vec![2], Expectation::Absent).await,
            Err(KvError::Conflict(Some(first)))
        );
        let second = kv
            .set(&scope, "k", vec![2], Expectation::Version(first))
            .await
            .expect("the version is right");
        assert_eq!(
            kv.delete(&scope, "k", Expectation::Version(first)).await,
            Err(KvError::Conflict(Some(second)))
        );
        assert_eq!(
            kv.delete(&scope, "k", Expectation::Version(second)).await,
            Ok(())
        );
        assert_eq!(
            kv.delete(&scope, "k", Expectation::Version(second)).await,
            Ok(())
        );
        let third = kv
            .set(&scope, "k", vec![3], Expectation::Any)
            .await
            .expect("anything goes");
        assert!(third > second);
    }

    #[tokio::test]
    async fn one_scope_does_not_see_another_and_each_is_bounded() {
        let kv = MemoryKeyValue::default();
        kv.set(&scope("a"), "k", vec![1], Expectation::Any)
            .await
            .expect("there is room");
        assert_eq!(kv.get(&scope("b"), "k").await, Ok(None));
        let giant = vec![0; SCOPE_MAX_BYTES];
        assert!(matches!(
            kv.set(&scope("a"), "l", giant, Expectation::Any).await,
            Err(KvError::Full(_))
        ));
        for _ in 0..10 {
            kv.set(
                &scope("a"),
                "k",
                vec![0; SCOPE_MAX_BYTES / 2],
                Expectation::Any,
            )
            .await
            .expect("it replaces what was there");
        }
    }
}
