//! The sandbox against real components: one that does everything wrong, and the bundled ones.

mod bundled;
mod folder;
mod http;
mod limits;
mod loading;
mod neighbours;
mod powers;
mod server;
mod support;
