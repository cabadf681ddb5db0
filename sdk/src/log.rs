//! What a connector says while it runs, kept in the log of the run.
//!
//! ```
//! # use millwork_sdk::{Action, Context, Failure, Outcome};
//! # struct Idle;
//! # impl Action for Idle {
//! #     type Config = (); type Output = (); const NAME: &'static str = "idle";
//! #     fn invoke(_: &Context, _: ()) -> Result<Outcome<()>, Failure> { Ok(Outcome::completed(())) }
//! # }
//! # millwork_sdk::export!(connector { name: "idle", actions: [Idle] });
//! # fn main() {
//! # let host = millwork_sdk::testing::Host::new::<Connector>();
//! use millwork_sdk::log;
//! let rows = 3;
//! log::info!("fetched {rows} rows");
//! log::warn!("the reply was slow"; ms = 1200, url = "https://example.com");
//! # assert_eq!(host.log()[1].fields, [("ms".to_owned(), "1200".to_owned()), ("url".to_owned(), "https://example.com".to_owned())]);
//! # }
//! ```

pub use crate::{
    __log_debug as debug, __log_error as error, __log_info as info, __log_trace as trace,
    __log_warn as warn,
};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Each little thing.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// The story of the step.
    Info,
    /// Something went wrong, and the step recovered.
    Warn,
    /// A person should look.
    Error,
}

/// Writes a line with fields. Past the host's limit for one call the rest is dropped, and the log says so.
pub fn write(level: Level, message: &str, fields: &[(String, String)]) {
    crate::host::log_write(level, message, fields);
}

/// Writes a line at a level; the macros of this module are its short forms.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $format:literal $(, $argument:expr)* $(; $($key:ident = $value:expr),+)? $(,)?) => {
        $crate::log::write(
            $crate::log::Level::$level,
            &::std::format!($format $(, $argument)*),
            &[$($((::std::string::String::from(::std::stringify!($key)), ::std::string::ToString::to_string(&$value))),+)?],
        )
    };
}

/// Writes a line about a little thing.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_trace { ($($line:tt)+) => { $crate::__log!(Trace, $($line)+) }; }

/// Writes a line that helps to find a mistake.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_debug { ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) }; }

/// Writes a line of the story of the step.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_info { ($($line:tt)+) => { $crate::__log!(Info, $($line)+) }; }

/// Writes a line about something that went wrong, and from which the step recovered.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_warn { ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) }; }

/// Writes a line at which a person should look.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_error { ($($line:tt)+) => { $crate::__log!(Error, $($line)+) }; }
