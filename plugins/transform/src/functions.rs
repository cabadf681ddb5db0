//! The functions that a filter may call: those of jq's library, some of them in our own words.

use std::collections::BTreeSet;
use std::iter;

use jaq_core::box_iter::box_once;
use jaq_core::data::JustLut;
use jaq_core::load::parse::Def;
use jaq_core::native::{self, Fun, v};
use jaq_core::{Cv, RunPtr, ValXs};
use jaq_json::Val;
use millwork_sdk::{clock, log};

/// What filters run on.
pub(crate) type Data = JustLut<Val>;

/// Functions that are written in jq.
pub(crate) fn definitions() -> impl Iterator<Item = Def<&'static str>> {
    jaq_core::defs()
        .chain(jaq_std::defs())
        .chain(jaq_json::defs())
}

/// Functions that are written in Rust.
pub(crate) fn natives() -> impl Iterator<Item = Fun<Data>> {
    let ours = ours();
    let replaced = ours.each_ref().map(|(name, ..)| *name);
    jaq_core::funs()
        .chain(jaq_std::funs())
        .chain(jaq_json::funs())
        .filter(move |(name, ..)| !replaced.contains(name))
        .chain(ours.map(native::run::<Data>))
}

/// What touches the world is ours: the log, the time, and an environment in which there is nothing.
fn ours() -> [native::Filter<RunPtr<Data>>; 4] {
    [
        ("debug_empty", v(0), |cv| said(log::Level::Debug, &cv)),
        ("stderr_empty", v(0), |cv| said(log::Level::Warn, &cv)),
        ("now", v(0), |_| box_once(Ok(Val::from(now())))),
        ("env", v(0), |_| box_once(Ok(Val::obj(Default::default())))),
    ]
}

fn said<'a>(level: log::Level, (_, value): &Cv<'a, Data>) -> ValXs<'a, Val> {
    log::write(level, &value.to_string(), &[]);
    Box::new(iter::empty())
}

/// Seconds since 1970, by the host's clock.
fn now() -> f64 {
    let since = clock::now().saturating_since(clock::Timestamp::from_micros(0));
    since.as_secs_f64()
}

/// The functions by name and number of arguments, as jq writes them: `map/1`.
pub(crate) fn signatures() -> BTreeSet<String> {
    let defined = definitions().map(|def| format!("{}/{}", def.name, def.args.len()));
    let native = natives().map(|(name, args, _)| format!("{name}/{}", args.len()));
    defined.chain(native).collect()
}
