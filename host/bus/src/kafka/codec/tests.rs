//! The forms that released hosts read, and what is said of others.

use std::collections::BTreeMap;
use std::sync::Arc;

use millwork_core::event::RunCreated;
use millwork_core::id::WorkflowId;
use millwork_core::json::Json;
use millwork_core::run::RunStatus;
use millwork_core::time::Timestamp;

use super::*;

const AT: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const RUN: &str = "019b76da-a800-7707-8707-070707070707";

fn run() -> RunId {
    RunId::from_parts(AT, [7; 10])
}

fn begun(payload: &str) -> WorkItem {
    WorkItem {
        run: run(),
        known: Known::Begun(Begun {
            created: Arc::new(RunCreated {
                workflow: WorkflowId::from_parts(AT, [1; 10]),
                version: 3,
                payload: Json::from_text(payload).unwrap(),
                plugins: BTreeMap::new(),
                bounds: None,
                origin: None,
                deadline: None,
                parent: None,
                labels: BTreeMap::new(),
                trace: None,
            }),
            at: AT,
        }),
    }
}

fn read(payload: &str) -> Result<WorkItem, Garbage> {
    decode(Some(RUN.as_bytes()), Some(payload.as_bytes()))
}

#[test]
fn the_forms_are_these() {
    let hinted = WorkItem {
        run: run(),
        known: Known::Hinted,
    };
    assert_eq!(
        encode(&hinted, 1_000),
        format!(r#"{{"v":1,"run_id":"{RUN}"}}"#)
    );
    assert_eq!(
        encode(&begun(r#"{"id":1}"#), 1_000),
        format!(
            r#"{{"v":1,"run_id":"{RUN}","created":{{"v":1,"at":1767225600000000,"event":{{"run-created":{{"workflow":"019b76da-a800-7101-8101-010101010101","version":3,"payload":{{"id":1}},"plugins":{{}}}}}}}}}}"#
        )
    );
    let ended = Ended {
        run: run(),
        workflow: WorkflowId::from_parts(AT, [1; 10]),
        version: 3,
        status: RunStatus::Success,
        error: None,
        created_at: AT,
        completed_at: AT,
        trace: None,
    };
    assert_eq!(
        encode_ended(&ended),
        format!(
            r#"{{"v":1,"run_id":"{RUN}","workflow_id":"019b76da-a800-7101-8101-010101010101","workflow_version":3,"status":"success","error":null,"created_at":"2026-01-01T00:00:00.000000Z","completed_at":"2026-01-01T00:00:00.000000Z"}}"#
        )
    );
    assert_eq!(
        encode_notice(Some(Notice::Changed(run()))),
        format!(r#"{{"v":1,"told":{{"changed":"{RUN}"}}}}"#)
    );
    assert_eq!(encode_notice(None), r#"{"v":1,"told":"hello"}"#);
}

#[test]
fn what_was_written_is_read() {
    let item = begun(r#"{"text":"ä \" \\ 1.50"}"#);
    assert_eq!(read(&encode(&item, 1_000)).unwrap(), item);
    let notice = Notice::Changed(run());
    assert_eq!(
        decode_notice(encode_notice(Some(notice)).as_bytes()).unwrap(),
        Some(notice)
    );
    assert_eq!(decode_notice(encode_notice(None).as_bytes()).unwrap(), None);
}

#[test]
fn a_long_beginning_stays_in_the_store() {
    let item = begun(&format!("\"{}\"", "x".repeat(2_000)));
    assert_eq!(read(&encode(&item, 3_000)).unwrap(), item);
    let offered = Known::Offered { began: AT };
    assert_eq!(read(&encode(&item, 1_000)).unwrap().known, offered);
    let huge = begun(&format!("\"{}\"", "x".repeat(2 * MESSAGE_MAX_BYTES)));
    assert_eq!(read(&encode(&huge, usize::MAX)).unwrap().known, offered);
}

#[test]
fn what_is_not_understood_is_said() {
    let cases = [
        ("", "it is no work item: EOF"),
        ("\u{0}\u{1}", "it is no work item"),
        ("[1,2]", "it is no work item"),
        (r#"{"v":1}"#, "it is no work item: missing field `run_id`"),
        (r#"{"v":2,"something":"else"}"#, "it is of format 2"),
        (
            r#"{"v":2,"run_id":"019b76da-a800-7707-8707-070707070707"}"#,
            "it is of format 2",
        ),
        (
            r#"{"v":1,"run_id":"019b76da-a800-7707-8707-070707070708"}"#,
            "is not its run",
        ),
        (
            r#"{"v":1,"run_id":"019b76da-a800-7707-8707-070707070707","created":{"v":9}}"#,
            "what it says of the beginning of its run cannot be read",
        ),
    ];
    for (payload, said) in cases {
        let error = read(payload).unwrap_err().to_string();
        assert!(error.contains(said), "{payload:?}: {error}");
    }
    assert!(matches!(decode(None, None), Err(Garbage::Empty)));
    let long = vec![b' '; MESSAGE_MAX_BYTES + 1];
    assert!(matches!(
        decode(None, Some(&long)),
        Err(Garbage::TooLong { .. })
    ));
}
