//! `millwork:random`: random bytes from the operating system.

use wasmtime::component::{HasSelf, Linker};

use self::bindings::millwork::random::random;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/deps/random",
        interfaces: "import millwork:random/random@1.0.0;",
        imports: { default: trappable },
    });
}

/// What one call hands out at most, as the contract says.
const COUNT_MAX: u32 = 64 << 10;

/// Needs no state.
#[derive(Debug, Default)]
pub(crate) struct Random;

impl random::Host for Random {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(count.min(COUNT_MAX))?];
        getrandom::fill(&mut bytes)
            .map_err(|error| wasmtime::format_err!("no random bytes: {error}"))?;
        Ok(bytes)
    }
}

pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> &mut Random,
) -> wasmtime::Result<()> {
    random::add_to_linker::<T, HasSelf<Random>>(linker, get)
}
