//! The journal's format. Every kind of record that was ever released stands in `journal/v*/` as it was written, and
//! can be read for ever.
//!
//! `UPDATE=1 cargo test -p millwork-core` writes the files of the newest version. Once a version has been released its
//! files may grow in number, and may not change.

#![expect(clippy::disallowed_methods, reason = "the records are in files")]

#[path = "support/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use millwork_core::event::{DecodeError, End, Event, FORMAT, Opening, Record, Wait};
use millwork_core::json::Json;
use millwork_core::outcome::{Then, Wake};
use millwork_core::step::StepKey;
use millwork_core::time::Timestamp;
use proptest::prelude::*;

use samples::{AT, WORDS, collect_words, samples};

#[test]
fn every_record_is_written_as_it_was_and_read_back() {
    for (name, event) in samples() {
        let record = Record { at: AT, event };
        let path = folder().join(format!("{name}.json"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, record.encode() + "\n").expect("the folder can be written");
        }
        let written = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("cannot read {name}.json: {error}"));
        assert_eq!(
            record.encode(),
            written.trim_end(),
            "{name} is written in another way than before"
        );
        assert_eq!(
            Record::decode(written.trim_end()).expect("it was written by us"),
            record,
            "{name} is read otherwise"
        );
    }
}

#[test]
fn every_file_of_the_journal_has_its_sample() {
    let samples: BTreeSet<String> = samples()
        .into_iter()
        .map(|(name, _)| format!("{name}.json"))
        .collect();
    let files = fs::read_dir(folder()).expect("the folder can be listed");
    let files: BTreeSet<String> = files
        .map(|entry| {
            entry
                .expect("it was listed")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(files, samples);
}

#[test]
fn every_word_of_the_format_has_a_sample() {
    let mut words = BTreeSet::new();
    for (_, event) in samples() {
        collect_words(&event, &mut words);
    }
    let expected = BTreeSet::from(WORDS);
    assert_eq!(
        words, expected,
        "`samples` has to hold every word, and `WORDS` has to list it"
    );
}

#[test]
fn a_later_format_is_refused_in_words() {
    for text in [
        r#"{"v":2,"at":0,"event":{"run-succeeded":{}}}"#,
        r#"{"v":2,"at":0,"event":{"step-paused":{"step":"a"}}}"#,
        r#"{"at":{"something":"else"},"v":77}"#,
    ] {
        let error = Record::decode(text).expect_err("it is of a later host");
        assert!(
            matches!(error, DecodeError::Newer { found } if found > FORMAT),
            "{error:?}"
        );
        assert!(
            error
                .to_string()
                .contains("this host reads up to 1: use the version of the host that wrote it"),
            "{error}"
        );
    }
}

#[test]
fn the_opening_of_a_run_is_what_its_first_record_says() {
    let mut openings = 0;
    for (_, event) in samples() {
        let at = Timestamp::from_micros(5);
        let text = Record { at, event }.encode();
        let opening = Opening::decode(&text).expect("this host wrote it");
        let Event::RunCreated(created) = Record::decode(&text).expect("this host wrote it").event
        else {
            assert!(opening.is_none(), "{text}");
            continue;
        };
        let opening = opening.expect("it is the first record of a run");
        assert_eq!(opening.payload, created.payload);
        assert_eq!(opening.labels, created.labels);
        openings += 1;
    }
    assert!(openings > 0);
    let newer = Opening::decode(r#"{"v":2,"at":0,"event":{"run-begun":{}}}"#);
    assert!(matches!(newer, Err(DecodeError::Newer { found: 2 })));
    let damaged = Opening::decode(r#"{"v":1,"at":0,"event":{"run-created":{}}}"#);
    assert!(matches!(damaged, Err(DecodeError::Damaged(_))));
}

#[test]
fn a_format_that_never_was_is_damage() {
    let error = Record::decode(r#"{"v":0,"at":0,"event":{"run-succeeded":{}}}"#)
        .expect_err("the first format is 1");
    assert_eq!(error.to_string(), "the record is damaged");
}

#[test]
fn the_order_of_a_records_members_does_not_matter() {
    let record = Record::decode(r#"{ "event": {"run-succeeded": {}}, "at": 5, "v": 1 }"#)
        .expect("it is a record");
    assert_eq!(
        record,
        Record {
            at: Timestamp::from_micros(5),
            event: Event::RunSucceeded { output: None }
        }
    );
}

#[test]
fn a_record_that_was_cut_off_is_an_error() {
    for (name, event) in samples() {
        let text = Record { at: AT, event }.encode();
        for end in (0..text.len()).filter(|&end| text.is_char_boundary(end)) {
            let error = Record::decode(&text[..end]).expect_err("it was cut off");
            assert!(
                matches!(error, DecodeError::Damaged(_)),
                "{name}, cut at {end}: {error}"
            );
        }
    }
}

proptest! {
    #[test]
    fn damaged_text_never_panics(place in any::<prop::sample::Index>(), sample in any::<prop::sample::Index>(), byte in any::<char>()) {
        let samples = samples();
        let (_, event) = samples[sample.index(samples.len())].clone();
        let mut text: Vec<char> = Record { at: AT, event }.encode().chars().collect();
        let place = place.index(text.len());
        text[place] = byte;
        let text: String = text.into_iter().collect();
        // What can still be read can be written again.
        if let Ok(record) = Record::decode(&text) {
            prop_assert_eq!(Record::decode(&record.encode()).expect("it was just written"), record);
        }
    }

    #[test]
    fn whatever_is_written_is_read_back(record in any_record()) {
        prop_assert_eq!(Record::decode(&record.encode()).expect("it was just written"), record);
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/journal")
        .join(format!("v{FORMAT}"))
}

/// A sample with its texts, numbers and documents drawn anew.
fn any_record() -> impl Strategy<Value = Record> {
    let time = (0..i64::MAX).prop_map(Timestamp::from_micros);
    let json = any_json();
    (
        any::<prop::sample::Index>(),
        time,
        any::<String>(),
        json,
        any::<Vec<u8>>(),
        any::<u32>(),
    )
        .prop_map(|(sample, time, text, json, bytes, number)| {
            let samples = samples();
            let mut event = samples[sample.index(samples.len())].1.clone();
            redraw(&mut event, time, &text, &json, &bytes, number);
            Record { at: time, event }
        })
}

fn redraw(event: &mut Event, time: Timestamp, text: &str, json: &Json, bytes: &[u8], number: u32) {
    match event {
        Event::RunCreated(created) => {
            let created = Arc::make_mut(created);
            (created.version, created.payload) = (number, json.clone());
        }
        Event::StepStarted { step, attempt } => {
            *step = StepKey {
                name: text.into(),
                iteration: (number.is_multiple_of(2)).then_some(number),
            };
            *attempt = number;
        }
        Event::StepSuspended {
            wait, state, then, ..
        } => {
            *state = bytes.to_vec();
            if let Wait::Time { due } = wait {
                *due = time;
            }
            if let Then::Complete(output) = then {
                *output = json.clone();
            }
        }
        Event::StepResumed { wake, .. } => {
            if let Wake::Signal { name, payload } = wake {
                (*name, *payload) = (text.to_owned(), json.clone());
            }
        }
        Event::StepSucceeded { output, log, .. } => {
            *output = json.clone();
            log.truncate(1);
            log.iter_mut()
                .for_each(|line| text.clone_into(&mut line.message));
        }
        Event::StepRetryScheduled { failure, .. } | Event::StepFailed { failure, .. } => {
            text.clone_into(&mut failure.message);
            failure.details = (number.is_multiple_of(2)).then(|| json.clone());
        }
        Event::StepSkipped { step } | Event::StepCancelled { step } => *step = StepKey::of(text),
        Event::RunFailed { code, .. } => text.clone_into(code),
        Event::RunCancelled { reason } => *reason = Some(text.to_owned()),
        Event::SignalReceived { name, payload, key } => {
            (*name, *payload) = (text.to_owned(), json.clone());
            *key = (number.is_multiple_of(2)).then(|| text.to_owned());
        }
        Event::LoopStarted {
            items, parallel, ..
        } => (*items, *parallel) = (json.clone(), number),
        Event::ChildEnded { output, error, .. } => {
            *output = (number.is_multiple_of(2)).then(|| json.clone());
            *error = Some(text.to_owned());
        }
        Event::EndBegan { end } => match end {
            End::Succeeded { output } => *output = Some(json.clone()),
            End::Failed { step, message, .. } => {
                *step = (number.is_multiple_of(2)).then(|| StepKey::of(text));
                text.clone_into(message);
            }
            End::Cancelled { reason } => *reason = Some(text.to_owned()),
        },
        Event::RunSucceeded { output } => *output = Some(json.clone()),
        Event::RunPaused { reason } | Event::RunKilled { reason } => {
            *reason = Some(text.to_owned());
        }
        Event::RunRetried {
            reset, deadline, ..
        } => {
            *reset = vec![StepKey::of(text)];
            *deadline = Some(time);
        }
        Event::RunAdmitted {} | Event::RunResumed {} => {}
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<f64>()
            .prop_filter("JSON knows no infinity", |n| n.is_finite())
            .prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<String>().prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    let text = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members = members
                    .into_iter()
                    .map(|(name, value)| format!("{}: {value}", serde_json::Value::String(name)));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }),
        ]
    });
    text.prop_map(|text| Json::from_text(text).expect("it is JSON"))
}
