//! Needs no broker: the tests on a real one are the bus's (`cargo test -p millwork-bus --features cluster --test kafka`).

use super::*;

#[test]
fn the_broker_listens_on_loopback_only() {
    let properties = properties(1, 2, Path::new("/tmp/x"));
    let listeners: Vec<&str> = properties
        .lines()
        .filter(|line| line.contains("://"))
        .flat_map(|line| line.split("://").skip(1))
        .collect();
    assert_eq!(listeners.len(), 4);
    assert!(
        listeners
            .iter()
            .all(|listener| listener.starts_with("127.0.0.1:")),
        "{listeners:?}"
    );
}

#[test]
fn a_process_that_is_not_there_does_not_run() {
    assert!(is_running(std::process::id()));
    assert!(!is_running(u32::MAX));
}
