//! `millwork deliveries`: ends of runs that have not arrived where they were to be told.

use clap::{ArgGroup, Args, Subcommand};

use super::plugin::Server;

/// What to do with deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum DeliveriesCommand {
    /// List deliveries that have not arrived, the latest first.
    #[command(after_help = "Example:\n  millwork deliveries list --exhausted --webhook shop")]
    List(List),
    /// Print a delivery as JSON: the event, and why the last attempt failed.
    #[command(
        after_help = "Example:\n  millwork deliveries show 019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66"
    )]
    Show(Delivery),
    /// Send a delivery again, or all that were given up.
    #[command(
        after_help = "Example:\n  millwork deliveries resend 019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66\n  millwork deliveries resend --exhausted --webhook shop"
    )]
    Resend(Resend),
}

/// Which deliveries to list.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct List {
    /// Only to this webhook
    #[arg(long, value_name = "NAME")]
    pub webhook: Option<String>,
    /// Only those that were given up
    #[arg(long)]
    pub exhausted: bool,
    #[command(flatten)]
    pub server: Server,
}

/// A delivery.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Delivery {
    /// The delivery
    pub delivery: String,
    #[command(flatten)]
    pub server: Server,
}

/// What is sent again.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["delivery", "exhausted"])))]
pub struct Resend {
    /// The delivery
    pub delivery: Option<String>,
    /// All that were given up
    #[arg(long)]
    pub exhausted: bool,
    /// Of these, only those to this webhook
    #[arg(long, value_name = "NAME", requires = "exhausted")]
    pub webhook: Option<String>,
    #[command(flatten)]
    pub server: Server,
}
