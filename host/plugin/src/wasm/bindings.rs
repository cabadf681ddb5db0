//! What every plugin exports, as the host calls it. What plugins import has its bindings beside each import.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package millwork:host;
        world guest {
            export millwork:connector/plugin@1.0.0;
        }
    ",
    world: "millwork:host/guest",
    exports: { default: async },
});

pub(crate) use self::exports::millwork::connector::plugin::Guest as Plugin;
pub(crate) use self::millwork::connector::types;
