//! The examples of the folder `examples`, played: each definition is put on a server, the services that it calls are played by
//! a sink, it is triggered, and what came of it is compared with what its page promises.
//!
//! One file an example: what its services answer, and the story that is told with it.

mod approval_escalation;
mod batch_with_limit;
mod document;
mod fan_out_enrichment;
mod file_processing;
mod github_to_chat;
mod nightly_sync;
mod order_fulfilment;
mod paging;
mod stage;
mod subscription;
mod transfer_saga;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;

use anyhow::{Context as _, Result, bail};

use crate::sink::Script;

use stage::Stage;

pub use document::{read_all, read_text};

/// Which examples, and where they are.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Only these; all of them where left out
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The folder that their definitions are in
    #[arg(long, value_name = "DIR", default_value = "examples")]
    pub folder: PathBuf,
    /// A token, where the server asks for one
    #[arg(long, env = "MILLWORK_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

type Story = for<'s> fn(&'s mut Stage) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 's>>;

/// An example: the file `NAME.yaml`, and how it is played.
#[derive(Clone, Copy)]
struct Example {
    name: &'static str,
    services: Script,
    story: Story,
}

const EXAMPLES: [Example; 10] = [
    order_fulfilment::EXAMPLE,
    approval_escalation::EXAMPLE,
    fan_out_enrichment::EXAMPLE,
    nightly_sync::EXAMPLE,
    github_to_chat::EXAMPLE,
    transfer_saga::EXAMPLE,
    paging::EXAMPLE,
    batch_with_limit::EXAMPLE,
    subscription::EXAMPLE,
    file_processing::EXAMPLE,
];

/// Their names.
#[must_use]
pub fn names() -> Vec<&'static str> {
    EXAMPLES.iter().map(|example| example.name).collect()
}

/// Plays examples, one after the other, and prints what was seen.
///
/// # Errors
/// Where one is not as it should be, or there is none of that name.
pub async fn run(server: SocketAddr, options: &Options) -> Result<()> {
    let all = names();
    let chosen: Vec<&str> = match options.names.is_empty() {
        true => all,
        false => options.names.iter().map(String::as_str).collect(),
    };
    let mut failed = Vec::new();
    for name in &chosen {
        println!("{name}");
        match play(name, server, options).await {
            Ok(seen) => seen.iter().for_each(|line| println!("  {line}")),
            Err(error) => {
                println!("  NOT AS IT SHOULD BE: {error:#}");
                failed.push(*name);
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!(
            "{} of {} are not as they should be: {}",
            failed.len(),
            chosen.len(),
            failed.join(", ")
        ),
    }
}

/// Plays one example, and returns what was seen.
///
/// # Errors
/// Where it is not as it should be, or there is none of that name.
pub async fn play(name: &str, server: SocketAddr, options: &Options) -> Result<Vec<String>> {
    let example = EXAMPLES.iter().find(|example| example.name == name);
    let example = example.with_context(|| {
        format!(
            "there is no example {name:?}; there is {}",
            names().join(", ")
        )
    })?;
    let file = options.folder.join(format!("{name}.yaml"));
    let mut stage = Stage::open(server, options.token.clone(), &file, example.services).await?;
    let played = (example.story)(&mut stage).await;
    let cleared = stage.clear().await;
    if let Err(error) = played {
        return Err(error.context(format!(
            "the services were told:\n{}",
            stage.told(0).join("\n")
        )));
    }
    cleared?;
    Ok(stage.into_seen())
}
