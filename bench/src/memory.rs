//! How much memory a process holds, as Linux says.

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What a process holds, in MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// All of it (`VmRSS`).
    pub rss_mib: f64,
    /// What is not backed by a file (`RssAnon`): the rest is the binary and mapped databases.
    pub anon_mib: f64,
}

impl Memory {
    /// Asks how much a process holds now.
    ///
    /// # Errors
    /// Where there is no such process, or the machine is not Linux.
    pub async fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = tokio::fs::read_to_string(&path)
            .await
            .with_context(|| format!("could not read {path}"))?;
        Ok(Self {
            rss_mib: field(&status, "VmRSS:")?,
            anon_mib: field(&status, "RssAnon:")?,
        })
    }

    /// The larger of each.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        Self {
            rss_mib: self.rss_mib.max(other.rss_mib),
            anon_mib: self.anon_mib.max(other.anon_mib),
        }
    }
}

fn field(status: &str, name: &str) -> Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<f64> =
        line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.map(|kib| (kib / 1_024.0 * 10.0).round() / 10.0)
        .with_context(|| format!("the process's status has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn this_process_holds_something() {
        let memory = Memory::of(std::process::id()).await.expect("this is Linux");
        assert!(memory.rss_mib > 1.0 && memory.anon_mib > 0.0, "{memory:?}");
        assert!(Memory::of(u32::MAX).await.is_err());
    }
}
