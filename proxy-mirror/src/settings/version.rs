//! Which form of the settings a file is written in, and how one of an older form is read.
//!
//! `version = N` says it; a file that says nothing is of version 1. A file of an older version is
//! brought to this one in memory each time it is read, and on disk only when something is saved.
//! One of a newer version is refused: what it means cannot be known, and nothing of it is changed.

use std::borrow::Cow;
use std::path::Path;

use toml_edit::{Document, DocumentMut, Item};

use super::SettingsError;
use super::file::malformed;
use super::lines;
use crate::position::position;

/// The key that says it. It is the file's own, and no setting that could be fixed.
pub(super) const KEY: &str = "version";

/// Brings a document from one version to the next, comments included.
///
/// # Errors
/// A sentence: what stands there cannot be brought over.
pub(super) type Step = fn(&mut DocumentMut) -> Result<(), String>;

/// The versions there have been: one, and one more for every step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions(pub(super) &'static [Step]);

/// Those of this Gangway. A key that is renamed, or means something else from now on, takes a step
/// here and a fixture of the version before beside its tests; a key that is new takes none.
pub(super) const VERSIONS: Versions = Versions(&[]);

impl Versions {
    /// The newest one, which is written.
    pub(super) fn newest(self) -> usize {
        self.0.len() + 1
    }

    /// The text in the newest form; the same text where it is already.
    ///
    /// # Errors
    /// [`SettingsError::Newer`]; [`SettingsError::Malformed`] where the version is none, or a step
    /// cannot be taken. A text that is no TOML is given back as it is: whoever reads it says where.
    pub(super) fn migrated<'t>(
        self,
        path: &Path,
        text: &'t str,
    ) -> Result<Cow<'t, str>, SettingsError> {
        let version = self.of(path, text)?;
        let steps = &self.0[version - 1..];
        let Ok(mut document) = text.parse::<DocumentMut>() else {
            return Ok(text.into());
        };
        if steps.is_empty() {
            return Ok(text.into());
        }
        for step in steps {
            step(&mut document).map_err(|what| malformed(path, text.as_bytes(), 0, what))?;
        }
        let newest = i64::try_from(self.newest()).unwrap_or(i64::MAX);
        match document.get_mut(KEY).and_then(Item::as_value_mut) {
            Some(value) => {
                // The comment behind it stays.
                let decor = value.decor().clone();
                *value = newest.into();
                *value.decor_mut() = decor;
            }
            None => {
                document.insert(KEY, toml_edit::value(newest));
            }
        }
        Ok(lines::kept(text, &document.to_string()).into())
    }

    /// The version of a text, from 1 to the newest one.
    fn of(self, path: &Path, text: &str) -> Result<usize, SettingsError> {
        let Ok(document) = Document::parse(text) else {
            return Ok(1);
        };
        let Some((key, item)) = document.as_table().get_key_value(KEY) else {
            return Ok(1);
        };
        let at = item.span().or_else(|| key.span()).map_or(0, |at| at.start);
        let Some(version) = item.as_integer().filter(|version| *version >= 1) else {
            let what = format!("`{KEY}` is a whole number from 1 to {}", self.newest());
            return Err(malformed(path, text.as_bytes(), at, what));
        };
        match usize::try_from(version) {
            Ok(known) if known <= self.newest() => Ok(known),
            _ => {
                let (line, column) = position(text.as_bytes(), at);
                Err(SettingsError::Newer {
                    path: path.to_owned(),
                    line,
                    column,
                    version,
                    newest: self.newest(),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
