//! `millwork apply`, `diff`, `validate`, `workflows`: definitions from files, and those of a server.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::plugin::Server;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// Which files.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Files {
    /// A definition, as JSON or YAML; a folder of them; or - for what is piped in. May be given more than once
    #[arg(short = 'f', long = "file", value_name = "FILE|DIR", required = true)]
    pub paths: Vec<PathBuf>,
}

/// Definitions that are to be what a server has.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Apply {
    #[command(flatten)]
    pub files: Files,
    /// How the answer is printed
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    pub output: Output,
    #[command(flatten)]
    pub server: Server,
}

/// Definitions that are looked at without a server, unless one is named.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[expect(
    clippy::doc_markdown,
    reason = "the help shows the comments as they are"
)]
pub struct Validate {
    #[command(flatten)]
    pub files: Files,
    /// Ask this server, which knows its own plugins; without it only those that come with Millwork are known [variable: MILLWORK_URL]
    #[arg(long, value_name = "URL", env = "MILLWORK_URL", hide_env = true)]
    pub url: Option<String>,
    /// The token for it
    #[arg(long, hide = true, env = "MILLWORK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// How the answer is printed
    #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
    pub output: Output,
}

/// What to do with the workflows of a server.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum WorkflowsCommand {
    /// List them, the latest created first.
    #[command(after_help = "Example:\n  millwork workflows list --search order")]
    List {
        /// Only where the name, the identifier or a label (as key=value) has this in it
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        /// Also those that were archived
        #[arg(long)]
        archived: bool,
        /// How the answer is printed
        #[arg(long, value_enum, value_name = "FORM", default_value_t = Output::Text)]
        output: Output,
        #[command(flatten)]
        server: Server,
    },
    /// Print the definition of one, as JSON.
    #[command(after_help = "Example:\n  millwork workflows show order-paid --version 3")]
    Show {
        /// The workflow: its `id`, its name or its UUID
        workflow: String,
        /// The version [default: the newest]
        #[arg(long, value_name = "NUMBER")]
        version: Option<u32>,
        #[command(flatten)]
        server: Server,
    },
    /// List the versions of one, the newest first.
    #[command(after_help = "Example:\n  millwork workflows versions order-paid")]
    Versions(Workflow),
    /// Set one aside: it takes no new runs, and those that it has go on.
    #[command(after_help = "Example:\n  millwork workflows archive order-paid")]
    Archive(Workflow),
    /// Take one back that was archived.
    #[command(after_help = "Example:\n  millwork workflows restore order-paid")]
    Restore(Workflow),
    /// Delete one of which every run has ended.
    #[command(after_help = "Example:\n  millwork workflows delete order-paid")]
    Delete(Workflow),
}

/// A workflow of a server.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Workflow {
    /// The workflow: its `id`, its name or its UUID
    pub workflow: String,
    #[command(flatten)]
    pub server: Server,
}
