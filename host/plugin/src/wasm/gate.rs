//! The version gate: reads what a component imports and exports, before anything of it is compiled or run, and says in
//! words what it found, what this host supports and which host would load it.

use std::fmt;

use semver::Version;
use wasmparser::{Encoding, Parser, Payload};

/// What the names of a component's imports tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Every interface that it imports, as it is written: `millwork:http/client@1.0.0`.
    pub(crate) imports: Vec<String>,
    /// Whether nothing that it imports acts on the world, so that running it again harms nothing.
    pub(crate) pure: bool,
}

/// Why a file is not loaded, before it was compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The bytes are something else.
    #[error("this is not WebAssembly: {0}")]
    NotWasm(String),
    /// A core module.
    #[error(
        "this is a core WebAssembly module, not a component: build it for wasm32-wasip2, or turn it into one with wasm-component-ld"
    )]
    CoreModule,
    /// Broken somewhere.
    #[error("the component is damaged: {0}")]
    Damaged(String),
    /// It exports no connector.
    #[error("it exports no millwork:connector/plugin, so it is no connector; it exports {0}")]
    NoConnector(String),
    /// It was built against a contract that this host does not have.
    #[error("{}", list(.0))]
    Versions(Vec<Mismatch>),
}

/// An interface that this host does not have in this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What the component names.
    pub found: String,
    /// What would help.
    pub advice: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it needs {}: {}", self.found, self.advice)
    }
}

