//! The engine alone: what nobody can be faster than.

use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};

use self::bindings::GuestPre;
use self::bindings::millwork::connector::types::Context;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "package millwork:bare; world guest { export millwork:connector/plugin@1.0.0; }",
        world: "millwork:bare/guest",
        exports: { default: async },
    });
}

pub(crate) struct Bare {
    engine: Engine,
    pre: GuestPre<()>,
    context: Context,
    action: String,
    config: String,
}

impl Bare {
    pub(crate) fn new(wasm: &[u8], action: &str, config: &str) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(1 << 20)
            .table_keep_resident(16 << 10)
            .pagemap_scan(Enabled::Auto);
        let mut settings = Config::new();
        settings
            .concurrency_support(false)
            .gc_support(false)
            .wasm_gc(false)
            .wasm_function_references(false);
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&settings)?;
        let component = Component::from_binary(&engine, wasm)?;
        let mut linker = Linker::new(&engine);
        linker.define_unknown_imports_as_traps(&component)?;
        let pre = GuestPre::new(linker.instantiate_pre(&component)?)?;
        let context = Context {
            run_id: "018bcfe5-6800-7707-8707-070707070707".to_owned(),
            workflow: "order-paid".to_owned(),
            step: "fetch".to_owned(),
            iteration: None,
            attempt: 1,
            idempotency_key: "018bcfe5-6800-7707-8707-070707070707/fetch".to_owned(),
            deadline: 1_795_384_000_000_000,
            trace_parent: None,
            resumed: None,
        };
        Ok(Self {
            engine,
            pre,
            context,
            action: action.to_owned(),
            config: config.to_owned(),
        })
    }

    /// Calls it once. A component that uses an import in a call traps: there is nothing behind them.
    pub(crate) async fn call(&self) -> wasmtime::Result<bool> {
        let mut store = Store::new(&self.engine, ());
        let guest = self.pre.instantiate_async(&mut store).await?;
        let answer = guest.millwork_connector_plugin().call_invoke(
            &mut store,
            &self.context,
            &self.action,
            &self.config,
        );
        Ok(answer.await?.is_ok())
    }
}
