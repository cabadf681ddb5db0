//! What SQLite says, in the words of the port.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::Error;

/// Says what was being done when SQLite failed.
pub(super) fn of(action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| shared(action, &Arc::new(error))
}

/// The same for an error that several callers are told of.
pub(super) fn shared(action: &'static str, error: &Arc<rusqlite::Error>) -> Error {
    if is_damage(error) {
        return Error::Damaged {
            what: "the database",
            detail: error.to_string(),
        };
    }
    Error::Unavailable {
        action,
        source: Box::new(Arc::clone(error)),
    }
}

/// The same for a database that could not be opened, which is best told with its path.
pub(super) fn opening(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    move |error| {
        if is_damage(&error) {
            return Error::Damaged {
                what: "the database",
                detail: format!("{}: {error}", path.display()),
            };
        }
        Error::Unavailable {
            action: "open the database",
            source: format!("{}: {error}", path.display()).into(),
        }
    }
}

/// Whether the cause lies in what was to be written, and not in the disk or the database: then only who wanted to write it
/// need be told.
pub(super) fn is_about_the_data(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                ErrorCode::TooBig | ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch
            )
        }
        rusqlite::Error::QueryReturnedNoRows => true,
        error => is_damage(error),
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase
            )
        }
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows
        | rusqlite::Error::Utf8Error(..) => true,
        _ => false,
    }
}
