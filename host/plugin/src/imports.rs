//! What plugins may import from the host: one file an interface, each with its bindings, its state in a call's store
//! and its own `add_to_linker`. Nothing else is linked: what is not here, a plugin cannot reach.

pub(crate) mod clock;
pub(crate) mod handed;
pub(crate) mod http;
pub mod kv;
pub(crate) mod log;
pub(crate) mod random;
pub(crate) mod secrets;
pub(crate) mod wasi;
pub(crate) mod wasi_http;

use std::sync::Arc;

use self::handed::Handed;
use self::http::door::Door;
use self::kv::KeyValue;
use self::secrets::Secrets;
use crate::grant::Powers;
use crate::limits::Limits;

/// What a plugin works with: made once, shared by all its calls. One reference count for each call, and no lock.
pub(crate) struct Outfit {
    pub(crate) plugin: Arc<str>,
    pub(crate) powers: Arc<Powers>,
    pub(crate) door: Door,
    pub(crate) kv: Arc<dyn KeyValue>,
    pub(crate) secrets: Option<Arc<dyn Secrets>>,
    pub(crate) handed: Arc<Handed>,
    pub(crate) limits: Arc<Limits>,
}
