//! Stories as text files: what is said, and below it, indented, what was answered.
//!
//! A file holds stories; each begins with `== title`. Up to the first blank line stands what the story starts from
//! (a definition); then its acts, one a line, each with its answer indented by four spaces. `#` begins a remark.
//!
//! `UPDATE=1 cargo test -p millwork-core` writes down what the machine answers now. Read the difference before you
//! commit it: the file says what is right, not what happened.

#![expect(clippy::disallowed_methods, reason = "the stories are in files")]

use std::fs;
use std::path::{Path, PathBuf};

/// What plays a story.
pub(crate) trait Stage: Sized {
    /// Sets the stage from the lines above the first blank one.
    fn set(head: &str) -> Result<Self, String>;

    /// Plays one act, and says what came of it.
    fn act(&mut self, line: &str) -> Result<Vec<String>, String>;
}

/// Plays every story of a folder, and complains of each that ends otherwise than written. Returns how many there are.
pub(crate) fn play<S: Stage>(folder: &str) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let update = std::env::var_os("UPDATE").is_some();
    let (mut stories, mut complaints) = (0, Vec::new());
    for path in files(&folder) {
        let name = path
            .file_name()
            .expect("a file has a name")
            .to_string_lossy();
        let written =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
        let (preface, sections) = split(&written);
        let mut told = preface;
        for section in sections {
            stories += 1;
            // Only seen where something below panics.
            println!("{name}: {}", section.lines().next().unwrap_or_default());
            match tell::<S>(section) {
                Ok(retold) if retold == section || update => told.push_str(&retold),
                Ok(retold) => complaints.push(format!("{name}\n{}", compare(section, &retold))),
                Err(complaint) => complaints.push(format!("{name}, in the story {complaint}")),
            }
        }
        if update && complaints.is_empty() && told != written {
            fs::write(&path, told).unwrap_or_else(|error| panic!("cannot write {name}: {error}"));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} of {stories} stories end otherwise than written (UPDATE=1 writes the new end)\n\n{}",
        complaints.len(),
        complaints.join("\n\n")
    );
    stories
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot list {}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("it was listed").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

/// Cuts a file into what stands above the first story, and the stories.
fn split(text: &str) -> (String, Vec<&str>) {
    let starts: Vec<usize> = text
        .match_indices("== ")
        .map(|(at, _)| at)
        .filter(|&at| at == 0 || text.as_bytes()[at - 1] == b'\n')
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let sections = starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| &text[start..end])
        .collect();
    (
        text[..starts.first().copied().unwrap_or(text.len())].to_owned(),
        sections,
    )
}

/// Plays a story, and writes it down again with the answers that it got.
fn tell<S: Stage>(section: &str) -> Result<String, String> {
    let (title, body) = section.split_once('\n').ok_or("without a body")?;
    let (head, acts) = body
        .split_once("\n\n")
        .ok_or_else(|| format!("{title:?}: there is no blank line below the definition"))?;
    let mut stage = S::set(head).map_err(|complaint| format!("{title:?}: {complaint}"))?;
    let mut told = format!("{title}\n{head}\n\n");
    for line in acts.lines().filter(|line| !line.starts_with("    ")) {
        told.push_str(line);
        told.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let answer = stage
            .act(line)
            .map_err(|complaint| format!("{title:?}, at {line:?}: {complaint}"))?;
        for line in answer {
            told.push_str(&format!("    {line}\n"));
        }
    }
    Ok(told)
}

/// Both ways of telling a story, line by line where they agree.
fn compare(written: &str, retold: &str) -> String {
    let (written, retold): (Vec<_>, Vec<_>) = (written.lines().collect(), retold.lines().collect());
    let same = written
        .iter()
        .zip(&retold)
        .take_while(|(a, b)| a == b)
        .count();
    let mut lines: Vec<String> = written[..same]
        .iter()
        .map(|line| format!("  {line}"))
        .collect();
    lines.extend(written[same..].iter().map(|line| format!("- {line}")));
    lines.extend(retold[same..].iter().map(|line| format!("+ {line}")));
    lines.join("\n")
}
