//! What a process is for, and what it needs for that.

use anyhow::{Result, bail};

use crate::config::{BusKind, Config, StoreKind};

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Everything: the API and a worker.
    Everything,
    /// The API: takes runs in, and answers.
    Api,
    /// A worker: executes runs.
    Worker,
}

impl Role {
    /// Whether it answers requests about workflows and runs.
    pub(super) const fn serves(self) -> bool {
        matches!(self, Self::Everything | Self::Api)
    }

    /// Whether it executes runs.
    pub(super) const fn executes(self) -> bool {
        matches!(self, Self::Everything | Self::Worker)
    }

    /// The command that starts it.
    pub(super) const fn command(self) -> &'static str {
        match self {
            Self::Everything => "serve",
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    /// Refuses what cannot work, and what would be an open door.
    pub(super) fn check(self, config: &Config) -> Result<()> {
        self.check_door(config)?;
        self.check_parts(config)
    }

    /// Whoever reaches the API may do everything, so it takes a word to let others reach it.
    fn check_door(self, config: &Config) -> Result<()> {
        let listen = config.server.listen;
        let server = &config.server;
        let is_guarded = config.auth.is_required() || server.insecure_no_auth;
        if self.serves() && !listen.ip().is_loopback() && !is_guarded {
            bail!(
                "the API would listen on {listen}, where others than this machine reach it, and asks nobody who they are: set \
                 MILLWORK_ADMIN_TOKEN (auth.admin_token), which turns tokens on; or listen on 127.0.0.1; or say \
                 --insecure-no-auth, and whoever reaches it may do everything"
            );
        }
        Ok(())
    }

    /// A part of a whole needs what the parts share.
    fn check_parts(self, config: &Config) -> Result<()> {
        if self == Self::Everything {
            return Ok(());
        }
        let command = self.command();
        if config.store() == StoreKind::Sqlite {
            bail!(
                "`millwork {command}` needs PostgreSQL, since a SQLite file belongs to one process: set DATABASE_URL or \
                 POSTGRES_HOST, or use `millwork serve`, which is everything in one process"
            );
        }
        if config.bus() == BusKind::Local {
            bail!(
                "`millwork {command}` needs Kafka, which brings runs from the API to the workers: set \
                 KAFKA_BOOTSTRAP_SERVERS, or use `millwork serve`, which is everything in one process"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AuthMode;

    fn config(store: Option<StoreKind>, bus: Option<BusKind>) -> Config {
        Config {
            store,
            bus,
            ..Config::default()
        }
    }

    #[test]
    fn a_part_needs_what_the_parts_share() {
        let (postgres, kafka) = (Some(StoreKind::Postgres), Some(BusKind::Kafka));
        for role in [Role::Api, Role::Worker] {
            let refused = |config: &Config| {
                let error = role.check(config).expect_err("it is refused");
                error.to_string()
            };
            assert!(refused(&config(None, None)).contains("needs PostgreSQL"));
            assert!(refused(&config(None, kafka)).contains("needs PostgreSQL"));
            let alone = refused(&config(postgres, None));
            assert!(
                alone.contains(&format!("`millwork {}` needs Kafka", role.command())),
                "{alone}"
            );
            assert!(role.check(&config(postgres, kafka)).is_ok());
        }
    }

    #[test]
    fn an_open_door_takes_a_word_or_a_lock() {
        let mut config = config(Some(StoreKind::Postgres), Some(BusKind::Kafka));
        for listen in ["0.0.0.0:8002", "[::]:8002", "192.168.1.7:80"] {
            config.server.listen = listen.parse().expect("it is an address");
            config.server.insecure_no_auth = false;
            for role in [Role::Everything, Role::Api] {
                let refused = role.check(&config).expect_err("it is refused").to_string();
                assert!(
                    refused.contains(listen) && refused.contains("--insecure-no-auth"),
                    "{refused}"
                );
            }
            // A worker tells its health and its metrics, and takes no orders.
            assert!(Role::Worker.check(&config).is_ok());
            config.server.insecure_no_auth = true;
            assert!(Role::Api.check(&config).is_ok());
            config.server.insecure_no_auth = false;
            config.auth.mode = Some(AuthMode::Tokens);
            assert!(Role::Api.check(&config).is_ok());
            config.auth.mode = None;
        }
        for listen in ["127.0.0.1:8002", "[::1]:0", "127.9.9.9:1"] {
            config.server.listen = listen.parse().expect("it is an address");
            config.server.insecure_no_auth = false;
            assert!(Role::Api.check(&config).is_ok(), "{listen}");
        }
    }

    #[test]
    fn everything_in_one_process_needs_nothing() {
        for store in [None, Some(StoreKind::Postgres)] {
            for bus in [None, Some(BusKind::Kafka)] {
                assert!(Role::Everything.check(&config(store, bus)).is_ok());
            }
        }
    }
}
