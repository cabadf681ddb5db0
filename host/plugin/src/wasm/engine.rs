//! The wasmtime engine: how code is compiled, where instances live, and the clock that interrupts them.

use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig,
};

use crate::limits::Limits;

/// How often a running guest is interrupted to let others run. On a machine with one core this is how long a call
/// waits for a neighbour that never stops.
pub(crate) const TICK_MS: u64 = 2;
/// How often the ticker looks whether anything runs, where nothing does.
const IDLE_TICK_MS: u64 = 50;

/// What stays mapped of an instance's memory when it ends. With the page map scanned, resetting it then needs one
/// system call and no change of the address space, which all cores would have to stop for.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
const KEEP_RESIDENT_TABLE_BYTES: usize = 16 << 10;
/// What a host function has of the stack beyond what the guest may use: TLS handshakes run on it.
const HOST_STACK_BYTES: usize = 1536 << 10;
const WASM_PAGE_BYTES: usize = 64 << 10;

/// Builds the engine. Where the address space for the pool cannot be had, instances are allocated one by one: slower,
/// and nothing else changes.
pub(crate) fn build(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut config = config(limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    Engine::new(&config).or_else(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "the pool of instances cannot be had: plugin calls will be slower"
        );
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    })
}

fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_max_bytes)
        .async_stack_size(limits.stack_max_bytes.saturating_add(HOST_STACK_BYTES))
        // The contract is synchronous: what serves the asynchronous component model would cost every call.
        .concurrency_support(false)
        // What no supported language needs is not there to be attacked.
        .wasm_threads(false)
        .wasm_memory64(false)
        .wasm_gc(false)
        .wasm_function_references(false)
        .gc_support(false);
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let calls = limits.calls_in_flight_max.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        // Every call may have as much as a call is allowed: core instances are counted, not set aside, and tables and memories are
        // address space until they are used. A component in Rust has three core instances, two tables and one memory; one in
        // JavaScript has thirteen, seven and three.
        .total_core_instances(calls.saturating_mul(limits.instances_max))
        .total_tables(calls.saturating_mul(limits.tables_max))
        .total_memories(calls.saturating_mul(limits.memories_max))
        .total_stacks(calls)
        .max_core_instances_per_component(limits.instances_max)
        .max_memories_per_component(limits.memories_max)
        .max_tables_per_component(limits.tables_max)
        .max_tables_per_module(limits.tables_max)
        .max_memories_per_module(limits.memories_max)
        .table_elements(limits.table_elements_max)
        .max_memory_size(limits.memory_max_bytes.next_multiple_of(WASM_PAGE_BYTES))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_TABLE_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Starts the thread that moves the engine's epoch on while calls are running. It ends when the engine is dropped.
pub(crate) fn start_ticker(
    engine: &Engine,
    is_busy: impl Fn() -> bool + Send + 'static,
) -> std::io::Result<()> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("plugin-ticker".to_owned())
        .spawn(move || tick(&engine, is_busy))?;
    Ok(())
}

fn tick(engine: &EngineWeak, is_busy: impl Fn() -> bool) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        let pause = if is_busy() { TICK_MS } else { IDLE_TICK_MS };
        thread::sleep(Duration::from_millis(pause));
    }
}
