//! The command line, as it reads. What the commands do is elsewhere.

pub mod deliveries;
pub mod jobs;
pub mod plugin;
pub mod run;
pub mod secret;
pub mod workflow;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use millwork_core::access::Scope;

/// A durable workflow platform with sandboxed WebAssembly connectors.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "millwork",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Example:\n  millwork serve\n  curl http://127.0.0.1:8002/health\n\nEnds with 0 where it did what was asked; 1 where it could not; 2 where the command line is wrong; 3 where the answer is no: a run that failed, a definition that does not hold or differs."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run workflows: the API, the engine and the plugins in one process.
    #[command(
        after_help = "Example:\n  millwork serve --listen 127.0.0.1:8002 --data-dir /var/lib/millwork"
    )]
    Serve(Settings),
    /// The API alone: takes runs in and answers. Needs PostgreSQL and Kafka; workers execute.
    #[command(
        after_help = "Example:\n  DATABASE_URL=postgres://millwork:secret@db/millwork KAFKA_BOOTSTRAP_SERVERS=kafka:9092 millwork api"
    )]
    Api(Settings),
    /// A worker alone: executes runs. Needs PostgreSQL and Kafka. Start as many as you like.
    #[command(
        after_help = "Example:\n  DATABASE_URL=postgres://millwork:secret@db/millwork KAFKA_BOOTSTRAP_SERVERS=kafka:9092 millwork worker --listen 127.0.0.1:0"
    )]
    Worker(Settings),
    /// Bring the database up to date, and end.
    #[command(
        after_help = "Example:\n  DATABASE_URL=postgres://millwork:secret@db/millwork millwork migrate"
    )]
    Migrate(Settings),
    /// Make, list and revoke tokens, which let callers of the API in.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(after_help = "Example:\n  millwork token create shop --scope trigger --expires 90d")]
    Token(TokenCommand),
    /// Give a server secrets, which plugins use without seeing them.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(after_help = "Example:\n  millwork secret set slack-token < token.txt")]
    Secret(secret::SecretCommand),
    /// Make definitions what a server has: new ones are created, changed ones get a version, the same stay.
    #[command(
        after_help = "Example:\n  millwork apply -f workflows/ --url http://127.0.0.1:8002\n\nA definition is found again by its `id`; without one, by its name. Nothing is changed where one of them does not hold."
    )]
    Apply(workflow::Apply),
    /// Show what `apply` would change; ends with 3 where there is something.
    #[command(after_help = "Example:\n  millwork diff -f workflows/order-paid.yaml")]
    Diff(workflow::Apply),
    /// Check definitions; ends with 3 where one does not hold.
    #[command(after_help = "Example:\n  millwork validate -f workflows/")]
    Validate(workflow::Validate),
    /// Look at the workflows of a server, and put them away.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(after_help = "Example:\n  millwork workflows list")]
    Workflows(workflow::WorkflowsCommand),
    /// Run a workflow.
    #[command(
        after_help = "Example:\n  millwork run order-paid --payload '{\"order_id\": 7}' --wait"
    )]
    Run(run::Trigger),
    /// List runs, the latest first.
    #[command(
        after_help = "Example:\n  millwork runs --workflow order-paid --status failed --since 24h"
    )]
    Runs(run::Runs),
    /// Do something to many runs at once, on the server, and see how far that has come.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(
        after_help = "Example:\n  millwork jobs start cancel --workflow order-paid --label team=shop --dry-run"
    )]
    Jobs(jobs::JobsCommand),
    /// Look at events that have not arrived at a webhook of a server, and send them again.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(after_help = "Example:\n  millwork deliveries resend --exhausted --webhook shop")]
    Deliveries(deliveries::DeliveriesCommand),
    /// Follow a run to its end; ends with 0 where it succeeds and with 3 where it does not.
    #[command(after_help = "Example:\n  millwork watch 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11")]
    Watch(run::Watch),
    /// Print what the steps of a run said.
    #[command(
        after_help = "Example:\n  millwork logs 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 --step fetch --level warn"
    )]
    Logs(run::Logs),
    /// End a run: what is under way is interrupted, and what was done is undone.
    #[command(
        after_help = "Example:\n  millwork cancel 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 --reason 'taken back'"
    )]
    Cancel(run::Control),
    /// End a run at once: nothing is undone.
    #[command(
        after_help = "Example:\n  millwork kill 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 --reason 'it hangs'"
    )]
    Kill(run::Control),
    /// Hold a run: what is under way may finish, and nothing new begins.
    #[command(
        after_help = "Example:\n  millwork pause 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 --reason 'the shop is closed'"
    )]
    Pause(run::Control),
    /// Let a run go on that was paused.
    #[command(after_help = "Example:\n  millwork resume 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11")]
    Resume(run::Resume),
    /// Have a run that has ended done again, from what failed or from elsewhere.
    #[command(
        after_help = "Example:\n  millwork retry 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 --from charge --newest --wait"
    )]
    Retry(run::Retry),
    /// Send a run a signal.
    #[command(
        after_help = "Example:\n  millwork signal 019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11 approved --payload '{\"by\": \"ada\"}'"
    )]
    Signal(run::Signal),
    /// Write, try out and manage plugins.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(after_help = "Example:\n  millwork plugin new tickets --lang rust")]
    Plugin(plugin::PluginCommand),
    /// Ask a running process whether it is well; ends with 0 where it is.
    #[command(after_help = "Example:\n  millwork health --url http://127.0.0.1:8002/health/ready")]
    Health(Health),
    /// Look at the configuration.
    #[command(
        subcommand,
        arg_required_else_help = true,
        disable_help_subcommand = true
    )]
    #[command(after_help = "Example:\n  millwork config show --config /etc/millwork.toml")]
    Config(ConfigCommand),
    /// Print the OpenAPI description of the API.
    #[command(after_help = "Example:\n  millwork openapi > openapi.json")]
    Openapi,
    /// Print the version.
    #[command(after_help = "Example:\n  millwork version")]
    Version,
}

