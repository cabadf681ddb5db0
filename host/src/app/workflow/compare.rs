//! `millwork diff`: what `apply` would change.

use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};

use super::find::{find_own, name_of, text};
use super::{Verdict, client, files};
use crate::cli::workflow::{Apply, Output};
use crate::client::Client;
use crate::difference::{Change, ChangeKind, difference};
use crate::document::Document;

/// What answers carry beside the definition.
const OURS: [&str; 5] = ["uuid", "version", "created_at", "updated_at", "archived_at"];

/// A definition beside what the server has of it.
struct Compared<'a> {
    document: &'a Document,
    /// The newest version there; nothing where the workflow would be new.
    version: Option<Value>,
    changes: Vec<Change>,
}

/// Shows what `apply` would change.
pub(in crate::app) async fn diff(wanted: Apply) -> Result<Verdict> {
    let documents = files::read(&wanted.files)?;
    let client = client(&wanted.server)?;
    let mut all = Vec::new();
    for document in &documents {
        all.push(compare(&client, document).await?);
    }
    match wanted.output {
        Output::Text => all
            .iter()
            .for_each(|compared| print!("{}", compared.tell())),
        Output::Json => {
            let all: Vec<_> = all.iter().map(Compared::to_json).collect();
            println!("{}", serde_json::to_string_pretty(&all)?);
        }
    }
    let is_same = |compared: &Compared<'_>| compared.changes.is_empty();
    Ok(match all.iter().all(is_same) {
        true => Verdict::Done,
        false => Verdict::No,
    })
}

async fn compare<'a>(client: &Client, document: &'a Document) -> Result<Compared<'a>> {
    let mut theirs = json!({});
    let mut version = None;
    if let Some(item) = find_own(client, &document.value).await? {
        let path = format!("/api/v1/workflows/{}", text(&item, "uuid"));
        theirs = client.ask(Method::GET, &path, None).await?;
        version = Some(theirs["version"].clone());
    }
    Ok(Compared::of(document, version, theirs))
}

impl<'a> Compared<'a> {
    fn of(document: &'a Document, version: Option<Value>, mut theirs: Value) -> Self {
        let mut own = document.value.clone();
        remove_ours(&mut theirs);
        remove_ours(&mut own);
        Self {
            document,
            version,
            changes: difference(&theirs, &own),
        }
    }

    /// Lines for people: what changes, and where it stands in the file.
    fn tell(&self) -> String {
        let (name, file) = (name_of(&self.document.value), self.document.path.display());
        let Some(version) = &self.version else {
            return format!("{name}: is new ({file})\n");
        };
        if self.changes.is_empty() {
            return format!("{name}: is as version {version}\n");
        }
        let mut told = format!("{name}: differs from version {version}\n");
        for change in &self.changes {
            let shown = |value: &Option<Value>| value.as_ref().map(Value::to_string);
            let before = shown(&change.before).unwrap_or_default();
            let after = shown(&change.after).unwrap_or_default();
            let path = &change.path;
            told += &match change.kind {
                ChangeKind::Added => format!("  + {path}: {after}"),
                ChangeKind::Removed => format!("  - {path}: {before}"),
                ChangeKind::Changed => format!("  ~ {path}: {before} -> {after}"),
                ChangeKind::Moved => format!("  > {path}: was at {before}"),
            };
            if let Some(step) = &change.step {
                told += &format!("  ({step})");
            }
            if change.kind != ChangeKind::Removed {
                told += &format!("  {file}:{}", self.document.place(path));
            }
            told.push('\n');
        }
        told
    }

    fn to_json(&self) -> Value {
        let changes = self.changes.iter().map(|change| {
            let kind = match change.kind {
                ChangeKind::Added => "added",
                ChangeKind::Removed => "removed",
                ChangeKind::Changed => "changed",
                ChangeKind::Moved => "moved",
            };
            json!({
                "kind": kind,
                "path": change.path,
                "step": change.step,
                "before": change.before,
                "after": change.after,
            })
        });
        json!({
            "file": self.document.path.display().to_string(),
            "name": name_of(&self.document.value),
            "version": self.version,
            "changes": changes.collect::<Vec<_>>(),
        })
    }
}

fn remove_ours(definition: &mut Value) {
    let Some(fields) = definition.as_object_mut() else {
        return;
    };
    for name in OURS {
        fields.shift_remove(name);
    }
    // A server shows these also where nothing was said.
    for name in ["id", "description"] {
        if fields.get(name).is_some_and(Value::is_null) {
            fields.shift_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_difference_is_told_with_its_place_in_the_file() {
        let yaml = "name: n\nsteps:\n  - name: b\n    type: delay\n    config: {duration: 2}\n  - {name: a, type: delay}\n";
        let documents = Document::read_all(Path::new("n.yaml"), yaml).expect("it is YAML");
        let theirs = json!({"uuid": "u", "id": null, "name": "n", "description": null, "version": 3, "steps": [
            {"name": "a", "type": "delay"}, {"name": "b", "type": "delay", "config": {"duration": 1}}, {"name": "c", "type": "x"},
        ]});
        let compare =
            |version: Option<Value>, theirs| Compared::of(&documents[0], version, theirs).tell();
        insta::assert_snapshot!(compare(Some(json!(3)), theirs), @r#"
        n: differs from version 3
          - /steps/2: {"name":"c","type":"x"}  (c)
          > /steps/0: was at 1  (b)  n.yaml:3:5
          ~ /steps/0/config/duration: 1 -> 2  (b)  n.yaml:5:14
        "#);
        let same = documents[0].value.clone();
        assert_eq!(compare(Some(json!(3)), same), "n: is as version 3\n");
        assert_eq!(compare(None, json!({})), "n: is new (n.yaml)\n");
    }
}