fn list(mismatches: &[Mismatch]) -> String {
    mismatches
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The version of every `millwork:` package that this host has.
const CONTRACT: Version = Version::new(1, 0, 0);

/// What a plugin must export.
const CONNECTOR: &str = "millwork:connector/plugin";

/// What this host offers, each in [`CONTRACT`]'s version; whether using it acts on the world.
const MILLWORK: [(&str, Acts); 7] = [
    ("millwork:connector/types", Acts::No),
    ("millwork:log/log", Acts::No),
    ("millwork:clock/clock", Acts::No),
    ("millwork:random/random", Acts::No),
    ("millwork:http/client", Acts::Yes),
    ("millwork:kv/kv", Acts::Yes),
    ("millwork:secrets/secrets", Acts::Yes),
];

/// What this host offers of WASI 0.2.
const WASI: [(&str, Acts); 21] = [
    ("wasi:io/error", Acts::No),
    ("wasi:io/poll", Acts::No),
    ("wasi:io/streams", Acts::No),
    ("wasi:clocks/wall-clock", Acts::No),
    ("wasi:clocks/monotonic-clock", Acts::No),
    ("wasi:random/random", Acts::No),
    ("wasi:random/insecure", Acts::No),
    ("wasi:random/insecure-seed", Acts::No),
    ("wasi:cli/environment", Acts::No),
    ("wasi:cli/exit", Acts::No),
    ("wasi:cli/stdin", Acts::No),
    ("wasi:cli/stdout", Acts::No),
    ("wasi:cli/stderr", Acts::No),
    ("wasi:cli/terminal-input", Acts::No),
    ("wasi:cli/terminal-output", Acts::No),
    ("wasi:cli/terminal-stdin", Acts::No),
    ("wasi:cli/terminal-stdout", Acts::No),
    ("wasi:cli/terminal-stderr", Acts::No),
    ("wasi:filesystem/types", Acts::Yes),
    ("wasi:filesystem/preopens", Acts::Yes),
    ("wasi:http/outgoing-handler", Acts::Yes),
];
const WASI_HTTP_TYPES: &str = "wasi:http/types";

/// Whether using an import, as a component names it, acts on the world. Nothing where this host does not have it.
#[must_use]
pub fn acts(import: &str) -> Option<bool> {
    let name = split(import).0;
    if name == WASI_HTTP_TYPES {
        return Some(false);
    }
    let mut offered = MILLWORK.iter().chain(&WASI);
    let found = offered.find(|(offered, _)| *offered == name);
    found.map(|(_, acts)| *acts == Acts::Yes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Acts {
    Yes,
    No,
}

/// Reads a component's imports and exports and says whether this host can load it.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Facts, Unfit> {
    let (imports, exports) = read_names(wasm)?;
    if !exports.iter().any(|name| split(name).0 == CONNECTOR) {
        let exports = if exports.is_empty() {
            "nothing".to_owned()
        } else {
            exports.join(", ")
        };
        return Err(Unfit::NoConnector(exports));
    }
    let exported = exports.iter().filter(|name| split(name).0 == CONNECTOR);
    // Several versions side by side are fine as long as one of them is ours.
    let mut mismatches: Vec<Mismatch> = exported
        .clone()
        .filter_map(|name| judge_version(name, &CONTRACT))
        .collect();
    if mismatches.len() < exported.count() {
        mismatches.clear();
    }
    let mut pure = true;
    for name in &imports {
        match judge_import(name) {
            Ok(Acts::No) => {}
            Ok(Acts::Yes) => pure = false,
            Err(mismatch) => mismatches.push(mismatch),
        }
    }
    if mismatches.is_empty() {
        Ok(Facts { imports, pure })
    } else {
        Err(Unfit::Versions(mismatches))
    }
}

/// The names of the outermost component's imports and exports.
fn read_names(wasm: &[u8]) -> Result<(Vec<String>, Vec<String>), Unfit> {
    if !wasm.starts_with(b"\0asm") {
        let start: Vec<String> = wasm
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        return Err(Unfit::NotWasm(if wasm.is_empty() {
            "the file is empty".to_owned()
        } else {
            format!("it starts with {}", start.join(" "))
        }));
    }
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    // How many components deep the parser stands; what is inside talks to the outermost, not to the host.
    let mut depth = 0_usize;
    let damaged = |error: wasmparser::BinaryReaderError| Unfit::Damaged(error.to_string());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(damaged)? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => return Err(Unfit::CoreModule),
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import.map_err(damaged)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export.map_err(damaged)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// Splits `millwork:http/client@1.0.0`.
fn split(name: &str) -> (&str, Option<&str>) {
    match name.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (name, None),
    }
}

fn judge_import(name: &str) -> Result<Acts, Mismatch> {
    let (interface, _) = split(name);
    if let Some((_, acts)) = MILLWORK.iter().find(|(known, _)| *known == interface) {
        return judge_version(name, &CONTRACT).map_or(Ok(*acts), Err);
    }
    let wasi = WASI.iter().find(|(known, _)| *known == interface);
    if wasi.is_some() || interface == WASI_HTTP_TYPES {
        let acts = wasi.map_or(Acts::No, |(_, acts)| *acts);
        return judge_wasi_version(name).map_or(Ok(acts), Err);
    }
    let advice = match interface.split('/').next().unwrap_or_default() {
        "wasi:sockets" => {
            "this host gives plugins no sockets; HTTP goes through millwork:http or wasi:http"
                .to_owned()
        }
        package if package.starts_with("millwork:") => {
            format!(
                "this host has no such interface; a later host may. It has {}",
                MILLWORK.map(|(known, _)| known).join(", ")
            )
        }
        _ => {
            "this host does not offer it; plugins may import millwork:* 1.0 and parts of wasi:* 0.2"
                .to_owned()
        }
    };
    Err(Mismatch {
        found: name.to_owned(),
        advice,
    })
}

/// Whether this host's version serves what was built against that one: the same major version, and no newer minor one.
fn judge_version(name: &str, has: &Version) -> Option<Mismatch> {
    let mismatch = |advice: String| {
        Some(Mismatch {
            found: name.to_owned(),
            advice,
        })
    };
    let (_, version) = split(name);
    let Some(wanted) = version.and_then(|text| Version::parse(text).ok()) else {
        return mismatch(format!(
            "the version is missing or no version; this host has {has}"
        ));
    };
    if !wanted.pre.is_empty() {
        return mismatch(format!(
            "a pre-release fits no host but the one it came with; this host has {has}"
        ));
    }
    let (major, minor) = (wanted.major, wanted.minor);
    if major > has.major || (major == has.major && minor > has.minor) {
        return mismatch(format!(
            "this host has {has}; a later host, one that has {major}.{minor} or a later {major}.x, would load it; or build the plugin with an SDK for {}.{}",
            has.major, has.minor
        ));
    }
    if major < has.major {
        return mismatch(format!(
            "this host has {has}; an earlier host, one that has {major}.{minor} or a later {major}.x, would load it; or build the plugin anew with an SDK for {}.{}",
            has.major, has.minor
        ));
    }
    None
}

fn judge_wasi_version(name: &str) -> Option<Mismatch> {
    let (_, version) = split(name);
    match version.and_then(|text| Version::parse(text).ok()) {
        Some(version) if version.major == 0 && version.minor == 2 && version.pre.is_empty() => None,
        Some(version) if version.major == 0 && version.minor < 2 => Some(Mismatch {
            found: name.to_owned(),
            advice: "this host has WASI 0.2; build the plugin for wasm32-wasip2".to_owned(),
        }),
        Some(_) => Some(Mismatch {
            found: name.to_owned(),
            advice: "this host has WASI 0.2; use a later host, or build for wasm32-wasip2"
                .to_owned(),
        }),
        None => Some(Mismatch {
            found: name.to_owned(),
            advice: "the version is missing or no version; this host has WASI 0.2".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(imports: &[&str], exports: &[&str]) -> Vec<u8> {
        let mut text = String::from("(component\n");
        for name in imports {
            text.push_str(&format!("(import \"{name}\" (instance))\n"));
        }
        text.push_str("(instance $i)\n");
        for name in exports {
            text.push_str(&format!("(export \"{name}\" (instance $i))\n"));
        }
        text.push(')');
        wat(&text)
    }

    fn wat(text: &str) -> Vec<u8> {
        wat::parse_str(text).expect("it is WAT")
    }

    const CONNECTOR_1: &str = "millwork:connector/plugin@1.0.0";

    fn refusal(imports: &[&str]) -> String {
        inspect(&component(imports, &[CONNECTOR_1]))
            .expect_err("it does not fit")
            .to_string()
    }

    #[test]
    fn what_this_host_has_is_let_through() {
        let facts = inspect(&component(
            &[
                "millwork:log/log@1.0.0",
                "wasi:io/poll@0.2.6",
                "wasi:http/types@0.2.3",
            ],
            &[CONNECTOR_1],
        ))
        .expect("it fits");
        assert!(facts.pure);
        assert_eq!(facts.imports.len(), 3);
        for acting in [
            "millwork:http/client@1.0.7",
            "millwork:kv/kv@1.0.0",
            "millwork:secrets/secrets@1.0.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:filesystem/types@0.2.6",
        ] {
            assert!(
                !inspect(&component(&[acting], &[CONNECTOR_1]))
                    .expect("it fits")
                    .pure,
                "{acting}"
            );
        }
    }

    /// Each message whole: what was found, what this host has, and which host would load it.
    #[test]
    fn a_version_that_this_host_lacks_is_refused_in_words() {
        let imports = [
            "millwork:http/client@9.0.0",
            "millwork:http/client@1.3.0",
            "millwork:http/client@0.9.0",
            "millwork:http/client@1.0.0-rc.1",
            "millwork:http/client",
            "millwork:http/client@one",
            "millwork:queue/queue@1.0.0",
            "wasi:sockets/tcp@0.2.6",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll@0.1.0",
            "wasi:io/poll@0.2.6-rc",
            "wasi:io/poll",
            "acme:thing/x@1.0.0",
        ];
        let told: Vec<_> = imports.map(|import| refusal(&[import])).to_vec();
        insta::assert_snapshot!(told.join("\n"), @r"
        it needs millwork:http/client@9.0.0: this host has 1.0.0; a later host, one that has 9.0 or a later 9.x, would load it; or build the plugin with an SDK for 1.0
        it needs millwork:http/client@1.3.0: this host has 1.0.0; a later host, one that has 1.3 or a later 1.x, would load it; or build the plugin with an SDK for 1.0
        it needs millwork:http/client@0.9.0: this host has 1.0.0; an earlier host, one that has 0.9 or a later 0.x, would load it; or build the plugin anew with an SDK for 1.0
        it needs millwork:http/client@1.0.0-rc.1: a pre-release fits no host but the one it came with; this host has 1.0.0
        it needs millwork:http/client: the version is missing or no version; this host has 1.0.0
        it needs millwork:http/client@one: the version is missing or no version; this host has 1.0.0
        it needs millwork:queue/queue@1.0.0: this host has no such interface; a later host may. It has millwork:connector/types, millwork:log/log, millwork:clock/clock, millwork:random/random, millwork:http/client, millwork:kv/kv, millwork:secrets/secrets
        it needs wasi:sockets/tcp@0.2.6: this host gives plugins no sockets; HTTP goes through millwork:http or wasi:http
        it needs wasi:io/poll@0.3.0: this host has WASI 0.2; use a later host, or build for wasm32-wasip2
        it needs wasi:io/poll@0.1.0: this host has WASI 0.2; build the plugin for wasm32-wasip2
        it needs wasi:io/poll@0.2.6-rc: this host has WASI 0.2; use a later host, or build for wasm32-wasip2
        it needs wasi:io/poll: the version is missing or no version; this host has WASI 0.2
        it needs acme:thing/x@1.0.0: this host does not offer it; plugins may import millwork:* 1.0 and parts of wasi:* 0.2
        ");
    }

    #[test]
    fn every_mismatch_is_told_at_once() {
        let refusal = refusal(&["millwork:http/client@9.0.0", "wasi:sockets/tcp@0.2.6"]);
        assert!(
            refusal.contains("millwork:http/client@9.0.0")
                && refusal.contains("wasi:sockets/tcp@0.2.6"),
            "{refusal}"
        );
    }

    #[test]
    fn the_export_is_judged_like_the_imports() {
        let refusal = |exports: &[&str]| {
            inspect(&component(&[], exports))
                .expect_err("it does not fit")
                .to_string()
        };
        let told = [
            refusal(&["millwork:connector/plugin@2.0.0"]),
            refusal(&["millwork:connector/plugin@1.1.0"]),
            refusal(&["millwork:connector/plugin@0.1.0"]),
            refusal(&["wasi:cli/run@0.2.0", "acme:thing/x@1.0.0"]),
            refusal(&[]),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
        it needs millwork:connector/plugin@2.0.0: this host has 1.0.0; a later host, one that has 2.0 or a later 2.x, would load it; or build the plugin with an SDK for 1.0
        it needs millwork:connector/plugin@1.1.0: this host has 1.0.0; a later host, one that has 1.1 or a later 1.x, would load it; or build the plugin with an SDK for 1.0
        it needs millwork:connector/plugin@0.1.0: this host has 1.0.0; an earlier host, one that has 0.1 or a later 0.x, would load it; or build the plugin anew with an SDK for 1.0
        it exports no millwork:connector/plugin, so it is no connector; it exports wasi:cli/run@0.2.0, acme:thing/x@1.0.0
        it exports no millwork:connector/plugin, so it is no connector; it exports nothing
        ");
        assert!(
            inspect(&component(
                &[],
                &["millwork:connector/plugin@2.0.0", CONNECTOR_1]
            ))
            .is_ok(),
            "one that this host has is enough"
        );
    }

    #[test]
    fn what_is_no_component_is_refused_in_words() {
        assert!(
            inspect(b"")
                .expect_err("it is empty")
                .to_string()
                .contains("the file is empty")
        );
        assert!(
            inspect(b"#!/bin/sh")
                .expect_err("it is a script")
                .to_string()
                .contains("it starts with 23 21 2f 62")
        );
        assert_eq!(inspect(&wat("(module)")), Err(Unfit::CoreModule));
        let whole = component(&["millwork:log/log@1.0.0"], &[CONNECTOR_1]);
        for length in 4..whole.len() {
            // Cut between two sections it is whole, and lacks something; cut anywhere else it is damaged.
            match inspect(&whole[..length]) {
                Err(Unfit::Damaged(_) | Unfit::NoConnector(_)) | Ok(_) => {}
                Err(other) => panic!("{length}: {other}"),
            }
        }
    }
}
