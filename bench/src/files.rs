//! How many files this process may have open: each connection is one.

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that a process needs besides its connections.
const OTHERS: usize = 200;

/// Lets this process open as many files as the system lets it, and the servers that it starts as well, since a limit is
/// inherited.
///
/// # Errors
/// Where the system refuses.
pub fn raise() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised)
        .with_context(|| format!("could not raise the limit of open files from {limit:?}"))
}

/// Makes sure that there is room for so many connections.
///
/// # Errors
/// Where there is not: how many there may be, and what to do.
pub fn allow(connections: usize) -> Result<()> {
    raise()?;
    fits(connections, getrlimit(Resource::Nofile).maximum)
}

fn fits(connections: usize, most: Option<u64>) -> Result<()> {
    let needed = (connections + OTHERS) as u64;
    ensure!(
        most.is_none_or(|most| needed <= most),
        "{connections} connections need {needed} open files, and the limit here is {}: raise it (ulimit -Hn, or nofile in \
         /etc/security/limits.conf), or measure with fewer connections",
        most.unwrap_or(0)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        allow(10).expect("there is room for ten");
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
    }

    #[test]
    fn more_connections_than_there_are_files_are_refused_in_words() {
        fits(10_000, None).expect("there is no limit");
        fits(10_000, Some(20_000)).expect("there is room");
        let refusal = fits(10_000, Some(10_100)).expect_err("others need files too");
        let refusal = refusal.to_string();
        assert!(
            refusal.contains("need 10200 open files, and the limit here is 10100")
                && refusal.contains("ulimit"),
            "{refusal}"
        );
    }
}
