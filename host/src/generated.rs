//! Generated files are committed, and a test proves each fresh. `UPDATE=1` writes them anew.

use std::path::Path;

/// Compares a generated file with what the code says now, or writes it where `UPDATE=1` is set.
pub(crate) fn check(path: &str, fresh: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace");
    let path = root.join(path);
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(&path, fresh).expect("the file can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == fresh,
        "{} is stale: run the tests once with UPDATE=1 and commit what changed",
        path.display()
    );
}
