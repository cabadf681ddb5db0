//! Directories and variables of the host: nothing without a grant, what is granted and no more with one.

use std::fs;
use std::path::{Path, PathBuf};

use millwork_plugin::{Options, Origin, PluginRuntime as _, Plugins};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Guest, describing, granted};

/// A folder with a directory that may be granted, and things beside it that must not be reached.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("there is room"));
        fs::create_dir(place.path("inside")).expect("there is room");
        fs::write(place.path("inside/here"), "hello").expect("there is room");
        fs::write(place.path("outside"), "nobody's business").expect("there is room");
        place
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    /// What the guest gets with these grants, which asks for the directory `data` and the variable `REGION`.
    async fn guest(&self, grants: &str) -> Guest {
        let mut options = granted(grants);
        let directories = &mut options.premises.directories;
        directories.insert("reports".to_owned(), self.path("inside"));
        directories.insert("gone".to_owned(), self.path("gone"));
        let variables = &mut options.premises.variables;
        variables.insert("region-of-shop".to_owned(), "eu-1".to_owned());
        asking(options).await
    }
}

async fn asking(options: Options) -> Guest {
    let plugins = Plugins::new(options).expect("the sandbox starts");
    let loaded = plugins
        .load_bytes(describing("files"), Origin::Stored)
        .await;
    let digest = loaded.expect("it loads").digest;
    Guest { plugins, digest }
}

const READ: &str = "misbehave = { directories = { data = \"reports\" } }";
const WRITE: &str = "misbehave = { directories = { data = \"write reports\" } }";

async fn act(guest: &Guest, config: Value) -> String {
    guest.text("files", &config).await
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test]
async fn without_a_grant_there_is_no_directory_and_no_variable() {
    let place = Place::new();
    for grants in ["", "misbehave = { http = [\"*\"], kv = true }"] {
        let guest = place.guest(grants).await;
        assert_eq!(act(&guest, json!({"op": "directories"})).await, "");
        for path in ["/data/here", "/", "/etc/passwd", "here", "../outside"] {
            let answer = act(&guest, json!({"op": "read", "path": path})).await;
            assert!(
                answer.starts_with("NotFound") || answer.contains("Uncategorized"),
                "{path}: {answer}"
            );
        }
        assert_eq!(guest.text("environment", &json!({})).await, "[]");
    }
}

#[tokio::test]
async fn a_grant_without_an_ask_opens_nothing() {
    let place = Place::new();
    let mut options = granted(
        "misbehave = { directories = { data = \"reports\" }, variables = { REGION = \"region-of-shop\" } }",
    );
    let directories = &mut options.premises.directories;
    directories.insert("reports".to_owned(), place.path("inside"));
    let variables = &mut options.premises.variables;
    variables.insert("region-of-shop".to_owned(), "eu-1".to_owned());
    // It asks for neither.
    let guest = Guest::load(options).await;
    assert_eq!(act(&guest, json!({"op": "directories"})).await, "");
    assert_eq!(guest.text("environment", &json!({})).await, "[]");
}

#[tokio::test]
async fn the_log_says_which_line_would_grant_what_was_looked_for() {
    let guest = Place::new().guest("").await;
    let reply = guest
        .plugins
        .invoke(guest.call("environment", &json!({})))
        .await;
    let log: Vec<_> = reply.log.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(
        log,
        [
            "plugin \"misbehave\" may not read in the directory \"data\": to grant it, write directories = { data = \"THE-DIRECTORY\" } under [plugins.grants.misbehave]",
            "plugin \"misbehave\" may not have the variable \"REGION\": to grant it, write variables = { REGION = \"THE-VARIABLE\" } under [plugins.grants.misbehave]",
        ]
    );
    // Who looks for nothing is told nothing.
    assert!(guest.invoke("echo").await.log.is_empty());
}

#[tokio::test]
async fn a_variable_that_is_granted_is_there_and_no_other() {
    let guest = Place::new()
        .guest("misbehave = { variables = { REGION = \"region-of-shop\" } }")
        .await;
    let environment = guest.text("environment", &json!({})).await;
    assert_eq!(environment, "[(\"REGION\", \"eu-1\")]");
}

#[tokio::test]
async fn a_directory_that_may_be_read_is_not_changed() {
    let place = Place::new();
    let guest = place.guest(READ).await;
    assert_eq!(act(&guest, json!({"op": "directories"})).await, "/data");
    assert_eq!(
        act(&guest, json!({"op": "list", "path": "/data"})).await,
        "here"
    );
    assert_eq!(
        act(&guest, json!({"op": "read", "path": "/data/here"})).await,
        "hello"
    );
    for config in [
        json!({"op": "write", "path": "/data/here", "to": "changed"}),
        json!({"op": "write", "path": "/data/new", "to": "x"}),
        json!({"op": "make", "path": "/data/folder"}),
        json!({"op": "remove", "path": "/data/here"}),
        json!({"op": "rename", "path": "/data/here", "to": "/data/there"}),
        json!({"op": "hard-link", "path": "/data/here", "to": "/data/there"}),
        json!({"op": "link", "path": "there", "to": "here"}),
    ] {
        let answer = act(&guest, config.clone()).await;
        assert!(
            answer.contains("PermissionDenied")
                || answer.contains("not-permitted")
                || answer.contains("ReadOnly"),
            "{config}: {answer}"
        );
    }
    assert_eq!(read(&place.path("inside/here")), "hello");
    let left = fs::read_dir(place.path("inside"))
        .expect("it is there")
        .count();
    assert_eq!(left, 1);
}

