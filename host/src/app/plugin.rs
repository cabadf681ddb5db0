//! `millwork plugin`: begins, checks and tries plugins out without a server; manages those of one.

mod check;
mod manage;
mod new;
mod trial;

use anyhow::Result;

use crate::cli::plugin::PluginCommand;

/// Does what the command line asks.
pub(super) fn run(command: PluginCommand, runtime: &tokio::runtime::Runtime) -> Result<()> {
    match command {
        PluginCommand::New(wanted) => new::begin(&wanted),
        PluginCommand::Check { file } => runtime.block_on(check::check(&file)),
        PluginCommand::Run(wanted) => runtime.block_on(trial::run(wanted)),
        other => runtime.block_on(manage::run(other)),
    }
}
