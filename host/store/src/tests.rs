//! Every store passes the suite.

use crate::conformance::Subject;
use crate::sqlite::Options;
use crate::{Memory, Sqlite};

crate::conformance!(memory, Subject::new(Memory::new()));
crate::conformance!(sqlite, {
    let directory = tempfile::tempdir().expect("a directory for the test");
    Subject::keeping(
        Sqlite::open(directory.path(), Options::default()).expect("it opens"),
        directory,
    )
});
crate::conformance!(
    postgres,
    Subject::new(crate::postgres::tests::store().await)
);
