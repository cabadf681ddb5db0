//! `millwork plugin …`: for who writes plugins, and for who runs them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with plugins.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum PluginCommand {
    /// Begin a plugin: a project that builds, with a test.
    #[command(after_help = "Example:\n  millwork plugin new tickets --lang rust")]
    New(NewPlugin),
    /// Look at a component without a server: whether it loads, what it can do, what it may need.
    #[command(
        after_help = "Example:\n  millwork plugin check target/wasm32-wasip2/release/tickets.wasm"
    )]
    Check {
        /// The component
        file: PathBuf,
    },
    /// Make one call in the real sandbox, without a server.
    #[command(
        after_help = "Example:\n  millwork plugin run tickets.wasm --action open --config '{\"title\":\"disk full\"}' --secret tracker-token=abc"
    )]
    Run(RunPlugin),
    /// List the plugins of a server, and the files that it refused.
    #[command(after_help = "Example:\n  millwork plugin list --url http://127.0.0.1:8002")]
    List(Server),
    /// Install a component on a server, for all of its processes.
    #[command(after_help = "Example:\n  millwork plugin install tickets.wasm")]
    Install(InstallPlugin),
    /// Say what a plugin may do, in place of what was said before. Without a flag, nothing.
    #[command(
        after_help = "Example:\n  millwork plugin grant tickets --http https://tracker.example --secret tracker-token=https://tracker.example"
    )]
    Grant(GrantPlugin),
    /// Agree to what the newest version of a plugin asks for.
    #[command(after_help = "Example:\n  millwork plugin agree tickets")]
    Agree(Named),
    /// Keep new runs from using a plugin.
    #[command(after_help = "Example:\n  millwork plugin disable tickets")]
    Disable(Named),
    /// Let new runs use a plugin again.
    #[command(after_help = "Example:\n  millwork plugin enable tickets")]
    Enable(Named),
    /// Remove a version that was installed.
    #[command(after_help = "Example:\n  millwork plugin remove tickets 0.1.0")]
    Remove {
        /// The plugin
        name: String,
        /// Its version
        version: String,
        #[command(flatten)]
        server: Server,
    },
}

/// A plugin to begin.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct NewPlugin {
    /// Its name: lower-case letters, digits and dashes
    pub name: String,
    /// The language
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub lang: Language,
    /// Where to put it [default: a folder of its name, here]
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// A language in which plugins are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust.
    Rust,
    /// JavaScript.
    Javascript,
    /// Python.
    Python,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct RunPlugin {
    /// The component
    pub file: PathBuf,
    /// The action [default: the first]
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// The configuration, as JSON, or @FILE
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub config: String,
    /// A secret that it asks for, as NAME=VALUE; may be given more than once
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    pub secrets: Vec<String>,
    /// A directory that it asks for, as NAME=PATH; may be given more than once. It may write there
    #[arg(long = "directory", value_name = "NAME=PATH")]
    pub directories: Vec<String>,
    /// A variable that it asks for, as NAME=VALUE; may be given more than once
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
    /// Answer its HTTP requests from this file instead of sending them
    #[arg(long, value_name = "FILE", conflicts_with = "record")]
    pub replay: Option<PathBuf>,
    /// Write the answers to its HTTP requests down in this file
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// A signal that it waits for, as NAME=JSON; may be given more than once
    #[arg(long = "signal", value_name = "NAME=JSON")]
    pub signals: Vec<String>,
}

/// A component to install.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct InstallPlugin {
    /// The component
    pub file: PathBuf,
    /// The SHA-256 that it must have
    #[arg(long, value_name = "HEX")]
    pub digest: Option<String>,
    /// Its signature, made with minisign [default: FILE.minisig, where that is there]
    #[arg(long, value_name = "FILE")]
    pub signature: Option<PathBuf>,
    #[command(flatten)]
    pub server: Server,
}

/// Which server to ask.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[expect(
    clippy::doc_markdown,
    reason = "the help shows the comments as they are"
)]
pub struct Server {
    /// The server [variable: MILLWORK_URL]
    #[arg(
        long,
        value_name = "URL",
        env = "MILLWORK_URL",
        hide_env = true,
        default_value = "http://127.0.0.1:8002"
    )]
    pub url: String,
    /// The token for it
    #[arg(long, hide = true, env = "MILLWORK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// A plugin of a server.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Named {
    /// The plugin
    pub name: String,
    #[command(flatten)]
    pub server: Server,
}

/// What a plugin may do.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[expect(
    clippy::doc_markdown,
    reason = "the help shows the comments as they are"
)]
pub struct GrantPlugin {
    /// The plugin
    pub name: String,
    /// HTTP to these hosts, as in https://slack.com; may be given more than once
    #[arg(long, value_name = "RULE")]
    pub http: Vec<String>,
    /// Which addresses those hosts may have besides public ones: loopback, private, or a network
    #[arg(long, value_name = "NETWORK")]
    pub private_network: Vec<String>,
    /// Small values kept between calls
    #[arg(long)]
    pub kv: bool,
    /// A secret that may be put into requests to a host, unseen, as NAME=RULE; may be given more than once
    #[arg(long = "secret", value_name = "NAME=RULE")]
    pub secrets: Vec<String>,
    /// A secret that it may see; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub reveal: Vec<String>,
    /// A directory of the server's configuration, as NAME=DIRECTORY to be read, as "NAME=write DIRECTORY" to be written to as well; may be
    /// given more than once
    #[arg(long = "directory", value_name = "NAME=DIRECTORY")]
    pub directories: Vec<String>,
    /// A variable of the server's configuration, as NAME=VARIABLE; may be given more than once
    #[arg(long = "variable", value_name = "NAME=VARIABLE")]
    pub variables: Vec<String>,
    #[command(flatten)]
    pub server: Server,
}
