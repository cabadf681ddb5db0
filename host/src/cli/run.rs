//! `millwork run`, `runs`, `watch`, `logs`, `signal`, and what may be done with a run: runs of a server.

use clap::Args;

use super::plugin::Server;
use super::workflow::Output;

/// A workflow to be run.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Trigger {
    /// The workflow: its `id`, its name or its UUID
    pub workflow: String,
    /// What the run is about: a JSON object, or @FILE (JSON or YAML)
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub payload: String,
    /// The version [default: the newest]
    #[arg(long, value_name = "NUMBER")]
    pub version: Option<u32>,
    /// The same key and payload make the same run
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// A label to find the run by, as in team=shop; may be given more than once
    #[arg(long = "label", value_name = "NAME=TEXT")]
    pub labels: Vec<String>,
    /// Follow the run to its end; ends with 0 where it succeeds and with 3 where it does not
    #[arg(long)]
    pub wait: bool,
    /// How the answer is printed: with --wait the run, else where to find it
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    pub output: Output,
    #[command(flatten)]
    pub server: Server,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Runs {
    /// Only of this workflow: its `id`, its name or its UUID
    #[arg(long, value_name = "WORKFLOW")]
    pub workflow: Option<String>,
    /// Only in this state: pending, running, success, failed, paused or cancelled; may be given more than once
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    pub status: Vec<String>,
    /// Only with this label, as in team=shop; may be given more than once, and then all count
    #[arg(long = "label", value_name = "NAME=TEXT")]
    pub labels: Vec<String>,
    /// Only triggered since: a time (RFC 3339) or a span before now, as in 2h
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only triggered before: a time (RFC 3339) or a span before now
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    pub limit: usize,
    /// How the answer is printed
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    pub output: Output,
    #[command(flatten)]
    pub server: Server,
}

/// A run to be followed.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Watch {
    /// The run
    pub run: String,
    /// How what happens is printed: a line for people, or the event as JSON
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    pub output: Output,
    #[command(flatten)]
    pub server: Server,
}

/// Which lines of a run.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Logs {
    /// The run
    pub run: String,
    /// Only of this step
    #[arg(long, value_name = "NAME")]
    pub step: Option<String>,
    /// Only as loud as this or louder: trace, debug, info, warn or error
    #[arg(long, value_name = "LEVEL")]
    pub level: Option<String>,
    /// How the lines are printed
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    pub output: Output,
    #[command(flatten)]
    pub server: Server,
}

/// A run to be ended or held.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Control {
    /// The run
    pub run: String,
    /// Why, for people; kept in the run's journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub server: Server,
}

/// A run to go on.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Resume {
    /// The run
    pub run: String,
    #[command(flatten)]
    pub server: Server,
}

/// A run to be done again.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Retry {
    /// The run
    pub run: String,
    /// From where: `failure`, `start`, a step, or an iteration of a loop as in `reserve[3]`
    #[arg(long, value_name = "PLACE", default_value = "failure")]
    pub from: String,
    /// With the newest version of the workflow and of its plugins; else with those that the run has
    #[arg(long)]
    pub newest: bool,
    /// Follow the run to its end; ends with 0 where it succeeds and with 3 where it does not
    #[arg(long)]
    pub wait: bool,
    #[command(flatten)]
    pub server: Server,
}

/// A signal to a run.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Signal {
    /// The run
    pub run: String,
    /// The signal's name
    pub name: String,
    /// What it carries: any JSON, or @FILE (JSON or YAML)
    #[arg(long, value_name = "JSON")]
    pub payload: Option<String>,
    /// The same key is the same signal
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    #[command(flatten)]
    pub server: Server,
}
