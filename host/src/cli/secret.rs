//! `millwork secret …`: what plugins use without seeing it.

use std::path::PathBuf;

use clap::Subcommand;

use super::plugin::Server;

/// What to do with secrets.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum SecretCommand {
    /// Give a server a secret, read from standard input: a command line is seen by others.
    #[command(after_help = "Example:\n  millwork secret set slack-token < token.txt")]
    Set {
        /// Its name: letters, digits, dots, dashes and underscores
        name: String,
        /// Read it from this file instead
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// List the names of a server's secrets.
    #[command(after_help = "Example:\n  millwork secret list")]
    List(Server),
    /// Remove a secret.
    #[command(after_help = "Example:\n  millwork secret remove slack-token")]
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        server: Server,
    },
    /// Seal every secret with the current key, after that has been replaced.
    #[command(after_help = "Example:\n  millwork secret reseal")]
    Reseal(Server),
}
