//! Identifiers: UUIDv7 (RFC 9562), so that they sort by when they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// The text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a UUID")]
pub struct ParseIdError(String);

/// Declares an identifier: shown with dashes, read with or without, with a prefix in `Debug` so that a log line
/// says what it is looking at.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an identifier from the time and from random bytes that the caller drew.
            #[must_use]
            pub fn from_parts(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// Wraps a UUID that is already one of these.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            #[must_use]
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            /// The sixteen bytes, most significant first: the order of time.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads what [`Self::as_bytes`] gave.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.as_hyphenated())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.as_hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                // Only the two forms of the contract: 36 characters with dashes, 32 without.
                if text.len() != 36 && text.len() != 32 {
                    return Err(ParseIdError(text.to_owned()));
                }
                Uuid::parse_str(text).map(Self).map_err(|_| ParseIdError(text.to_owned()))
            }
        }
    };
}

id!(
    /// One workflow, over all its versions.
    WorkflowId,
    "wf"
);
id!(
    /// One life of a workflow.
    RunId,
    "run"
);
id!(
    /// A token that lets somebody in.
    TokenId,
    "token"
);
id!(
    /// An entry of the audit log.
    AuditId,
    "audit"
);

id!(
    /// A job: something done to many runs.
    JobId,
    "job"
);
id!(
    /// A delivery: the end of a run, told to one webhook.
    DeliveryId,
    "delivery"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_shown_with_dashes_and_read_with_or_without() {
        let id = RunId::from_parts(Timestamp::from_micros(1_700_000_000_000_000), [7; 10]);
        let text = id.to_string();
        assert_eq!(text.len(), 36);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.replace('-', "").parse(), Ok(id));
        assert_eq!(id.as_uuid().get_version_num(), 7);
        assert_eq!(format!("{id:?}"), format!("run_{text}"));
    }

    #[test]
    fn other_spellings_of_a_uuid_are_refused() {
        for text in [
            "",
            "x",
            "{018bcfe5-6800-7707-8707-070707070707}",
            "urn:uuid:018bcfe5-6800-7707-8707-070707070707",
        ] {
            assert_eq!(text.parse::<RunId>(), Err(ParseIdError(text.to_owned())));
        }
    }

    #[test]
    fn later_ids_sort_later() {
        let early = RunId::from_parts(Timestamp::from_micros(1_000_000), [255; 10]);
        let late = RunId::from_parts(Timestamp::from_micros(2_000_000), [0; 10]);
        assert!(early < late);
        assert!(early.as_bytes() < late.as_bytes());
    }
}
