//! `millwork:clock`: the wall clock as the engine told it at the start of the call, counted on from there.

use std::time::{Duration, Instant};

use millwork_core::time::Timestamp;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::HostWallClock;

use self::bindings::millwork::clock::clock;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/clock",
        interfaces: "import millwork:clock/clock@1.0.0;",
    });
}

/// A clock that started with the call. Nobody here asks the system for the time of day.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Timestamp,
    began: Instant,
}

impl Clock {
    pub(crate) fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            began: Instant::now(),
        }
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.start.after(self.elapsed())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

impl clock::Host for Clock {
    fn now(&mut self) -> u64 {
        micros(self.timestamp())
    }
}

/// The same clock for guests whose standard library asks WASI.
impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(micros(self.timestamp()))
    }
}

/// A timestamp as the contract writes it.
pub(crate) fn micros(at: Timestamp) -> u64 {
    // A timestamp is never before 1970.
    u64::try_from(at.as_micros()).unwrap_or(0)
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut Clock,
) -> wasmtime::Result<()> {
    clock::add_to_linker::<T, HasSelf<Clock>>(linker, get)
}
