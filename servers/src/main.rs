//! Starts a PostgreSQL and a Kafka on loopback to try a cluster with, prints where they are, and ends them with itself.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use millwork_servers::kafka::Kafka;
use millwork_servers::postgres::{Durability, Postgres};

/// The database that is made.
const DATABASE: &str = "workflow_db";

fn main() -> Result<()> {
    let postgres = Postgres::start(Durability::Durable)?;
    postgres.create_database(DATABASE, None)?;
    let kafka = Kafka::start()?;
    println!("export DATABASE_URL={}", postgres.url(DATABASE));
    println!("export KAFKA_BOOTSTRAP_SERVERS={}", kafka.bootstrap());
    eprintln!("\nThey end, with all their data, when this does: Ctrl-C, or the end of its input.");
    // Ctrl-C ends this process at once, and its servers see the end of their input.
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .context("could not read standard input")?;
    Ok(())
}
