//! `prefs.js` and `user.js`: Firefox's own grammar, and nothing guessed.
//!
//! ```text
//! file    = { "user_pref" "(" string "," value ")" ";" }
//! value   = string | "true" | "false" | [ "+" | "-" ] digits
//! string  = '"' or "'", with \r \n \" \' \\ \xHH \uHHHH
//! comment = "#" or "//" to the end of the line, "/*" to "*/"
//! ```
//!
//! After `modules/libpref/parser` of Firefox, which is stricter than JavaScript: other escapes are
//! errors there too.

mod scan;

use std::collections::HashMap;
use std::path::Path;

use super::failed;
use crate::source::{SourceError, file};

/// Preferences by name, each with the file and line that set it.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefs(HashMap<String, (Value, String)>);

/// A preference's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Integer(i32),
    Flag(bool),
}

/// Why a file is not one of preferences; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: &'static str,
}

/// The preferences of `path`; none where there is no such file.
///
/// # Errors
/// Names file, line and column.
pub(super) fn read(path: &Path) -> Result<Prefs, SourceError> {
    let shown = path.display();
    let Some(text) = file::read(path).map_err(|error| failed(shown.to_string(), error))? else {
        return Ok(Prefs::default());
    };
    let found = parse(&text).map_err(|Malformed { line, column, what }| {
        failed(format!("{shown}:{line}:{column}"), what)
    })?;
    let mut prefs = Prefs::default();
    for (name, value, line) in found {
        // A later line wins, as in Firefox.
        prefs.set(name, value, format!("{shown}:{line}"));
    }
    Ok(prefs)
}

/// Every preference of a file in order, with its line.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Value, usize)>, Malformed> {
    let mut scan = scan::Scan::new(text);
    let mut found = Vec::new();
    while scan.skip_blank()? {
        let line = scan.line();
        scan.word("user_pref", "`user_pref(` was expected")?;
        scan.sign(b'(', "`(` was expected")?;
        let name = scan.string("the preference's name was expected, in quotes")?;
        scan.sign(b',', "`,` was expected")?;
        let value = scan.value()?;
        scan.sign(b')', "`)` was expected")?;
        scan.sign(b';', "`;` was expected")?;
        found.push((name, value, line));
    }
    Ok(found)
}

impl Prefs {
    /// One preference, said at `origin`.
    pub(super) fn set(&mut self, name: String, value: Value, origin: String) {
        self.0.insert(name, (value, origin));
    }

    /// What `over` says stands over what was said before.
    pub(super) fn lay_over(&mut self, over: Self) {
        self.0.extend(over.0);
    }

    /// A number, and where it was said.
    pub(super) fn integer(&self, name: &str) -> Result<Option<(i32, String)>, SourceError> {
        match self.0.get(name) {
            None => Ok(None),
            Some((Value::Integer(number), origin)) => Ok(Some((*number, origin.clone()))),
            Some((_, origin)) => Err(failed(origin, format!("{name} is not a number"))),
        }
    }

    /// A text, and where it was said.
    pub(super) fn text(&self, name: &str) -> Result<Option<(String, String)>, SourceError> {
        match self.0.get(name) {
            None => Ok(None),
            Some((Value::Text(text), origin)) => Ok(Some((text.clone(), origin.clone()))),
            Some((_, origin)) => Err(failed(origin, format!("{name} is not a text"))),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, SourceError> {
        match self.0.get(name) {
            None => Ok(None),
            Some((Value::Flag(flag), _)) => Ok(Some(*flag)),
            Some((_, origin)) => Err(failed(origin, format!("{name} is not true or false"))),
        }
    }
}

#[cfg(test)]
mod tests;
