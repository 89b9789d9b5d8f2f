//! `settings.toml`: read whole, written without touching what did not change.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proxy_engine::pac::Script;
use toml_edit::{Document, DocumentMut, Item, Table, Value};

use super::version::{self, VERSIONS, Versions};
use super::{Files, Managed, Settings, SettingsError, keys, lines};
use crate::fingerprint::Fingerprint;
use crate::position::position;
use crate::regular_file;

/// What stands in a file's address as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b':');

/// A settings file over this size is not one.
const LARGEST: u64 = 1 << 20;

/// The settings of `path`; the defaults where there is no such file. An `off` that has come to its
/// end is none: nobody needs to have been there to switch it on again.
///
/// # Errors
/// [`SettingsError`], with line and column where the file is not what it should be.
pub fn load<'a>(files: impl Into<Files<'a>>) -> Result<Settings, SettingsError> {
    load_of(VERSIONS, files.into())
}

pub(super) fn load_of(versions: Versions, files: Files<'_>) -> Result<Settings, SettingsError> {
    let managed = Managed::read_of(versions, files)?;
    let own = match text(files.user)? {
        Some(text) => parse(versions, files.user, &text)?,
        None => Settings::default(),
    };
    Ok(managed.over(own)?.at(SystemTime::now()))
}

/// Writes what differs from the file, and nothing else: comments, order, line ends and every other
/// byte stay, but for what an older version wrote otherwise. Atomic; a symbolic link stays one.
///
/// # Errors
/// [`SettingsError`]; the file is as it was then. One that is malformed is not written over.
pub fn save<'a>(files: impl Into<Files<'a>>, settings: &Settings) -> Result<(), SettingsError> {
    save_of(VERSIONS, files.into(), settings)
}

pub(super) fn save_of(
    versions: Versions,
    files: Files<'_>,
    settings: &Settings,
) -> Result<(), SettingsError> {
    let path = files.user;
    let failed = |source: io::Error| SettingsError::Write {
        path: path.to_owned(),
        source,
    };
    let old = text(path)?.unwrap_or_default();
    let managed = Managed::read_of(versions, files)?;
    let before = managed.over(parse(versions, path, &old)?)?;
    managed.permit(&before, settings)?;
    if before == *settings && path.exists() {
        return Ok(());
    }
    let old = versions.migrated(path, &old)?;
    let new = edited(&old, &before, settings).map_err(|error| failed(io::Error::other(error)))?;
    // What is written must read back as it was meant, or nothing is written.
    if managed.over(parse(versions, path, &new)?)? != *settings {
        return Err(failed(io::Error::other(
            "the settings would not read back as they are",
        )));
    }
    replace(path, &new).map_err(failed)
}

/// A script that shall lie beside the settings, under a name that says which it is: one that was kept
/// before stays what it is.
#[derive(Debug)]
pub struct KeptScript {
    script: Script,
    path: PathBuf,
}

impl KeptScript {
    /// The script; nothing is written yet.
    ///
    /// # Errors
    /// [`SettingsError::Refused`] where it is none.
    pub fn new(settings: &Path, text: &str) -> Result<Self, SettingsError> {
        let script = Script::new(text).map_err(|error| SettingsError::Refused {
            field: "pac",
            what: error.to_string(),
        })?;
        let name = Fingerprint::of(script.text().as_bytes());
        let path = settings.with_file_name(format!("proxy-{}.pac", name.short()));
        Ok(Self { script, path })
    }

    /// Where it will be had from: `file:///…`
    pub fn address(&self) -> String {
        address(&self.path)
    }

