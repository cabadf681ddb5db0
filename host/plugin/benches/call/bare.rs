//! The engine alone, with the WASI that comes with it: what nobody can be faster than.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceTable, ResourceType};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

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

/// What a call has: nothing but WASI, without anything granted.
struct Alone {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Alone {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

pub(crate) struct Bare {
    engine: Engine,
    pre: GuestPre<Alone>,
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
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        trap_the_rest(&engine, &component, &mut linker)?;
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

    /// Calls it once. A component that uses an import other than WASI's in a call traps: there is nothing behind them.
    pub(crate) async fn call(&self) -> wasmtime::Result<bool> {
        let alone = Alone {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, alone);
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

/// Has every function that is imported, but for WASI's, trap.
fn trap_the_rest(
    engine: &Engine,
    component: &Component,
    linker: &mut Linker<Alone>,
) -> wasmtime::Result<()> {
    for (interface, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        if interface.starts_with("wasi:") {
            continue;
        }
        let mut traps = linker.instance(interface)?;
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => traps.func_new(name, |_, _, _, _| {
                    wasmtime::bail!("there is nothing behind this import")
                })?,
                ComponentItem::Resource(_) => {
                    traps.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
