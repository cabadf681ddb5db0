//! The same figures are the same pictures, with their aims; none are an error.

use std::path::Path;

use super::*;

fn figures(folder: &Path) {
    let write = |command: &str, text: &str| {
        std::fs::write(folder.join(format!("{command}.csv")), text).expect("it is written");
    };
    write(
        "throughput",
        "commit,time,build,store,steps,runs_per_second,single_run_kept_alive.p50_ms\n\
         a,1,release,sqlite,3,9000,\na,2,release,postgres+kafka,3,4000,\n",
    );
    write(
        "retention",
        "commit,time,build,store,kept_seconds,rows.at_seconds,rows.written,rows.present,rows.removed\n\
         a,1,release,sqlite,10,5,100,100,0\na,1,release,sqlite,10,10,200,120,80\n",
    );
}

fn drawn(folder: &Path) -> Vec<(String, String)> {
    let written = run(&Options {
        directory: folder.to_owned(),
        out: folder.join("pictures"),
    });
    let read = |path: PathBuf| {
        let name = path.file_name().expect("it has a name");
        let text = std::fs::read_to_string(&path).expect("it is there");
        (name.to_string_lossy().into_owned(), text)
    };
    written
        .expect("they are drawn")
        .into_iter()
        .map(read)
        .collect()
}

#[test]
fn what_was_measured_is_drawn_with_its_aim_and_the_same_every_time() {
    let folder = tempfile::tempdir().expect("there is room");
    figures(folder.path());
    let pictures = drawn(folder.path());
    let names: Vec<&str> = pictures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["throughput.svg", "retention.svg"]);
    let throughput = &pictures[0].1;
    for text in [
        "Completed runs",
        "runs a second",
        "9,000",
        "4,000",
        "3 steps",
        "aim: 12,000",
        "PostgreSQL and Kafka",
    ] {
        assert!(throughput.contains(text), "{text} is not in\n{throughput}");
    }
    assert_eq!(drawn(folder.path()), pictures);
}

#[test]
fn a_folder_without_figures_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().expect("there is room");
    let error = run(&Options {
        directory: folder.path().to_owned(),
        out: folder.path().join("pictures"),
    });
    let error = error.expect_err("there are none").to_string();
    assert!(error.contains("measure first, with --csv"), "{error}");
}

#[test]
fn an_axis_ends_above_what_it_shows_at_a_round_number() {
    let tops = [0.0, 1.0, 9_000.0, 28_500.0, 0.4].map(top_of);
    assert_eq!(tops[..4], [1.0, 1.5, 15_000.0, 40_000.0]);
    assert!((tops[4] - 0.5).abs() < 1e-9);
}
