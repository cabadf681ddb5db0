//! What the components are, seen from outside: their size, and what they import.

use std::collections::BTreeSet;

use millwork_bundled::{Bundled, PLUGINS};
use wasmparser::{Parser, Payload};

/// Past this, look at what came in: it is mostly a library that formats its errors. Those with a language in them are
/// larger: jq with its regular expressions, its times (and time zones) and its numbers of any size, and Jinja.
fn size_max_bytes(name: &str) -> usize {
    match name {
        "transform" => 1_920 * 1024,
        "template" => 1_152 * 1024,
        "signal" => 576 * 1024,
        _ => 448 * 1024,
    }
}

fn find(name: &str) -> &'static Bundled {
    PLUGINS
        .iter()
        .find(|plugin| plugin.name == name)
        .expect("the plugin is bundled")
}

/// The interfaces of ours that a component imports. WASI is what the standard library brings.
fn imports(plugin: &Bundled) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(plugin.wasm) {
        match payload.expect("the component parses") {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            // The imports of the component itself; what stands inside it is wired to those.
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    names.insert(import.expect("the import parses").name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    names.retain(|name| {
        !name.starts_with("wasi:") && !name.starts_with("millwork:connector/types@")
    });
    names
}

#[test]
fn each_plugin_is_small() {
    for plugin in PLUGINS {
        let size = plugin.wasm.len();
        println!("{}: {size} bytes", plugin.name);
        let max = size_max_bytes(plugin.name);
        assert!(size < max, "{} takes {size} bytes", plugin.name);
    }
}

#[test]
fn a_delay_imports_nothing_that_acts_on_the_world() {
    let imports: Vec<_> = imports(find("delay")).into_iter().collect();
    assert_eq!(
        imports,
        ["millwork:clock/clock@1.0.0", "millwork:log/log@1.0.0"]
    );
}

#[test]
fn a_signal_a_template_and_a_transform_import_nothing_that_acts_on_the_world() {
    for (name, expected) in [
        (
            "signal",
            &["millwork:clock/clock@1.0.0", "millwork:log/log@1.0.0"][..],
        ),
        ("template", &["millwork:log/log@1.0.0"]),
        (
            "transform",
            &["millwork:clock/clock@1.0.0", "millwork:log/log@1.0.0"],
        ),
    ] {
        let imports: Vec<_> = imports(find(name)).into_iter().collect();
        assert_eq!(imports, expected, "{name}");
    }
}

#[test]
fn a_webhook_imports_http_and_no_more_that_acts_on_the_world() {
    let imports: Vec<_> = imports(find("webhook")).into_iter().collect();
    assert_eq!(
        imports,
        [
            "millwork:clock/clock@1.0.0",
            "millwork:http/client@1.0.0",
            "millwork:log/log@1.0.0"
        ]
    );
}
