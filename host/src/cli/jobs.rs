//! `millwork jobs`: what is done to many runs of a server.

use clap::{Args, Subcommand};

use super::plugin::Server;

/// What to do with jobs.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum JobsCommand {
    /// List jobs, the latest first.
    #[command(after_help = "Example:\n  millwork jobs list --url http://127.0.0.1:8002")]
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Print a job as JSON, and how far it has come.
    #[command(after_help = "Example:\n  millwork jobs show 019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66")]
    Show(Job),
    /// Do something to every run that the filter finds.
    #[command(
        after_help = "Example:\n  millwork jobs start retry --workflow order-paid --status failed --since 24h --newest"
    )]
    Start(Box<Start>),
    /// End a job; what is done stays done.
    #[command(after_help = "Example:\n  millwork jobs cancel 019ab2f3-6a1d-7b20-8f5e-0c9d4e7a2b66")]
    Cancel(Job),
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Job {
    /// The job
    pub job: String,
    #[command(flatten)]
    pub server: Server,
}

/// What is to be done, and to which runs. The filter has to say something.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Start {
    /// cancel, kill, pause, resume or retry
    pub operation: String,
    /// Only runs of this workflow: its `id`, its name or its UUID
    #[arg(long, value_name = "WORKFLOW")]
    pub workflow: Option<String>,
    /// Only runs in this state; may be given more than once [default: the states that the operation is for]
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub status: Vec<String>,
    /// Only runs with this label, as in team=shop; may be given more than once, and then all count
    #[arg(long = "label", value_name = "NAME=TEXT")]
    pub labels: Vec<String>,
    /// Only runs triggered since: a time (RFC 3339) or a span before now, as in 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only runs triggered before: a time (RFC 3339) or a span before now
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Why, for people; kept in the journals of the runs
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Of a retry: `failure`, `start`, a step, or an iteration of a loop as in `reserve[3]`
    #[arg(long, value_name = "PLACE")]
    pub from: Option<String>,
    /// Of a retry: with the newest version of the workflow and of its plugins
    #[arg(long)]
    pub newest: bool,
    /// Only count the runs
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub server: Server,
}
