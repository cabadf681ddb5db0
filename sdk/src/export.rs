//! The macro that makes a connector of actions.

/// Makes a connector of actions: once in a crate whose type is `cdylib`.
///
/// ```
/// # use millwork_sdk::{Action, Context, Failure, Outcome};
/// # struct Post;
/// # impl Action for Post {
/// #     type Config = (); type Output = (); const NAME: &'static str = "post-message";
/// #     fn invoke(_: &Context, _: ()) -> Result<Outcome<()>, Failure> { Ok(Outcome::completed(())) }
/// # }
/// millwork_sdk::export!(connector {
///     name: "slack",
///     version: "1.2.0",                               // the package's version where left out
///     description: "Posts messages to Slack.",        // the package's description where left out
///     actions: [Post],                                // the first is what `type: slack` means
///     // Also: directory("reports"), found at /reports; variable("REGION").
///     asks: [http("https://slack.com"), secret("slack-token"), kv],
/// });
/// # fn main() {}
/// ```
///
/// It defines a type named `Connector`, which stands for the whole in tests:
/// `millwork_sdk::testing::Host::new::<Connector>()`.
#[macro_export]
macro_rules! export {
    (connector {
        name: $name:expr,
        $(version: $version:expr,)?
        $(description: $description:expr,)?
        actions: [$($action:ty),+ $(,)?]
        $(, asks: [$($ask:ident $(($argument:expr))?),* $(,)?])?
        $(,)?
    }) => {
        /// This connector as a whole.
        pub struct Connector;

        impl $crate::Connector for Connector {
            const NAME: &'static str = $name;
            const VERSION: &'static str = $crate::__first!($($version,)? ::core::env!("CARGO_PKG_VERSION"));
            const DESCRIPTION: &'static str = $crate::__first!($($description,)? ::core::env!("CARGO_PKG_DESCRIPTION"));
            const ACTIONS: &'static [$crate::__private::Entry] = &[$($crate::__private::Entry::of::<$action>()),+];

            fn asks() -> ::std::vec::Vec<$crate::Ask> {
                ::std::vec![$($($crate::Ask::$ask($($argument)?)),*)?]
            }
        }

        $crate::__export_component!(Connector);
    };
}

/// The first of what it is given: a value, or else its default.
#[doc(hidden)]
#[macro_export]
macro_rules! __first {
    ($first:expr $(, $rest:expr)*) => {
        $first
    };
}

/// The exports of the component.
#[doc(hidden)]
#[macro_export]
#[cfg(target_arch = "wasm32")]
macro_rules! __export_component {
    ($connector:ident) => {
        const _: () = {
            type Exported = $crate::__private::Component<$connector>;
            $crate::__private::bindings::export!(Exported with_types_in $crate::__private::bindings);
        };
    };
}

/// Natively there is nothing to export; and two connectors may be linked into one test.
#[doc(hidden)]
#[macro_export]
#[cfg(not(target_arch = "wasm32"))]
macro_rules! __export_component {
    ($connector:ident) => {};
}
