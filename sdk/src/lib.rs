#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod action;
pub mod clock;
mod connector;
mod context;
mod dispatch;
mod draft;
mod export;
mod failure;
mod host;
pub mod http;
pub mod kv;
pub mod log;
mod outcome;
pub mod random;
mod schema;
pub mod secrets;
mod span;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use action::{Action, Example, Traits};
pub use connector::{ActionManifest, Ask, Connector, Manifest};
pub use context::{Context, Resume, Signal, Wake};
pub use draft::{Draft, FieldError};
pub use failure::{Failure, FailureKind};
pub use outcome::{Outcome, Suspension, Then, Until};
pub use span::Span;

/// What the expansion of [`export!`] needs; no part of the interface.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::component::{Component, bindings};
    pub use crate::dispatch::Entry;
}