    /// Takes away the scripts beside the settings that were kept so before, but those that the
    /// settings name.
    pub fn forget_others(&self, settings: &Settings) {
        let profiles = { settings.profiles.iter() }.filter_map(|profile| profile.pac.as_deref());
        let named: Vec<&str> = settings
            .pac
            .as_deref()
            .into_iter()
            .chain(profiles)
            .collect();
        let beside = self
            .path
            .parent()
            .and_then(|folder| fs::read_dir(folder).ok());
        for path in beside
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
        {
            if is_kept(&path) && !named.contains(&address(&path).as_str()) {
                // One that stays is only a file too many.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Writes it.
    ///
    /// # Errors
    /// [`SettingsError::Write`].
    pub fn keep(&self) -> Result<(), SettingsError> {
        replace(&self.path, self.script.text()).map_err(|source| SettingsError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

fn address(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    let path = utf8_percent_encode(path.trim_start_matches('/'), PLAIN);
    format!("file:///{path}")
}

/// Whether a script was kept under this name.
fn is_kept(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let hash = name.and_then(|name| name.strip_prefix("proxy-")?.strip_suffix(".pac"));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

pub(super) fn text(path: &Path) -> Result<Option<String>, SettingsError> {
    let failed = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    let Some(bytes) = regular_file::read(path, LARGEST).map_err(failed)? else {
        return Ok(None);
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        malformed(
            path,
            error.as_bytes(),
            valid,
            "this is not UTF-8".to_owned(),
        )
    })
}

pub(super) fn parse(
    versions: Versions,
    path: &Path,
    text: &str,
) -> Result<Settings, SettingsError> {
    let newest = versions.migrated(path, text)?;
    // Whoever reads the error looks into the file as it is.
    parse_newest(path, &newest).map_err(|error| match newest {
        Cow::Borrowed(_) => error,
        Cow::Owned(newest) => error.on_line(|line| lines::before(text, &newest, line)),
    })
}

fn parse_newest(path: &Path, text: &str) -> Result<Settings, SettingsError> {
    let document = Document::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        malformed(path, text.as_bytes(), at, one_line(error.message()))
    })?;
    if let Some(found) = keys::unknown(document.as_table(), "") {
        let (line, column) = position(text.as_bytes(), found.at.start);
        return Err(SettingsError::UnknownKey {
            path: path.to_owned(),
            line,
            column,
            key: found.key,
            suggestion: found.suggestion.map(str::to_owned),
        });
    }
    let text = without(&document, text, version::KEY);
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        malformed(path, text.as_bytes(), at, one_line(error.message()))
    })
}

/// The text with blanks in the place of a key and its value: every other line stays where it is.
pub(super) fn without<'t, S>(document: &Document<S>, text: &'t str, key: &str) -> Cow<'t, str> {
    let spans = document
        .as_table()
        .get_key_value(key)
        .and_then(|(key, item)| Some(key.span()?.start..item.span()?.end));
    let Some(all) = spans else {
        return text.into();
    };
    let blanks: String = text[all.clone()]
        .chars()
        .map(|c| if c == '\n' { '\n' } else { ' ' })
        .collect();
    format!("{}{blanks}{}", &text[..all.start], &text[all.end..]).into()
}

pub(super) fn malformed(path: &Path, text: &[u8], at: usize, what: String) -> SettingsError {
    let (line, column) = position(text, at);
    SettingsError::Malformed {
        path: path.to_owned(),
        line,
        column,
        what,
    }
}

pub(super) fn one_line(message: &str) -> String {
    message
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("; ")
}

/// The text with the values that differ set anew.
fn edited(old: &str, before: &Settings, after: &Settings) -> Result<String, String> {
    let mut document: DocumentMut = old.parse().map_err(|error| format!("{error}"))?;
    let before = toml_edit::ser::to_document(before).map_err(|error| error.to_string())?;
    let after = toml_edit::ser::to_document(after).map_err(|error| error.to_string())?;
    for key in keys::KNOWN {
        let (was, is) = (value(&before, key), value(&after, key));
        if was.map(plain) == is.map(plain) {
            continue;
        }
        match is {
            Some(is) => set(&mut document, key, is.clone())?,
            None => remove(&mut document, key),
        }
    }
    Ok(lines::kept(old, &document.to_string()))
}

pub(super) fn plain(value: &Value) -> String {
    value.clone().decorated("", "").to_string()
}

pub(super) fn value<'a>(document: &'a DocumentMut, key: &str) -> Option<&'a Value> {
    let mut item = document.as_item();
    for part in key.split('.') {
        item = item.get(part)?;
    }
    item.as_value()
}

pub(super) fn set(document: &mut DocumentMut, key: &str, value: Value) -> Result<(), String> {
    let (table, name) = match key.split_once('.') {
        None => (
            document.as_table_mut() as &mut dyn toml_edit::TableLike,
            key,
        ),
        Some((table, name)) => {
            // As an own `[table]`, not in one line.
            let item = document
                .as_table_mut()
                .entry(table)
                .or_insert_with(|| Item::Table(Table::new()));
            let table = item
                .as_table_like_mut()
                .ok_or_else(|| format!("`{table}` is not a table"))?;
            (table, name)
        }
    };
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            // The comment behind the value stays.
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        None => {
            table.insert(name, Item::Value(value.decorated(" ", "")));
        }
    }
    Ok(())
}

fn remove(document: &mut DocumentMut, key: &str) {
    match key.split_once('.') {
        None => {
            document.remove(key);
        }
        Some((table, name)) => {
            if let Some(table) = document.get_mut(table).and_then(Item::as_table_like_mut) {
                table.remove(name);
            }
        }
    }
}

/// A new file takes the place of the old one at once, or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Where a dotfile manager linked it, its target is replaced and the link stays.
    let path = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let folder: PathBuf = path
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_owned);
    fs::create_dir_all(&folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".settings-")
        .tempfile_in(&folder)?;
    file.write_all(text.as_bytes())?;
    if let Ok(old) = fs::metadata(&path) {
        file.as_file().set_permissions(old.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    // The rename itself; a file system that cannot sync a folder has nothing better to offer.
    if let Ok(folder) = fs::File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}
