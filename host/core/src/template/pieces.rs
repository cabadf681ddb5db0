//! Cuts a string into text and expressions.

/// A part of a string.
pub(super) enum Piece {
    Text(String),
    Expression(String),
}

/// Cuts a string into text and expressions. Braces and quotes inside an expression are followed, so that
/// `${ {"a": "}"} }` is one expression.
pub(super) fn split(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            plain.push_str(&rest[..at - 1]);
            plain.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let body = &rest[at + 2..];
        let end = end_of_expression(body)
            .ok_or_else(|| "has a ${ without its }; write $${ for a literal ${".to_owned())?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Expression(body[..end].to_owned()));
        rest = &body[end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

fn end_of_expression(body: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
    for (at, character) in body.char_indices() {
        match (quote, character) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(end), _) if character == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

/// Whether a string holds an expression, so that its value is not known before a run.
#[must_use]
pub fn has_expression(text: &str) -> bool {
    split(text).map_or(true, |pieces| {
        pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Expression(_)))
    })
}
