//! The configuration in writing: `docs/config.md`, and what `millwork config show` prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::load::{DEFAULT_FILE, FILE_VARIABLE};
use super::schema::{self, Setting};
use super::{Grant, Loaded, Secret, Webhook};

/// Writes the reference page.
#[must_use]
pub fn page() -> String {
    let mut page = format!(
        "# Configuration\n\n\
         <!-- Written from the comments in host/src/config.rs; `UPDATE=1 cargo test -p millwork reference` writes it anew. -->\n\n\
         Everything has a default: Millwork starts without a configuration. What is set comes, each layer stronger than the one before, from\n\n\
         1. the defaults below,\n\
         2. a TOML file: the one that `--config` or `{FILE_VARIABLE}` names, else `{DEFAULT_FILE}` in the working directory, if it is there,\n\
         3. variables of the environment,\n\
         4. flags (`millwork serve --help`).\n\n\
         A setting that nobody knows is an error that names the nearest one, in the file as in the environment (every variable that begins with `MILLWORK_`; one that is empty counts as not set).\n\
         Spans of time are texts such as `\"500ms\"`, `\"20s\"`, `\"1h30m\"` or `\"30d\"`. \
         `millwork config show` prints what holds and where it came from, without secrets.\n"
    );
    let schema = schema::schema();
    let settings = schema::settings();
    write_section(
        &mut page,
        "The folders",
        "",
        settings.iter().filter(|setting| setting.path.len() == 1),
    );
    for (name, section) in schema::properties(&schema) {
        let own = settings
            .iter()
            .filter(|setting| setting.path.len() == 2 && setting.path[0] == *name);
        if own.clone().next().is_some() {
            write_section(
                &mut page,
                &format!("`[{name}]`"),
                &schema::description(section),
                own,
            );
        }
        for (inner, subsection) in schema::properties(section) {
            let own = settings.iter().filter(|setting| {
                setting.path.len() == 3 && setting.path[0] == *name && setting.path[1] == *inner
            });
            if own.clone().next().is_some() {
                let title = format!("`[{name}.{inner}]`");
                write_section(&mut page, &title, &schema::description(subsection), own);
            }
        }
        for (path, map) in maps(name, section) {
            write_map(&mut page, &path, map);
        }
    }
    page
}

fn write_section<'a>(
    page: &mut String,
    title: &str,
    text: &str,
    settings: impl Iterator<Item = &'a Setting>,
) {
    let _ = write!(page, "\n## {title}\n\n");
    if !text.is_empty() {
        let _ = write!(page, "{text}\n\n");
    }
    page.push_str("| setting | default | variable | |\n|---|---|---|---|\n");
    for Setting {
        path,
        variable,
        description,
        default,
        ..
    } in settings
    {
        let default = default
            .as_ref()
            .map(|default| format!("`{default}`"))
            .unwrap_or_default();
        let name = path.last().map(String::as_str).unwrap_or_default();
        let _ = writeln!(
            page,
            "| `{name}` | {default} | `{variable}` | {} |",
            description.replace('|', "\\|")
        );
    }
}

/// The maps in a section, or the section itself where it is one.
fn maps<'a>(name: &str, section: &'a Value) -> Vec<(String, &'a Value)> {
    if schema::members(section).is_some() {
        return vec![(name.to_owned(), section)];
    }
    let inner = schema::properties(section).filter(|(_, inner)| schema::members(inner).is_some());
    inner
        .map(|(key, inner)| (format!("{name}.{key}"), inner))
        .collect()
}

fn write_map(page: &mut String, path: &str, map: &Value) {
    let members = schema::members(map).unwrap_or(&Value::Null);
    let fields: Vec<_> = schema::properties(members).collect();
    if fields.is_empty() {
        let _ = write!(page, "\n## `[{path}]`\n\n{}\n", schema::description(map));
        return;
    }
    let _ = write!(
        page,
        "\n## `[{path}.<name>]`\n\n{}\n\n| setting | |\n|---|---|\n",
        schema::description(map)
    );
    for (name, field) in fields {
        let _ = writeln!(
            page,
            "| `{name}` | {} |",
            schema::description(field).replace('|', "\\|")
        );
    }
}

/// Writes what holds, as TOML, each setting with where it came from. Secrets are not shown.
///
/// # Errors
/// Where a value cannot be written as TOML.
pub fn show(loaded: &Loaded) -> Result<String, toml::ser::Error> {
    let mut table = toml::Table::try_from(&loaded.config)?;
    let plugins_dir = loaded.config.plugins_dir().display().to_string();
    table
        .entry("plugins_dir")
        .or_insert_with(|| toml::Value::String(plugins_dir));
    let mut shown = String::new();
    let mut section = None;
    for Setting { path, .. } in schema::settings() {
        let Some((key, own_section)) = path.split_last() else {
            continue;
        };
        let own_section = own_section.join(".");
        if !own_section.is_empty() && section.as_ref() != Some(&own_section) {
            let _ = write!(shown, "\n[{own_section}]\n");
            section = Some(own_section);
        }
        let Some(value) = find(&table, &path) else {
            continue;
        };
        let _ = write!(shown, "{key} = {value}");
        if let Some(origin) = loaded.origins.get(&path.join(".")) {
            let _ = write!(shown, "  # from {origin}");
        }
        shown.push('\n');
    }
    // The maps, as they were written.
    let maps = toml::Table::try_from(Maps {
        env: &loaded.config.env,
        events: WebhooksOnly {
            webhooks: &loaded.config.events.webhooks,
        },
        secrets: &loaded.config.secrets,
        plugins: GrantsOnly {
            grants: &loaded.config.plugins.grants,
        },
    })?;
    let _ = write!(shown, "\n{}", toml::to_string(&maps)?);
    Ok(shown.trim_end().to_owned() + "\n")
}

