//! Looks at the words of an expression that MiniJinja looks at only when it runs: filters and tests.

use std::iter::Peekable;
use std::str::CharIndices;

use minijinja::{Environment, Error, ErrorKind};

/// A word or a sign of an expression. A string is one sign, its opening quote.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Sign(char),
}

struct Tokens<'a> {
    source: &'a str,
    characters: Peekable<CharIndices<'a>>,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while self
            .characters
            .next_if(|(_, character)| character.is_whitespace())
            .is_some()
        {}
        let (start, first) = self.characters.next()?;
        match first {
            '"' | '\'' => {
                let mut escaped = false;
                for (_, character) in self.characters.by_ref() {
                    match character {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        _ if character == first => break,
                        _ => {}
                    }
                }
                Some(Token::Sign(first))
            }
            _ if is_word(first) => {
                let mut end = start + first.len_utf8();
                while let Some((at, character)) = self
                    .characters
                    .next_if(|(_, character)| is_word(*character))
                {
                    end = at + character.len_utf8();
                }
                Some(Token::Word(&self.source[start..end]))
            }
            sign => Some(Token::Sign(sign)),
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn tokens(source: &str) -> Tokens<'_> {
    Tokens {
        source,
        characters: source.char_indices().peekable(),
    }
}

/// How many words and signs there are, strings counted as one.
pub(super) fn count(source: &str) -> usize {
    tokens(source).count()
}

/// Finds a filter or a test that does not exist: `| lenght`, `is not a_number`.
///
/// MiniJinja would find it when the expression runs, which may be weeks after the workflow was created.
pub(super) fn find_unknown(source: &str, environment: &Environment<'_>) -> Option<String> {
    // Called with nothing, a filter or a test that exists complains of that instead.
    let is_unknown = |error: Error| {
        matches!(
            error.kind(),
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest
        )
    };
    let (mut expected, mut after_dot) = (Expected::Anything, false);
    for token in tokens(source) {
        match (expected, token) {
            (Expected::Filter, Token::Word(filter))
                if environment
                    .empty_state()
                    .apply_filter(filter, &[])
                    .is_err_and(is_unknown) =>
            {
                return Some(format!("unknown filter \"{filter}\""));
            }
            (Expected::Test, Token::Word("not")) => continue,
            (Expected::Test, Token::Word(test))
                if environment
                    .empty_state()
                    .perform_test(test, &[])
                    .is_err_and(is_unknown) =>
            {
                return Some(format!("unknown test \"{test}\""));
            }
            _ => {}
        }
        expected = match token {
            Token::Sign('|') => Expected::Filter,
            // `payload.is` is a member.
            Token::Word("is") if !after_dot => Expected::Test,
            Token::Word(_) | Token::Sign(_) => Expected::Anything,
        };
        after_dot = token == Token::Sign('.');
    }
    None
}

/// What a word would be.
#[derive(Clone, Copy)]
enum Expected {
    Filter,
    Test,
    Anything,
}
