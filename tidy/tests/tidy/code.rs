//! Just enough of Rust to tell code from comments and texts.

/// The code of a file: comments and what stands in quotes are blanked out, and every line stays where it is.
pub(crate) fn code(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => length_of_comment(rest),
            '"' => length_of_text(rest, 1),
            'r' | 'b' | 'c' if !code.ends_with(is_word) => length_of_prefixed(rest),
            '\'' => length_of_character(rest),
            _ => 0,
        };
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(
                rest[..length]
                    .chars()
                    .map(|c| if c == '\n' { '\n' } else { ' ' }),
            );
            rest = &rest[length..];
        }
    }
    code
}

/// The lines, counted from one, in which a word stands by itself.
pub(crate) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let stands_alone = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
        })
    };
    code.lines()
        .enumerate()
        .filter(|(_, line)| stands_alone(line))
        .map(|(index, _)| index + 1)
        .collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Comments nest.
fn length_of_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// A text whose quote opens just before `start`.
fn length_of_text(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (at, character) in text[start..].char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `b"…"`, `c"…"`, `r"…"`, `r#"…"#`, `br#"…"#`; nothing where it is a word that begins so.
fn length_of_prefixed(text: &str) -> usize {
    let letters = text
        .find(|c: char| !matches!(c, 'b' | 'c' | 'r'))
        .unwrap_or(text.len());
    if letters > 2 {
        return 0;
    }
    let raw = text[..letters].contains('r');
    let hashes = text[letters..].chars().take_while(|c| *c == '#').count();
    let quote = letters + hashes;
    if !text[quote..].starts_with('"') || (hashes > 0 && !raw) {
        return 0;
    }
    if !raw {
        return length_of_text(text, quote + 1);
    }
    let end = format!("\"{}", "#".repeat(hashes));
    text[quote + 1..]
        .find(&end)
        .map_or(text.len(), |at| quote + 1 + at + end.len())
}

/// A character, and not a lifetime.
fn length_of_character(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => text[2..]
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '\'')
            .map_or(0, |(at, _)| at + 3),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

#[test]
fn comments_and_texts_are_blanked_and_code_is_kept() {
    for (source, expected) in [
        ("a(); // tokio\nb()", "a(); \nb()"),
        ("/* a /* b */ c */d", " d"),
        (r#"x("tokio \" tokio")y"#, "x( )y"),
        (r##"x(r#"tokio " tokio"#)y"##, "x( )y"),
        (r#"x(b"a", br"b", c"c")"#, "x( , , )"),
        ("x('\"', '\\'', '\\u{41}', 'é')", "x( , , , )"),
        (
            "fn f<'a>(x: &'a str) -> &'static str",
            "fn f<'a>(x: &'a str) -> &'static str",
        ),
        ("bar(crab, r, b)", "bar(crab, r, b)"),
        ("/// tokio\nfn x() {}", " \nfn x() {}"),
    ] {
        let mut blanked = code(source);
        assert_eq!(blanked.lines().count(), source.lines().count(), "{source}");
        while blanked.contains("  ") {
            blanked = blanked.replace("  ", " ");
        }
        assert_eq!(blanked, expected, "{source}");
    }
}

#[test]
fn a_word_is_found_where_it_stands_alone() {
    assert_eq!(
        lines_with("use tokio::x;\nmy_tokio\ntokios\n(tokio)", "tokio"),
        [1, 4]
    );
    assert_eq!(lines_with("std::fs::read\nstd::fsx", "std::fs"), [1]);
}
