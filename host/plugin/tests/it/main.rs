//! The sandbox against real components: one that does everything wrong, and those that are written here.

mod bundled;
mod catalogue;
mod files;
mod folder;
mod frozen;
mod http;
mod limits;
mod loading;
mod neighbours;
mod powers;
mod secrets;
mod server;
mod ssrf;
mod support;
