//! How to reach the database.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::Error;

/// How long to wait for a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What every connection is told. A statement of ours takes milliseconds: one that takes this long waits for something that
/// will not come. Plans are for a few rows found by keys, for which compiling them costs more than it brings.
const SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "20s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("jit", "off"),
];

/// How to reach the database.
#[derive(Clone)]
pub struct Options {
    pub(super) connect: PgConnectOptions,
    pub(super) connections_max: u32,
}

/// The parts of an address, where there is no URL.
#[derive(Clone, Copy)]
pub struct Address<'a> {
    /// The server.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: &'a str,
    /// The role.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
}

impl Options {
    /// By a URL: `postgres://user:password@host:port/database`.
    ///
    /// # Errors
    /// Where it is none. The error does not repeat it, since there may be a password in it.
    pub fn from_url(url: &str, connections_max: u32) -> Result<Self, Error> {
        let is_postgres = ["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let connect = PgConnectOptions::from_str(url)
            .ok()
            .filter(|_| is_postgres)
            .ok_or_else(|| Error::Unavailable {
                action: "read the database's URL",
                source: "it is not of the form postgres://user:password@host:port/database".into(),
            })?;
        Ok(Self::new(connect, connections_max))
    }

    /// By its parts.
    #[must_use]
    pub fn from_address(address: Address<'_>, connections_max: u32) -> Self {
        let connect = PgConnectOptions::new_without_pgpass()
            .host(address.host)
            .port(address.port)
            .database(address.database)
            .username(address.user)
            .password(address.password);
        Self::new(connect, connections_max)
    }

    fn new(connect: PgConnectOptions, connections_max: u32) -> Self {
        Self {
            connect: connect.application_name("millwork").options(SETTINGS),
            connections_max: connections_max.max(2),
        }
    }
}

/// Where it is, without its password: `host:port/database as user`.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}/{} as {}",
            self.connect.get_host(),
            self.connect.get_port(),
            self.connect.get_database().unwrap_or_default(),
            self.connect.get_username()
        )
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({self})")
    }
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}:{}/{})", self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere() {
        let options = Options::from_url("postgres://u:xyzzy@db:5433/d", 8).expect("it is one");
        assert_eq!(options.to_string(), "db:5433/d as u");
        let address = Address {
            host: "db",
            port: 5433,
            database: "d",
            user: "u",
            password: "xyzzy",
        };
        let shown = format!(
            "{options:?} {address:?} {:?}",
            Options::from_address(address, 1)
        );
        assert!(!shown.contains("xyzzy"), "{shown}");
        for wrong in ["sqlite://u:xyzzy@h/d", "host=h password=xyzzy", ""] {
            let error = Options::from_url(wrong, 8).expect_err("it is none");
            assert!(!format!("{error:?}").contains("xyzzy"), "{error:?}");
        }
    }
}
