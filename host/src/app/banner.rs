//! What the start prints: where it listens, where the data is, which plugins there are, and what to type first.

use std::net::SocketAddr;

use millwork_plugin::{Listed, RefusedFile, Standing};

use super::plugins::Loaded;
use super::role::Role;
use super::{messaging, storage};
use crate::config::Config;

/// Prints to standard output; the log goes to standard error.
pub(super) fn print(address: SocketAddr, role: Role, config: &Config, loaded: &Loaded) {
    println!(
        "millwork {} listens on http://{address}",
        env!("CARGO_PKG_VERSION")
    );
    println!("  role     {}", role.command());
    println!("  store    {}", storage::describe(config));
    println!("  bus      {}", messaging::describe(config));
    println!("  plugins  {}", config.plugins_dir().display());
    for Listed { plugin, standing } in loaded.plugins.list() {
        let note = match standing {
            Standing::Active => String::new(),
            other => format!(" ({other})"),
        };
        println!(
            "           {} {}{note}  {}",
            plugin.name(),
            plugin.version(),
            plugin.manifest.description
        );
    }
    for RefusedFile { path, reason, .. } in &loaded.folder.refused {
        println!("           refused: {}: {reason}", path.display());
    }
    if !role.serves() {
        println!("  health   http://{address}/health");
        return;
    }
    println!("  docs     http://{address}/docs");
    println!();
    println!("Try it: post a workflow that sleeps a second, trigger it, read the finished run.");
    println!();
    println!("{}", first_command(address));
    println!();
}

fn first_command(address: SocketAddr) -> String {
    format!(
        r#"  WORKFLOW=$(curl -s http://{address}/api/v1/workflows -H 'Content-Type: application/json' \
    -d '{{"name":"hello","steps":[{{"name":"nap","type":"delay","config":{{"duration":1}}}}]}}' \
    | sed 's/.*"workflow_id":"\([^"]*\)".*/\1/')
  curl -s "http://{address}/api/v1/trigger?wait=10s" -H 'Content-Type: application/json' \
    -d "{{\"workflow_id\":\"$WORKFLOW\"}}""#
    )
}
