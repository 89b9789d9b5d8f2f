//! The characters of an export, one after the other.

use crate::position::position;

/// Why a text is no export; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Malformed {
    /// Line.
    pub line: usize,
    /// In characters.
    pub column: usize,
    /// What is wrong, in one sentence.
    pub what: String,
}

/// A place in the text.
pub(super) struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Whether this stands here; it is passed then.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let stands = self.rest().starts_with(word);
        if stands {
            self.at += word.len();
        }
        stands
    }

    /// What stands here as long as `which` holds; it is passed.
    pub(super) fn take_while(&mut self, which: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c| !which(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// The rest of the line, which is passed with its end.
    pub(super) fn line(&mut self) -> &'t str {
        let line = self.take_while(|c| c != '\n');
        self.take("\n");
        line.strip_suffix('\r').unwrap_or(line)
    }

    /// Nothing but blanks up to the end of the line.
    pub(super) fn end_of_line(&mut self) -> Result<(), Malformed> {
        let at = self.at;
        if self.line().trim().is_empty() {
            Ok(())
        } else {
            Err(self.malformed_at(at, "the line should end here"))
        }
    }

    pub(super) fn malformed(&self, what: impl Into<String>) -> Malformed {
        self.malformed_at(self.at, what)
    }

    pub(super) fn malformed_at(&self, at: usize, what: impl Into<String>) -> Malformed {
        let (line, column) = position(self.text.as_bytes(), at);
        Malformed {
            line,
            column,
            what: what.into(),
        }
    }
}
