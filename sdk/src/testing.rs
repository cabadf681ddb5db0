//! Runs a connector natively against a host made of fakes: plain `cargo test`, no server, no component.
//!
//! ```
//! # use millwork_sdk::{Action, Context, Failure, Outcome, http};
//! # struct Ping;
//! # impl Action for Ping {
//! #     type Config = serde_json::Map<String, serde_json::Value>;
//! #     type Output = u16;
//! #     const NAME: &'static str = "ping";
//! #     fn invoke(_: &Context, _: Self::Config) -> Result<Outcome<u16>, Failure> {
//! #         Ok(Outcome::completed(http::get("https://status.example/ping").send()?.status))
//! #     }
//! # }
//! # millwork_sdk::export!(connector { name: "status", actions: [Ping], asks: [http("https://status.example")] });
//! # fn main() {
//! use millwork_sdk::testing::{Host, Reply};
//! use serde_json::json;
//!
//! let host = Host::new::<Connector>();
//! host.reply(Reply::status(204));
//! assert_eq!(host.run("ping", json!({})), Ok(json!(204)));
//! assert_eq!(host.requests()[0].url(), "https://status.example/ping");
//! # }
//! ```
//!
//! The fake is one a thread: a connector that is called reaches the [`Host`] that its own test made. What the real host
//! refuses, it refuses: powers that the connector does not ask for, and any power in `describe` and `validate`. The
//! clock stands still until a test moves it, and random bytes are the same in every test.

mod check;
mod grant;
mod host;
pub(crate) mod imports;
mod reply;
mod world;

pub use host::Host;
pub use reply::Reply;
pub use world::LogLine;