#[derive(Serialize)]
struct Maps<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "WebhooksOnly::is_empty")]
    events: WebhooksOnly<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    secrets: &'a BTreeMap<String, Secret>,
    plugins: GrantsOnly<'a>,
}

#[derive(Serialize)]
struct WebhooksOnly<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    webhooks: &'a BTreeMap<String, Webhook>,
}

impl WebhooksOnly<'_> {
    fn is_empty(&self) -> bool {
        self.webhooks.is_empty()
    }
}

#[derive(Serialize)]
struct GrantsOnly<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    grants: &'a BTreeMap<String, Grant>,
}

fn find<'a>(table: &'a toml::Table, path: &[String]) -> Option<&'a toml::Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(table.get(first)?, |value, key| value.get(key))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load::{Layers, merge};
    use crate::generated;

    #[test]
    fn the_reference_page_is_what_the_code_says() {
        generated::check("docs/config.md", &page());
    }

    #[test]
    fn what_is_shown_says_where_it_came_from_and_no_secret() {
        let file = "[engine]\nin_flight_max = 3\n[secrets]\ntoken = 'xyzzy'\n[plugins.grants.slack]\nkv = true";
        let layers = Layers {
            environment: vec![("MILLWORK_LISTEN".to_owned(), "0.0.0.0:80".to_owned())],
            ..Layers::default()
        };
        let loaded = merge(Some((Path::new("m.toml"), file)), &layers).expect("it holds");
        let shown = show(&loaded).expect("it is TOML");
        insta::assert_snapshot!(shown, @r#"
        data_dir = "./millwork-data"
        plugins_dir = "./millwork-data/plugins"

        [server]
        listen = "0.0.0.0:80"  # from MILLWORK_LISTEN
        insecure_no_auth = false
        shutdown_timeout = "20s"
        idle_timeout = "2m"
        body_timeout = "30s"
        wait_max = "1m"
        streams_max = 1000

        [auth]

        [engine]
        in_flight_max = 3  # from m.toml
        backlog_max = 1000000
        limit_queue_max = 10000
        queue_max = 10000
        record_start_after = "200ms"
        claim_timeout = "15s"
        commit_elision = true
        idempotency_kept = "24h"
        finished_kept = "forever"

        [postgres]
        host = "workflow_db"
        port = 5432
        database = "workflow_db"
        user = "postgres"
        password = "(redacted)"
        connections_max = 8

        [kafka]
        bootstrap_servers = "kafka:9092"
        consumer_group = "workflow-workers-rust"
        topic_trigger = "workflow.trigger.rust"
        topic_completed = "workflow.completed.rust"
        topic_control = "workflow.control.rust"
        partitions = 12
        replication = 1
        session_timeout = "10s"

        [events]
        source = "/millwork"
        retry_for = "72h"
        timeout = "20s"
        in_flight_max = 16
        kept = "720h"

        [limits]
        payload_max_bytes = 2097152
        definition_max_bytes = 1048576
        foreach_items_max = 10000
        run_outputs_max_bytes = 67108864
        run_events_max = 250000
        workflow_depth_max = 8

        [log]
        filter = "info"
        format = "auto"

        [traces]
        service_name = "millwork"
        one_in = 1

        [secrets_key]

        [plugins.trust]
        public_keys = []
        require_signature = false

        [plugins.limits]
        calls_in_flight_max = 1000
        calls_in_flight_per_plugin_max = 500
        call_max_ms = 900000
        question_max_ms = 10000
        cpu_max_ms = 5000
        memory_max_bytes = 67108864
        memories_max = 4
        tables_max = 16
        table_elements_max = 20000
        instances_max = 64
        stack_max_bytes = 524288
        handles_max = 10000
        files_max = 64
        output_max_bytes = 1048576
        state_max_bytes = 262144
        log_max_bytes = 65536
        http_request_max_bytes = 4194304
        http_response_max_bytes = 4194304
        http_requests_in_flight_max = 16
        http_redirects_max = 10
        http_connect_max_ms = 10000
        kv_key_max_bytes = 512
        kv_value_max_bytes = 65536
        wasm_max_bytes = 33554432
        manifest_max_bytes = 1048576

        [plugins.grants.slack]
        http = []
        kv = true
        private_networks = []
        reveal = []

        [plugins.grants.slack.secrets]

        [secrets]
        token = "(redacted)"
        "#);
        assert!(!shown.contains("xyzzy"));
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let file = "[events.webhooks.shop]\nurl = 'http://a'\nsecrets = [{ env = 'A' }, { secret = 'b' }]\nlabels = { team = 'shop' }";
        let loaded = merge(Some((Path::new("m.toml"), file)), &Layers::default());
        let loaded = loaded.expect("it holds");
        let shown = show(&loaded).expect("it is TOML");
        let again =
            merge(Some((Path::new("shown"), &shown)), &Layers::default()).expect("it holds");
        assert_eq!(again.config.server, loaded.config.server);
        assert_eq!(again.config.engine, loaded.config.engine);
        assert_eq!(again.config.events, loaded.config.events);
    }
}