#[tokio::test]
async fn a_directory_that_may_be_written_to_is() {
    let place = Place::new();
    let guest = place.guest(WRITE).await;
    let config = json!({"op": "write", "path": "/data/new", "to": "fresh"});
    assert_eq!(act(&guest, config).await, "written");
    assert_eq!(read(&place.path("inside/new")), "fresh");
    assert_eq!(
        act(&guest, json!({"op": "make", "path": "/data/folder"})).await,
        "made"
    );
    assert_eq!(
        act(&guest, json!({"op": "remove", "path": "/data/here"})).await,
        "removed"
    );
    assert!(!place.path("inside/here").exists());
}

#[tokio::test]
async fn no_path_leads_out_of_a_directory() {
    let place = Place::new();
    std::os::unix::fs::symlink(place.path("outside"), place.path("inside/absolute"))
        .expect("a link");
    std::os::unix::fs::symlink("../outside", place.path("inside/relative")).expect("a link");
    std::os::unix::fs::symlink("..", place.path("inside/up")).expect("a link");
    let guest = place.guest(WRITE).await;
    let outside = place.path("outside").display().to_string();
    for path in [
        "/data/../outside",
        "/data/./../outside",
        "/data/absolute",
        "/data/relative",
        "/data/up/outside",
        "/../outside",
        &outside,
        "/etc/passwd",
    ] {
        let answer = act(&guest, json!({"op": "read", "path": path})).await;
        assert!(
            !answer.contains("nobody") && !answer.contains("root:"),
            "{path}: {answer}"
        );
        let config = json!({"op": "write", "path": path, "to": "changed"});
        let answer = act(&guest, config).await;
        assert_ne!(answer, "written", "{path}");
    }
    // Past the standard library, which makes paths tidy.
    for path in [
        "../outside",
        "../../etc/passwd",
        &outside,
        "absolute",
        "up/outside",
        "./up/../../outside",
    ] {
        let answer = act(&guest, json!({"op": "open", "path": path})).await;
        assert!(answer.starts_with("ErrorCode"), "{path}: {answer}");
    }
    assert_eq!(read(&place.path("outside")), "nobody's business");
}

#[tokio::test]
async fn a_link_that_a_guest_makes_leads_nowhere_either() {
    let place = Place::new();
    let guest = place.guest(WRITE).await;
    let outside = place.path("outside").display().to_string();
    let absolute = json!({"op": "link", "path": "made", "to": outside});
    let answer = act(&guest, absolute).await;
    assert!(answer.contains("not-permitted"), "{answer}");
    // This one can be made; following it is what is refused.
    act(
        &guest,
        json!({"op": "link", "path": "made", "to": "../outside"}),
    )
    .await;
    for path in ["/data/made", "/data/made/../../outside"] {
        let answer = act(&guest, json!({"op": "read", "path": path})).await;
        assert!(!answer.contains("nobody"), "{path}: {answer}");
    }
    let moved = json!({"op": "rename", "path": "/data/here", "to": "/data/../moved"});
    assert_ne!(act(&guest, moved).await, "renamed");
    let linked = json!({"op": "hard-link", "path": "/data/../outside", "to": "/data/linked"});
    assert_ne!(act(&guest, linked).await, "linked");
    assert!(!place.path("moved").exists() && !place.path("inside/linked").exists());
}

#[tokio::test]
async fn open_files_are_bounded() {
    let place = Place::new();
    let mut options = granted(READ);
    options.limits.files_max = 20;
    let directories = &mut options.premises.directories;
    directories.insert("reports".to_owned(), place.path("inside"));
    let guest = asking(options).await;
    let call = guest.call("files", &json!({"op": "open-many", "path": "/data/here"}));
    let failure = guest
        .plugins
        .invoke(call)
        .await
        .result
        .expect_err("too many");
    assert_eq!(failure.code, "plugin-out-of-handles");
    assert!(
        failure
            .message
            .contains("its limit of 20 (plugins.limits.files_max)"),
        "{}",
        failure.message
    );
    assert_eq!(
        act(&guest, json!({"op": "read", "path": "/data/here"})).await,
        "hello"
    );
}

#[tokio::test]
async fn a_host_that_lacks_what_is_granted_says_so_and_another_may_try() {
    let place = Place::new();
    let cases = [
        (
            "misbehave = { directories = { data = \"elsewhere\" } }",
            "this host has no directory \"elsewhere\" to grant; under [plugins.directories] there is gone, reports",
        ),
        (
            "misbehave = { variables = { REGION = \"elsewhere\" } }",
            "this host has no variable \"elsewhere\" to grant; under [plugins.variables] there is region-of-shop",
        ),
        (
            "misbehave = { directories = { data = \"gone\" } }",
            "cannot be opened",
        ),
    ];
    for (grants, expected) in cases {
        let guest = place.guest(grants).await;
        let failure = guest.failure("echo").await;
        assert_eq!(failure.code, "plugin-grant-missing");
        assert!(failure.kind.is_retryable(), "{failure:?}");
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
}

#[tokio::test]
async fn who_is_only_asked_what_they_are_has_neither() {
    let place = Place::new();
    let guest = place.guest(WRITE).await;
    let plugin = guest.plugins.get(&guest.digest).expect("it is loaded");
    let asks: Vec<_> = plugin
        .manifest
        .asks
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        asks,
        [
            "http *",
            "kv",
            "secret token",
            "directory data",
            "variable REGION"
        ]
    );
    assert!(!plugin.pure, "files act on the world");
}
