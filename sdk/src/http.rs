//! Outgoing HTTP through the host, which holds the connections, the addresses and the permissions.
//!
//! ```
//! # use millwork_sdk::{Context, Failure, http};
//! # fn create(cx: &Context, text: &str) -> Result<String, Failure> {
//! let ticket: serde_json::Value = http::post("https://tickets.example/v1/tickets")
//!     .header("accept", "application/json")
//!     .idempotency_key(cx)
//!     .json(&serde_json::json!({ "text": text }))
//!     .send()?                // no answer: the failure says whether another attempt is worth it
//!     .error_for_status()?    // an answer outside 2xx: likewise
//!     .json()?;
//! # Ok(ticket.to_string())
//! # }
//! ```

mod error;
mod request;
mod response;

pub use error::Error;
pub use request::{Request, delete, get, patch, post, put};
pub use response::Response;
