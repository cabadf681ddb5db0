//! `millwork:kv`: small values that a plugin keeps between calls, one room for each plugin and workflow.

mod memory;

use async_trait::async_trait;
use wasmtime::component::{HasData, Linker};

use self::bindings::millwork::kv::kv;
pub use self::memory::MemoryKeyValue;
use crate::grant::Power;
use crate::imports::Outfit;
use crate::limits;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/kv",
        interfaces: "import millwork:kv/kv@1.0.0;",
        imports: { default: async },
    });
}

/// PORT: where plugins keep their values. The sandbox has asked for the grant and checked the sizes before it calls.
#[async_trait]
pub trait KeyValue: Send + Sync + 'static {
    /// Reads a value.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn get(&self, scope: &Scope, key: &str) -> Result<Option<Entry>, KvError>;

    /// Writes a value if what is there is as expected, in one atomic step, and returns its new version.
    ///
    /// # Errors
    /// Where something else is there, the scope is full or the store does not answer.
    async fn set(
        &self,
        scope: &Scope,
        key: &str,
        value: Vec<u8>,
        expected: Expectation,
    ) -> Result<u64, KvError>;

    /// Deletes a value if what is there is as expected, in one atomic step. Deleting what is absent is no error.
    ///
    /// # Errors
    /// Where something else is there or the store does not answer.
    async fn delete(&self, scope: &Scope, key: &str, expected: Expectation) -> Result<(), KvError>;
}

/// Whose values they are. The plugin by its name, so that its next version finds them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// The plugin's name.
    pub plugin: String,
    /// The workflow's name.
    pub workflow: String,
}

/// A value and its version, which changes with every write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Its version.
    pub version: u64,
}

/// What has to be there for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Anything or nothing.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
}

/// Why a value was neither read nor written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// Something else is there; its version, or nothing where the key is absent.
    #[error("something else is there")]
    Conflict(Option<u64>),
    /// The scope may hold no more than this many bytes.
    #[error("the scope holds more than {0} bytes")]
    Full(u64),
    /// The store did not answer.
    #[error("the store did not answer: {0}")]
    Unavailable(String),
}

/// The kept values, as one call sees them.
pub(crate) struct KvView<'a> {
    pub(crate) outfit: &'a Outfit,
    pub(crate) workflow: &'a str,
}

struct HasKv;

impl HasData for HasKv {
    type Data<'a> = KvView<'a>;
}

impl KvView<'_> {
    /// Asks for the grant and says whose values are meant.
    fn enter(&self, key: &str) -> Result<Scope, kv::Error> {
        self.outfit
            .powers
            .allows(Power::Kv)
            .map_err(|denied| kv::Error::Denied(denied.0))?;
        within(
            key.len(),
            "kv_key_max_bytes",
            self.outfit.limits.kv_key_max_bytes,
        )?;
        Ok(Scope {
            plugin: self.outfit.plugin.to_string(),
            workflow: self.workflow.to_owned(),
        })
    }
}

fn within(size: usize, limit: &'static str, max: usize) -> Result<(), kv::Error> {
    if size > max {
        limits::note(limit);
        Err(kv::Error::TooLarge(u64::try_from(max).unwrap_or(u64::MAX)))
    } else {
        Ok(())
    }
}

impl kv::Host for KvView<'_> {
    async fn get(&mut self, key: String) -> Result<Option<kv::Entry>, kv::Error> {
        let scope = self.enter(&key)?;
        let entry = self.outfit.kv.get(&scope, &key).await?;
        Ok(entry.map(|Entry { value, version }| kv::Entry { value, version }))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        expected: kv::Expectation,
    ) -> Result<u64, kv::Error> {
        let scope = self.enter(&key)?;
        within(
            value.len(),
            "kv_value_max_bytes",
            self.outfit.limits.kv_value_max_bytes,
        )?;
        Ok(self
            .outfit
            .kv
            .set(&scope, &key, value, expected.into())
            .await?)
    }

    async fn delete(&mut self, key: String, expected: kv::Expectation) -> Result<(), kv::Error> {
        let scope = self.enter(&key)?;
        Ok(self.outfit.kv.delete(&scope, &key, expected.into()).await?)
    }
}

impl From<kv::Expectation> for Expectation {
    fn from(expected: kv::Expectation) -> Self {
        match expected {
            kv::Expectation::Any => Self::Any,
            kv::Expectation::Absent => Self::Absent,
            kv::Expectation::Version(version) => Self::Version(version),
        }
    }
}

impl From<KvError> for kv::Error {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Conflict(version) => Self::Conflict(version),
            KvError::Full(max) => Self::TooLarge(max),
            KvError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> KvView<'_>,
) -> wasmtime::Result<()> {
    kv::add_to_linker::<T, HasKv>(linker, get)
}
