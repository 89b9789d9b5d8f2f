//! Keys of a table, and its header: where they stand, put in and taken out.

use std::ops::Range;

use toml_edit::{Item, Value};

use super::{EngineConf, document};
use crate::change::ChangeError;

/// Where a key and its value stand.
pub(super) type KeyValue = (Range<usize>, Range<usize>);

/// Where a new key of a table goes.
pub(super) enum Spot {
    /// Below its header: at the start of this line, or the end of the file.
    Below(usize),
    /// Its keys are written `table.key`, one of them on the line that starts here.
    Dotted(usize),
    /// It is written `{…}`, in one line, and begins behind this brace.
    Inline { at: usize, empty: bool },
    /// It has no header yet.
    Absent,
}

impl EngineConf<'_> {
    /// Takes the header of a table out that has no key, with the empty line before it.
    ///
    /// # Errors
    /// As [`EngineConf::variable`].
    pub(in crate::change) fn remove_empty_table(&mut self, table: &str) -> Result<(), ChangeError> {
        let at = match document(self.path, &self.text)?.get(table) {
            // Tables below it have headers of their own.
            Some(Item::Table(found)) if !found.is_implicit() && !found.iter().any(is_key) => {
                found.span()
            }
            _ => None,
        };
        let Some(at) = at else {
            return Ok(());
        };
        let mut lines = self.lines(at);
        let before = self.text[..lines.start].trim_end_matches(['\r', '\n']);
        let empty = &self.text[before.len()..lines.start];
        // A line end, and an empty line behind it.
        if empty.matches('\n').count() > 1 {
            let eol = if empty.ends_with("\r\n") { 2 } else { 1 };
            lines.start -= eol;
        }
        self.splice(lines, "")
    }

    /// Where a key and its value are.
    pub(super) fn key(&self, table: &str, key: &str) -> Result<Option<KeyValue>, ChangeError> {
        let document = document(self.path, &self.text)?;
        let table = self.table(&document, table)?;
        Ok(table.and_then(|table| {
            let (key, value) = table.get_key_value(key)?;
            Some((key.span()?, value.span()?))
        }))
    }

    pub(super) fn spot(&self, name: &str) -> Result<Spot, ChangeError> {
        let document = document(self.path, &self.text)?;
        self.table(&document, name)?;
        let root = document.as_table();
        Ok(match document.get(name) {
            Some(Item::Table(table)) if table.is_dotted() => {
                let key = root.key(name).and_then(toml_edit::Key::span);
                key.map_or(Spot::Absent, |key| Spot::Dotted(self.lines(key).start))
            }
            // `[engine.runtimes]` alone does not make it.
            Some(Item::Table(table)) if !table.is_implicit() => table
                .span()
                .map_or(Spot::Absent, |at| Spot::Below(self.lines(at).end)),
            Some(Item::Value(Value::InlineTable(table))) => {
                table.span().map_or(Spot::Absent, |at| Spot::Inline {
                    at: at.start + 1,
                    empty: table.is_empty(),
                })
            }
            _ => Spot::Absent,
        })
    }

    /// Puts a key into a table, which is made where it is not there. `inline` is the value where there is one line.
    pub(super) fn insert_key(
        &mut self,
        table: &str,
        key: &str,
        value: &str,
        inline: &str,
    ) -> Result<(), ChangeError> {
        let eol = self.eol();
        let ended = |text: &str| text.is_empty() || text.ends_with('\n');
        match self.spot(table)? {
            Spot::Below(at) if !ended(&self.text[..at]) => {
                self.splice(at..at, &format!("{eol}{key} = {value}"))
            }
            Spot::Below(at) => self.splice(at..at, &format!("{key} = {value}{eol}")),
            Spot::Dotted(at) => self.splice(at..at, &format!("{table}.{key} = {value}{eol}")),
            Spot::Inline { at, empty } => {
                let comma = if empty { "" } else { "," };
                self.splice(at..at, &format!(" {key} = {inline}{comma}"))
            }
            Spot::Absent => {
                let is_ended = ended(&self.text);
                let end = if is_ended { "" } else { eol };
                let gap = if self.is_blank() { "" } else { eol };
                let last = if is_ended { eol } else { "" };
                let block = format!("{end}{gap}[{table}]{eol}{key} = {value}{last}");
                let at = self.text.len();
                self.splice(at..at, &block)
            }
        }
    }

    /// Takes a key out, with its line and `comment` behind it.
    pub(super) fn remove_key(
        &mut self,
        table: &str,
        key: &str,
        comment: &str,
    ) -> Result<(), ChangeError> {
        let Some((key, value)) = self.key(table, key)? else {
            return Ok(());
        };
        let at = if let Spot::Inline { .. } = self.spot(table)? {
            let before = self.text[..key.start].trim_end_matches([' ', '\t']).len();
            let behind = &self.text[value.end..];
            let comma = behind.trim_start_matches([' ', '\t']).starts_with(',');
            let comma = if comma { behind.find(',') } else { None };
            before..value.end + comma.map_or(0, |comma| comma + 1)
        } else {
            let lines = self.lines(key.start..value.end);
            let behind = self.text[value.end..lines.end].trim();
            // A comment of theirs stays.
            if behind.is_empty() || behind == comment {
                lines
            } else {
                self.text[..key.start].rfind('\n').map_or(0, |at| at + 1)..value.end
            }
        };
        self.splice(at, "")
    }

    /// The whole lines of a part, with their ends; the one before them, where the file ends without.
    fn lines(&self, part: Range<usize>) -> Range<usize> {
        let start = self.text[..part.start].rfind('\n').map_or(0, |at| at + 1);
        let end = self.text[part.end..].find('\n');
        start..end.map_or(self.text.len(), |at| part.end + at + 1)
    }
}

/// Whether it stands below the header of its table, with no header of its own.
fn is_key((_, item): (&str, &Item)) -> bool {
    match item {
        Item::Table(table) => table.is_dotted(),
        Item::ArrayOfTables(_) => false,
        Item::Value(_) | Item::None => true,
    }
}
