//! Edits of `containers.conf` (containers.conf(5)): variables of `[engine] env` are set or taken
//! out, every other byte stays.
//!
//! toml_edit says where things are; the text is cut and joined here, because its own writer knows
//! LF alone. Of several entries for one variable, Podman follows the first, and so does this.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, TableLike, Value};

use super::ChangeError;
use crate::position::position;

mod keys;
mod list;
#[cfg(test)]
mod tests;

use keys::Spot;
use list::List;

const BOM: &str = "\u{feff}";
/// The table whose `env` holds Podman's own variables.
pub(super) const ENGINE: &str = "engine";
/// The table that says what containers get of them.
pub(super) const CONTAINERS: &str = "containers";
/// The list of them.
pub(super) const ENV: &str = "env";
const HTTP_PROXY: &str = "http_proxy";
/// Behind our `http_proxy = false`: a user's own is never taken out.
const WITHHELD: &str = "# Gangway: containers cannot reach that address";

/// A `containers.conf` that is being edited.
pub(super) struct EngineConf<'a> {
    path: &'a Path,
    bom: bool,
    text: String,
}

impl<'a> EngineConf<'a> {
    /// Reads the file's bytes; those of no file are an empty one.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`] with line and column for what is no TOML.
    pub(super) fn parse(path: &'a Path, bytes: &[u8]) -> Result<Self, ChangeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            malformed(path, bytes, error.valid_up_to(), "this is not UTF-8".into())
        })?;
        let bom = text.starts_with(BOM);
        let text = text.strip_prefix(BOM).unwrap_or(text).to_owned();
        document(path, &text)?;
        Ok(Self { path, bom, text })
    }

    /// What Podman reads for a variable; `None` where no entry names it.
    ///
    /// # Errors
    /// [`ChangeError::Content`] where something of another kind is in its place.
    pub(super) fn variable(&self, name: &str) -> Result<Option<String>, ChangeError> {
        let list = self.list()?;
        let found = list.as_ref().and_then(|list| list.find(name));
        Ok(found.map(|(_, value)| value.to_owned()))
    }

    /// Whether there is a list of variables.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn has_list(&self) -> Result<bool, ChangeError> {
        Ok(self.list()?.is_some())
    }

    /// Whether there is such a table, with a header or keys of its own.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn has_table(&self, table: &str) -> Result<bool, ChangeError> {
        Ok(!matches!(self.spot(table)?, Spot::Absent))
    }

    /// Sets a variable, in its place where it has one, else behind every other.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn set_variable(&mut self, name: &str, value: &str) -> Result<(), ChangeError> {
        let entry = quoted(&format!("{name}={value}"));
        match self.list()? {
            None => {
                let eol = self.eol();
                let lines = format!("[{eol}  {entry},{eol}]");
                self.insert_key(ENGINE, ENV, &lines, &format!("[{entry}]"))
            }
            Some(list) => match list.find(name) {
                Some((_, now)) if now == value => Ok(()),
                Some((at, _)) => self.splice(at, &entry),
                None => {
                    let text = list.with(&self.text, &entry);
                    self.become_text(text)
                }
            },
        }
    }

    /// Takes a variable out, if it is there.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn remove_variable(&mut self, name: &str) -> Result<(), ChangeError> {
        let Some(list) = self.list()? else {
            return Ok(());
        };
        let Some((at, _)) = list.find(name) else {
            return Ok(());
        };
        let text = list.without(&self.text, &at);
        self.become_text(text)
    }

    /// Takes the list out where no entry is left.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn remove_empty_list(&mut self) -> Result<(), ChangeError> {
        match self.list()? {
            Some(list) if list.is_empty() => self.remove_key(ENGINE, ENV, ""),
            _ => Ok(()),
        }
    }

    /// Keeps the variables from containers, where nobody has said whether they get them.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn withhold(&mut self) -> Result<(), ChangeError> {
        if self.key(CONTAINERS, HTTP_PROXY)?.is_some() {
            return Ok(());
        }
        // Without the comment it would not be known as ours.
        if let Spot::Inline { .. } = self.spot(CONTAINERS)? {
            return Err(
                self.content("`containers = {…}` stands in one line: write it as `[containers]`")
            );
        }
        let value = format!("false {WITHHELD}");
        self.insert_key(CONTAINERS, HTTP_PROXY, &value, "false")
    }

    /// Whether the line of [`Self::withhold`] is there.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn withholds(&self) -> Result<bool, ChangeError> {
        let at = self.key(CONTAINERS, HTTP_PROXY)?;
        Ok(at.is_some_and(|(_, value)| {
            let behind = self.text[value.end..].lines().next().unwrap_or_default();
            &self.text[value] == "false" && behind.trim() == WITHHELD
        }))
    }

    /// Takes the line of [`Self::withhold`] out.
    ///
    /// # Errors
    /// As [`Self::variable`].
    pub(super) fn hand_on(&mut self) -> Result<(), ChangeError> {
        if self.withholds()? {
            self.remove_key(CONTAINERS, HTTP_PROXY, WITHHELD)?;
        }
        Ok(())
    }

    /// Whether nothing is left but white space.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// The file's bytes.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        let mark = if self.bom { BOM } else { "" };
        format!("{mark}{}", self.text).into_bytes()
    }

    fn list(&self) -> Result<Option<List>, ChangeError> {
        let document = document(self.path, &self.text)?;
        let Some(table) = self.table(&document, ENGINE)? else {
            return Ok(None);
        };
        match table.get(ENV) {
            None => Ok(None),
            Some(Item::Value(Value::Array(array))) => Ok(List::of(array)),
            Some(_) => Err(self.content("`engine.env` is there, and is no list `[…]`")),
        }
    }

    fn table<'d>(
        &self,
        document: &'d Document<&str>,
        name: &str,
    ) -> Result<Option<&'d dyn TableLike>, ChangeError> {
        match document.get(name) {
            None => Ok(None),
            Some(item) => match item.as_table_like() {
                Some(table) => Ok(Some(table)),
                None => Err(self.content(&format!("`{name}` is there, and is no table"))),
            },
        }
    }

    fn eol(&self) -> &'static str {
        if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        }
    }

    /// Puts `with` in the place of a part.
    fn splice(&mut self, part: Range<usize>, with: &str) -> Result<(), ChangeError> {
        let mut text = self.text.clone();
        let cut_at_the_end = with.is_empty() && part.end == text.len() && !text.ends_with('\n');
        text.replace_range(part.clone(), with);
        // The last line had no end, and neither has the one that is last now.
        if cut_at_the_end && part.start > 0 && text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        self.become_text(text)
    }

    /// What is no TOML any more is not written.
    fn become_text(&mut self, text: String) -> Result<(), ChangeError> {
        document(self.path, &text)?;
        self.text = text;
        Ok(())
    }

    fn content(&self, message: &str) -> ChangeError {
        ChangeError::Content {
            path: self.path.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// The names of the variables that a file sets for Podman and that are no proxies; `None` where it
/// has no list of them, or is none that can be read.
pub(crate) fn foreign_variables(path: &Path, bytes: &[u8]) -> Option<Vec<String>> {
    let conf = EngineConf::parse(path, bytes).ok()?;
    let mut names = conf.list().ok()??.names();
    names.retain(|name| !super::validate::is_proxy_variable(name));
    Some(names)
}

fn document<'t>(path: &Path, text: &'t str) -> Result<Document<&'t str>, ChangeError> {
    Document::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        let message = error.message().lines().map(str::trim).collect::<Vec<_>>();
        malformed(path, text.as_bytes(), at, message.join("; "))
    })
}

fn malformed(path: &Path, bytes: &[u8], at: usize, message: String) -> ChangeError {
    let (line, column) = position(bytes, at);
    ChangeError::Malformed {
        path: path.to_owned(),
        line,
        column,
        message,
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
