//! WASI 0.2 as far as a language's standard library needs it, and harmless: clocks, random bytes, an empty environment,
//! and output that ends up in the run's log. No files, no sockets.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, io, random};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::LogLine;
use crate::imports::clock::Clock;
use crate::imports::log::Log;

/// What one call for random bytes hands out at most.
const RANDOM_MAX_BYTES: u64 = 64 << 10;
/// What a guest may write at once.
const WRITE_MAX_BYTES: usize = 64 << 10;

/// What one call keeps for WASI. Most guests import it and never use it, so it is made at the first use.
pub(crate) struct Wasi {
    clock: Clock,
    output_max_bytes: usize,
    used: Option<Box<Used>>,
    pub(crate) table: ResourceTable,
}

struct Used {
    ctx: WasiCtx,
    output: Arc<Mutex<Output>>,
}

impl Wasi {
    pub(crate) fn new(clock: Clock, output_max_bytes: usize, handles_max: usize) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles_max);
        Self {
            clock,
            output_max_bytes,
            used: None,
            table,
        }
    }

    pub(crate) fn view(&mut self) -> WasiCtxView<'_> {
        let Self {
            clock,
            output_max_bytes,
            used,
            table,
        } = self;
        let used = used.get_or_insert_with(|| Box::new(Used::new(*clock, *output_max_bytes)));
        WasiCtxView {
            ctx: &mut used.ctx,
            table,
        }
    }

    /// Moves what was written to standard output and error into the log.
    pub(crate) fn drain_into(&mut self, log: &mut Log) {
        let Some(used) = &self.used else { return };
        let mut output = used.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.end_lines();
        for line in output.lines.drain(..) {
            log.add_line(line);
        }
    }
}

impl Used {
    fn new(clock: Clock, max_bytes: usize) -> Self {
        let output = Arc::new(Mutex::new(Output {
            clock,
            left_bytes: max_bytes,
            open: [Vec::new(), Vec::new()],
            lines: Vec::new(),
        }));
        let pipe = |channel| Pipe {
            channel,
            output: Arc::clone(&output),
        };
        let mut builder = WasiCtx::builder();
        builder
            .stdout(pipe(Channel::Stdout))
            .stderr(pipe(Channel::Stderr))
            .wall_clock(clock)
            .max_random_size(RANDOM_MAX_BYTES);
        Self {
            ctx: builder.build(),
            output,
        }
    }
}

/// Links what is offered, and nothing else of WASI.
pub(crate) fn add_to_linker<T: WasiView + 'static>(l: &mut Linker<T>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<T, HasTable>(l, |t| t.ctx().table)?;
    io::poll::add_to_linker::<T, HasTable>(l, |t| t.ctx().table)?;
    io::streams::add_to_linker::<T, HasTable>(l, |t| t.ctx().table)?;
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(l, T::clocks)?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(l, T::clocks)?;
    random::random::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    cli::environment::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::exit::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::stderr::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_input::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_output::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdin::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stdout::add_to_linker::<T, WasiCli>(l, T::cli)?;
    cli::terminal_stderr::add_to_linker::<T, WasiCli>(l, T::cli)?;
    Ok(())
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

#[derive(Clone, Copy, Debug)]
enum Channel {
    Stdout,
    Stderr,
}

/// What came over both channels, cut into lines as it comes.
struct Output {
    clock: Clock,
    left_bytes: usize,
    /// The line that each channel has begun.
    open: [Vec<u8>; 2],
    lines: Vec<LogLine>,
}

impl Output {
    fn write(&mut self, channel: Channel, mut bytes: &[u8]) {
        // What is past the limit is swallowed: the log cuts at the same limit, and says so.
        if bytes.len() > self.left_bytes {
            bytes = &bytes[..self.left_bytes];
        }
        self.left_bytes -= bytes.len();
        let mut parts = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = parts.next() {
            self.open[channel as usize].extend_from_slice(first);
        }
        for part in parts {
            self.end_line(channel);
            self.open[channel as usize].extend_from_slice(part);
        }
    }

    fn end_lines(&mut self) {
        self.end_line(Channel::Stdout);
        self.end_line(Channel::Stderr);
    }

    fn end_line(&mut self, channel: Channel) {
        let line = std::mem::take(&mut self.open[channel as usize]);
        if line.is_empty() {
            return;
        }
        let level = match channel {
            Channel::Stdout => "info",
            Channel::Stderr => "error",
        };
        self.lines.push(LogLine {
            at: self.clock.timestamp(),
            level,
            message: String::from_utf8_lossy(&line).into_owned(),
        });
    }
}

/// One end of a channel.
#[derive(Clone)]
struct Pipe {
    channel: Channel,
    output: Arc<Mutex<Output>>,
}

impl Pipe {
    fn take(&self, bytes: &[u8]) {
        self.output
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(self.channel, bytes);
    }
}

impl IsTerminal for Pipe {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Pipe {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only the third preview of WASI asks for this, and it is not linked.
        Box::new(tokio::io::sink())
    }
}

impl OutputStream for Pipe {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(WRITE_MAX_BYTES)
    }
}

#[async_trait::async_trait]
impl Pollable for Pipe {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use millwork_core::time::Timestamp;

    use super::*;

    fn written(max_bytes: usize, parts: &[(Channel, &str)]) -> Vec<(&'static str, String)> {
        let clock = Clock::starting_at(Timestamp::from_micros(1));
        let mut output = Output {
            clock,
            left_bytes: max_bytes,
            open: [Vec::new(), Vec::new()],
            lines: Vec::new(),
        };
        for (channel, part) in parts {
            output.write(*channel, part.as_bytes());
        }
        output.end_lines();
        output
            .lines
            .into_iter()
            .map(|line| (line.level, line.message))
            .collect()
    }

    #[test]
    fn output_is_cut_into_lines_for_each_channel() {
        let lines = written(
            100,
            &[
                (Channel::Stdout, "one\ntw"),
                (Channel::Stderr, "bad\n"),
                (Channel::Stdout, "o\n\nthree"),
            ],
        );
        let expected = [
            ("info", "one"),
            ("error", "bad"),
            ("info", "two"),
            ("info", "three"),
        ];
        assert_eq!(
            lines,
            expected.map(|(level, text)| (level, text.to_owned()))
        );
    }

    #[test]
    fn output_past_the_limit_is_swallowed() {
        assert_eq!(
            written(3, &[(Channel::Stdout, "abcdef"), (Channel::Stdout, "gh")]),
            [("info", "abc".to_owned())]
        );
    }
}
