//! The text of a dictionary, as Apple's `scutil` prints it.
//!
//! ```text
//! <dictionary> {
//!   ExceptionsList : <array> {
//!     0 : *.local
//!   }
//!   HTTPEnable : 1
//!   HTTPProxy : proxy.example
//! }
//! ```
//!
//! One entry a line. A text stands as it is, without quotes, so that one of several lines cannot be
//! told from what is around it: such a text is refused, and nothing guessed.

use std::collections::BTreeMap;

use crate::position::position;

/// A text over this size is none of settings.
const LARGEST: usize = 4 << 20;

/// Dictionaries stand in each other no deeper than this.
const DEEPEST: usize = 8;

/// A dictionary.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dictionary(BTreeMap<String, Entry>);

/// What stands behind a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A text or a number.
    Text(String),
    List(Vec<Entry>),
    Dictionary(Dictionary),
}

/// Why a text is no dictionary; line and column count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

impl Dictionary {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// A text or a number that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Entry::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    /// The texts of a list.
    pub(super) fn texts(&self, key: &str) -> Vec<&str> {
        let Some(Entry::List(list)) = self.get(key) else {
            return Vec::new();
        };
        let texts = list.iter().filter_map(|entry| match entry {
            Entry::Text(text) => Some(text.as_str()),
            Entry::List(_) | Entry::Dictionary(_) => None,
        });
        texts.collect()
    }

    /// Whether a switch is on: numbers are printed for them, and words for what is truly one.
    pub(super) fn is_on(&self, key: &str) -> bool {
        matches!(self.text(key), Some(value) if value == "TRUE" || value.parse::<i64>().is_ok_and(|n| n != 0))
    }
}

/// Reads what was printed.
pub(super) fn read(text: &str) -> Result<Dictionary, Malformed> {
    let mut lines = Lines { text, at: 0 };
    if text.len() > LARGEST {
        return Err(lines.malformed(0, "it is larger than 4 MiB"));
    }
    let (at, first) = lines.next().unwrap_or((0, ""));
    if first == "<dictionary> {}" {
        return lines.end(Dictionary::default());
    }
    if first != "<dictionary> {" {
        return Err(lines.malformed(at, "`<dictionary> {` was expected"));
    }
    let dictionary = dictionary(&mut lines, DEEPEST)?;
    lines.end(dictionary)
}

fn dictionary(lines: &mut Lines<'_>, deeper: usize) -> Result<Dictionary, Malformed> {
    let mut entries = BTreeMap::new();
    while let Some((at, key, value)) = lines.entry()? {
        let entry = entry(lines, at, value, deeper)?;
        if entries.insert(key.to_owned(), entry).is_some() {
            return Err(lines.malformed(at, "this key stands there twice"));
        }
    }
    Ok(Dictionary(entries))
}

fn list(lines: &mut Lines<'_>, deeper: usize) -> Result<Vec<Entry>, Malformed> {
    let mut entries = Vec::new();
    while let Some((at, index, value)) = lines.entry()? {
        if index.parse() != Ok(entries.len()) {
            let what = format!("entry {} of the list was expected", entries.len());
            return Err(lines.malformed(at, &what));
        }
        entries.push(entry(lines, at, value, deeper)?);
    }
    Ok(entries)
}

fn entry(lines: &mut Lines<'_>, at: usize, value: &str, deeper: usize) -> Result<Entry, Malformed> {
    let inner = || {
        deeper
            .checked_sub(1)
            .ok_or_else(|| lines.malformed(at, "it is nested too deeply"))
    };
    Ok(match value {
        "<dictionary> {}" => Entry::Dictionary(Dictionary::default()),
        "<array> {}" => Entry::List(Vec::new()),
        "<dictionary> {" => {
            let deeper = inner()?;
            Entry::Dictionary(dictionary(lines, deeper)?)
        }
        "<array> {" => {
            let deeper = inner()?;
            Entry::List(list(lines, deeper)?)
        }
        text => Entry::Text(text.to_owned()),
    })
}

/// The lines of a text, without blanks around them and without empty ones.
struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lines<'t> {
    /// A line and where it begins.
    fn next(&mut self) -> Option<(usize, &'t str)> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let line = rest.split_inclusive('\n').next().unwrap_or(rest);
            let start = self.at + (line.len() - line.trim_start().len());
            self.at += line.len();
            if !line.trim().is_empty() {
                return Some((start, line.trim()));
            }
        }
        None
    }

    /// Where it begins, key and value; `None` at the end of what it stands in.
    fn entry(&mut self) -> Result<Option<(usize, &'t str, &'t str)>, Malformed> {
        let Some((at, line)) = self.next() else {
            return Err(self.malformed(self.text.len(), "`}` was expected"));
        };
        if line == "}" {
            return Ok(None);
        }
        let entry = line
            .split_once(" : ")
            // An empty text leaves nothing behind the colon.
            .or_else(|| line.strip_suffix(" :").map(|key| (key, "")));
        match entry {
            Some((key, value)) if !key.is_empty() => Ok(Some((at, key.trim(), value.trim()))),
            _ => Err(self.malformed(at, "`KEY : VALUE` or `}` was expected")),
        }
    }

    fn end<T>(&mut self, read: T) -> Result<T, Malformed> {
        match self.next() {
            None => Ok(read),
            Some((at, _)) => Err(self.malformed(at, "nothing was expected behind the dictionary")),
        }
    }

    fn malformed(&self, at: usize, what: &str) -> Malformed {
        let (line, column) = position(self.text.as_bytes(), at);
        Malformed {
            line,
            column,
            what: what.to_owned(),
        }
    }
}
