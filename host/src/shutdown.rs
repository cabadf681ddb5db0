//! The end of the process: the first signal asks everything to finish, the second does not wait.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The status with which a process ends that was interrupted twice: what shells show for Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Listens for the signals that end the process. The token is cancelled by the first one.
///
/// # Errors
/// Where the operating system does not let us listen.
pub fn on_signal() -> io::Result<CancellationToken> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt())?,
        terminate: signal(SignalKind::terminate())?,
    };
    let closing = CancellationToken::new();
    let token = closing.clone();
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!("{name}: finishing what is under way; a second signal ends at once");
        token.cancel();
        let name = signals.next().await;
        tracing::warn!(
            "{name} again: ending at once; what was under way goes on at the next start"
        );
        std::process::exit(INTERRUPTED);
    });
    Ok(closing)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "asked to terminate",
        }
    }
}
