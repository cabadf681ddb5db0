//! The component: the contract's bindings, the exports that call the connector, and the imports that reach the host.
//!
//! All names of the contract stay in here and in its two modules; authors see those of the crate.

mod convert;
pub(crate) mod imports;

use std::marker::PhantomData;

use crate::log::Level;
use crate::{Connector, dispatch};
use bindings::exports::millwork::connector::plugin;

/// What `wit-bindgen` makes of the contract.
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "connector",
        generate_all,
        pub_export_macro: true,
    });
}

/// The exports of a component: a connector, called by the contract.
#[doc(hidden)]
pub struct Component<C>(PhantomData<C>);

impl<C: Connector> plugin::Guest for Component<C> {
    fn describe() -> plugin::Manifest {
        carry_panics_out();
        C::manifest().into()
    }

    fn validate(action: String, config: String) -> Vec<plugin::FieldError> {
        carry_panics_out();
        dispatch::validate::<C>(&action, &config)
            .into_iter()
            .map(Into::into)
            .collect()
    }

    fn invoke(
        context: plugin::Context,
        action: String,
        config: String,
    ) -> Result<plugin::Outcome, plugin::Failure> {
        carry_panics_out();
        dispatch::invoke::<C>(&context.into(), &action, &config)
            .map(Into::into)
            .map_err(Into::into)
    }
}

/// Makes a panic tell the host why before it traps: a line at level error that begins with `panicked at `.
fn carry_panics_out() {
    std::panic::set_hook(Box::new(|panic| {
        imports::log_write(Level::Error, &panic.to_string(), &[]);
    }));
}
