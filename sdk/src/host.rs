//! The seam: what the modules call to reach the host. In a component that is the contract's imports; natively it is the
//! fake of `testing`.

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::component::imports::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::imports::*;
