//! What PostgreSQL says, in the words of the port.

use std::time::Duration;

use crate::Error;

/// How long a call may take in all. A cable that is cut says nothing: without this its callers would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a call, for a bounded time, and says what was being done where it failed.
pub(super) async fn within<T>(
    action: &'static str,
    call: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map_err(of(action)),
        Err(_) => Err(Error::Unavailable {
            action,
            source: format!("no answer within {PATIENCE:?}").into(),
        }),
    }
}

/// Says what was being done when PostgreSQL failed.
pub(super) fn of(action: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Error::Damaged {
            what: "the database",
            detail: error.to_string(),
        },
        error => Error::Unavailable {
            action,
            source: Box::new(error),
        },
    }
}

/// Whether the same statement may go well if it is sent again at once: it met another in the wrong order.
pub(super) fn is_collision(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40P01" | "40001"))
}

/// Whether the cause lies in what was to be written: then only who wanted to write it need be told. Classes 22 (data), 23
/// (constraints) and 54 (limits) of the standard's codes.
pub(super) fn is_about_the_data(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| {
        ["22", "23", "54"]
            .iter()
            .any(|class| code.starts_with(class))
    })
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}
