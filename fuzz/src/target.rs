//! What is tried, and the host that it is tried on.

use std::sync::Arc;

use async_trait::async_trait;
use clap::ValueEnum;
use fastrand::Rng;
use millwork_plugin::{Limits, Options, Plugins, Recorded, Secret, Secrets, Tape};

use crate::boundary::Boundary;
use crate::{loader, manifest};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Files
    Loader,
    /// What a plugin says of itself
    Manifest,
    /// What it answers, logs, keeps and sends
    Boundary,
}

impl Kind {
    /// Its word on the command line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loader => "loader",
            Self::Manifest => "manifest",
            Self::Boundary => "boundary",
        }
    }
}

/// A host to try it on.
pub enum Target {
    /// Made-up files.
    Loader(Plugins),
    /// Made-up manifests.
    Manifest(Plugins),
    /// Made-up answers.
    Boundary(Box<Boundary>),
}

impl Target {
    /// Starts a host.
    ///
    /// # Errors
    /// Where the sandbox does not start, or the guest does not load.
    pub async fn start(kind: Kind) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Loader => Self::Loader(Plugins::new(options(""))?),
            Kind::Manifest => Self::Manifest(Plugins::new(options(""))?),
            Kind::Boundary => Self::Boundary(Box::new(Boundary::start().await?)),
        })
    }

    /// Tries one input. Returns what came of it, in a word.
    ///
    /// # Errors
    /// Where the host let something through that it must not.
    pub async fn try_one(&self, seed: u64, number: u64) -> anyhow::Result<String> {
        // Neighbouring seeds give unlike numbers; neighbouring inputs of one seed have to as well.
        let mut rng = Rng::with_seed(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        match self {
            Self::Loader(plugins) => loader::try_one(plugins, &mut rng).await,
            Self::Manifest(plugins) => manifest::try_one(plugins, &mut rng).await,
            Self::Boundary(boundary) => boundary.try_one(&mut rng).await,
        }
    }
}

/// A host that is quick to lose patience, and that no request leaves: what a guest sends is answered from a tape that is empty.
pub(crate) fn options(grants: &str) -> Options {
    Options {
        limits: Limits {
            calls_in_flight_max: 4,
            cpu_max_ms: 300,
            question_max_ms: 3_000,
            memory_max_bytes: 32 << 20,
            ..Limits::default()
        },
        grants: serde_json::from_str(grants).unwrap_or_default(),
        secrets: Some(Arc::new(OneSecret)),
        tape: Some(Arc::new(Tape::play(Vec::<Recorded>::new()))),
        ..Options::default()
    }
}

/// The secret that the guest asks for.
pub(crate) const SECRET: &str = "xyzzy-and-more";

struct OneSecret;

#[async_trait]
impl Secrets for OneSecret {
    async fn get(&self, name: &str) -> Result<Option<Secret>, String> {
        Ok((name == "token").then(|| Secret::new(SECRET)))
    }
}