/// Which process to ask.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Health {
    /// Where it says whether it is well
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8002/health/ready"
    )]
    pub url: String,
}

/// What to do with tokens.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it: this once.
    #[command(
        after_help = "Example:\n  millwork token create shop --scope trigger --scope read --expires 90d"
    )]
    Create(NewToken),
    /// List the tokens, also those that have ended.
    #[command(after_help = "Example:\n  millwork token list --url http://127.0.0.1:8002")]
    List(Reach),
    /// Revoke a token.
    #[command(
        after_help = "Example:\n  millwork token revoke 019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55"
    )]
    Revoke {
        /// The token's identifier
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct NewToken {
    /// What it is for
    pub name: String,
    /// What its bearer may do: read, trigger, write or admin (everything); may be given more than once
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ','
    )]
    pub scopes: Vec<Scope>,
    /// When it ends by itself, as in 90d [default: never]
    #[arg(long, value_name = "SPAN")]
    pub expires: Option<String>,
    #[command(flatten)]
    pub reach: Reach,
}

/// How to get at what a command is about: through a running server, or in the store itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[expect(
    clippy::doc_markdown,
    reason = "the help shows the comments as they are"
)]
pub struct Reach {
    /// Ask this server; without it the store is opened, as the settings say [variable: MILLWORK_URL]
    #[arg(long, value_name = "URL", env = "MILLWORK_URL")]
    pub url: Option<String>,
    /// The token for the server
    #[arg(long, hide = true, env = "MILLWORK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    #[command(flatten)]
    pub settings: Settings,
}

/// What to do with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Print what holds and where each setting came from, without secrets.
    #[command(after_help = "Example:\n  MILLWORK_LISTEN=0.0.0.0:80 millwork config show")]
    Show(Settings),
}

/// Settings that have a flag. Every other one is set in the file or by a variable: docs/config.md.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[expect(
    clippy::doc_markdown,
    reason = "the help shows the comments as they are"
)]
pub struct Settings {
    /// The address and port to listen on [default: 127.0.0.1:8002] [variable: MILLWORK_LISTEN]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Let the API listen where others reach it, though it asks for no token: whoever does may do everything
    #[arg(long)]
    pub insecure_no_auth: bool,
    /// The folder in which everything is kept [default: ./millwork-data] [variable: MILLWORK_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// The folder that is watched for plugins [default: plugins in the data folder] [variable: MILLWORK_PLUGINS_DIR]
    #[arg(long, value_name = "DIR")]
    pub plugins_dir: Option<String>,
    /// The configuration file [default: ./millwork.toml, if it is there] [variable: MILLWORK_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl Settings {
    /// The flags and the environment as layers of the configuration.
    #[must_use]
    pub fn into_layers(self) -> crate::config::Layers {
        let flags = [
            ("--listen", "server.listen", self.listen),
            (
                "--insecure-no-auth",
                "server.insecure_no_auth",
                self.insecure_no_auth.then(|| "true".to_owned()),
            ),
            ("--data-dir", "data_dir", self.data_dir),
            ("--plugins-dir", "plugins_dir", self.plugins_dir),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, setting, text)| Some((flag, setting, text?)));
        crate::config::Layers {
            file: self.config,
            environment: crate::config::variables::environment(),
            flags: given.collect(),
        }
    }
}

/// Reads the command line of this process; help and mistakes end it.
#[must_use]
pub fn parse() -> Cli {
    Cli::parse()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.starts_with("Example:\n  "),
                "{} shows no example",
                command.get_name()
            );
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn a_flag_becomes_a_layer() {
        let cli = Cli::try_parse_from([
            "millwork",
            "serve",
            "--listen",
            "0.0.0.0:1",
            "--config",
            "m.toml",
        ]);
        let Ok(Cli {
            command: Command::Serve(settings),
        }) = cli
        else {
            panic!("{cli:?}")
        };
        let layers = settings.into_layers();
        assert_eq!(layers.file, Some(PathBuf::from("m.toml")));
        assert_eq!(
            layers.flags,
            [("--listen", "server.listen", "0.0.0.0:1".to_owned())]
        );
    }
}
