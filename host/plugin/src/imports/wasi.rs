//! WASI 0.2 as far as a language's standard library needs it, and harmless: clocks, random bytes, and output that ends up in the
//! run's log. An environment and files as far as they are granted, which is not at all by default. No sockets.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView as _};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::LogLine;
use crate::imports::clock::Clock;
use crate::imports::handed::Handed;
use crate::imports::log::Log;
use crate::limits::Limits;

/// What one call for random bytes hands out at most.
const RANDOM_MAX_BYTES: u64 = 64 << 10;
/// The first ones tell enough.
const REFUSALS_MAX: usize = 16;
/// What a guest may write at once.
const WRITE_MAX_BYTES: usize = 64 << 10;

/// What one call keeps for WASI. Most guests import it and never use it, so it is made at the first use.
pub(crate) struct Wasi {
    clock: Clock,
    handed: Arc<Handed>,
    output_max_bytes: usize,
    /// Whether the guest has looked for its environment or its directories.
    looked: bool,
    used: Option<Box<Used>>,
    pub(crate) table: ResourceTable,
}

struct Used {
    ctx: WasiCtx,
    output: Arc<Mutex<Output>>,
}

impl Wasi {
    pub(crate) fn new(clock: Clock, handed: &Arc<Handed>, limits: &Limits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(match handed.has_directories() {
            true => limits.files_max.min(limits.handles_max),
            false => limits.handles_max,
        });
        Self {
            clock,
            handed: Arc::clone(handed),
            output_max_bytes: limits.log_max_bytes,
            looked: false,
            used: None,
            table,
        }
    }

    /// Opens the directories that the call is handed. Does nothing where there are none.
    ///
    /// # Errors
    /// A sentence, where one of them is not there or cannot be opened.
    pub(crate) async fn open_directories(&mut self) -> Result<(), String> {
        if let Some(missing) = &self.handed.missing {
            return Err(missing.clone());
        }
        if !self.handed.has_directories() {
            return Ok(());
        }
        let (clock, handed, max_bytes) =
            (self.clock, Arc::clone(&self.handed), self.output_max_bytes);
        // On a thread that may wait: the directory may be on another machine.
        let opened = tokio::task::spawn_blocking(move || Used::new(clock, &handed, max_bytes));
        let used = opened.await.map_err(|error| error.to_string())??;
        self.used = Some(Box::new(used));
        Ok(())
    }

    pub(crate) fn view(&mut self) -> WasiCtxView<'_> {
        let Self {
            clock,
            handed,
            output_max_bytes,
            looked: _,
            used,
            table,
        } = self;
        let used = used.get_or_insert_with(|| {
            let used = Used::new(*clock, handed, *output_max_bytes);
            // Directories are opened before the call; nothing else of it can fail.
            Box::new(used.unwrap_or_else(|_| Used::empty(*clock, *output_max_bytes)))
        });
        WasiCtxView {
            ctx: &mut used.ctx,
            table,
        }
    }

    /// The guest looks what it was handed.
    fn look(&mut self) {
        self.looked = true;
    }

    /// Moves what was written to standard output and error into the log, and what was looked for and is not granted.
    pub(crate) fn drain_into(&mut self, log: &mut Log) {
        if std::mem::take(&mut self.looked) {
            // The words of WASI have no room for the line that would grant.
            for refusal in self.handed.refusals.iter().take(REFUSALS_MAX) {
                log.add("warn", refusal.clone());
            }
        }
        let Some(used) = &self.used else { return };
        let mut output = used.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.end_lines();
        for line in output.lines.drain(..) {
            log.add_line(line);
        }
    }
}

impl Used {
    fn new(clock: Clock, handed: &Handed, max_bytes: usize) -> Result<Self, String> {
        let (mut builder, output) = Self::begin(clock, max_bytes);
        handed.hand_over(&mut builder)?;
        Ok(Self {
            ctx: builder.build(),
            output,
        })
    }

    fn empty(clock: Clock, max_bytes: usize) -> Self {
        let (mut builder, output) = Self::begin(clock, max_bytes);
        Self {
            ctx: builder.build(),
            output,
        }
    }

    fn begin(clock: Clock, max_bytes: usize) -> (WasiCtxBuilder, Arc<Mutex<Output>>) {
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
        (builder, output)
    }
}

/// A store that holds what a call keeps for WASI.
pub(crate) trait HasWasi: WasiView {
    fn wasi(&mut self) -> &mut Wasi;
}

/// Links what is offered, and nothing else of WASI.
pub(crate) fn add_to_linker<T: HasWasi + 'static>(l: &mut Linker<T>) -> wasmtime::Result<()> {
    io::error::add_to_linker::<T, HasTable>(l, |t| t.ctx().table)?;
    io::poll::add_to_linker::<T, HasTable>(l, |t| t.ctx().table)?;
    io::streams::add_to_linker::<T, HasTable>(l, |t| t.ctx().table)?;
    clocks::wall_clock::add_to_linker::<T, WasiClocks>(l, T::clocks)?;
    clocks::monotonic_clock::add_to_linker::<T, WasiClocks>(l, T::clocks)?;
    random::random::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<T, WasiRandom>(l, |t| t.ctx().ctx.random())?;
    filesystem::types::add_to_linker::<T, WasiFilesystem>(l, T::filesystem)?;
    filesystem::preopens::add_to_linker::<T, WasiFilesystem>(l, |t| {
        t.wasi().look();
        t.filesystem()
    })?;
    cli::environment::add_to_linker::<T, WasiCli>(l, |t| {
        t.wasi().look();
        t.cli()
    })?;
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
