//! Keys and values of a registry.

mod export;
mod scan;

use std::collections::BTreeMap;
use std::fmt;

pub use scan::Malformed;

/// Place (key and value) and sentence: what stands there is not what it should be.
pub(in crate::source) type Failed = (String, String);

/// What was read of a registry: keys by their full path, each with its values. Case means nothing
/// in either, as in Windows.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Registry(BTreeMap<String, Values>);

/// By the name in small letters: the name as it is written, and the value.
type Values = BTreeMap<String, (String, Value)>;

/// A value.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// `REG_SZ`, `REG_EXPAND_SZ`.
    Text(String),
    /// `REG_DWORD`.
    Number(u32),
    /// `REG_BINARY`.
    Binary(Vec<u8>),
    /// Of another type, by its number: no setting of proxies is of one.
    Other(u32),
}

impl Registry {
    /// Reads what `reg export` writes: UTF-16 with a byte order mark, or the same in UTF-8, as a
    /// mail or an editor may have made of it. At most 4 MiB.
    ///
    /// # Errors
    /// [`Malformed`]: where it is no export any more.
    pub fn of_export(bytes: &[u8]) -> Result<Self, Malformed> {
        export::read(bytes)
    }

    /// Sets a value. `key` begins with `HKLM` or `HKCU`, or with the long name of any hive.
    pub fn set(&mut self, key: &str, name: &str, value: Value) {
        let values = self.0.entry(path(key)).or_default();
        values.insert(name.to_lowercase(), (name.to_owned(), value));
    }

    /// A text; `None` where there is none.
    ///
    /// # Errors
    /// It is no text.
    pub(in crate::source) fn text(&self, key: &str, name: &str) -> Result<Option<&str>, Failed> {
        match self.get(key, name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err((origin(key, name), "is no text (REG_SZ)".to_owned())),
        }
    }

    /// A number; `None` where there is none.
    ///
    /// # Errors
    /// It is no number.
    pub(in crate::source) fn number(&self, key: &str, name: &str) -> Result<Option<u32>, Failed> {
        match self.get(key, name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(*number)),
            Some(_) => Err((origin(key, name), "is no number (REG_DWORD)".to_owned())),
        }
    }

    /// Bytes; `None` where there are none.
    ///
    /// # Errors
    /// They are something else.
    pub(in crate::source) fn bytes(&self, key: &str, name: &str) -> Result<Option<&[u8]>, Failed> {
        match self.get(key, name) {
            None => Ok(None),
            Some(Value::Binary(bytes)) => Ok(Some(bytes)),
            Some(_) => Err((origin(key, name), "is not binary (REG_BINARY)".to_owned())),
        }
    }

    /// Every value of a key, with its name as it is written.
    pub(in crate::source) fn values(&self, key: &str) -> impl Iterator<Item = (&str, &Value)> {
        let values = self.0.get(&path(key));
        values
            .into_iter()
            .flat_map(BTreeMap::values)
            .map(|(name, value)| (name.as_str(), value))
    }

    fn get(&self, key: &str, name: &str) -> Option<&Value> {
        let values = self.0.get(&path(key))?;
        values.get(&name.to_lowercase()).map(|(_, value)| value)
    }
}

/// Key and value, for people.
pub(in crate::source) fn origin(key: &str, name: &str) -> String {
    format!("{key}: {name}")
}

/// One spelling for every path: small letters, short names of hives.
fn path(key: &str) -> String {
    let (hive, rest) = key.split_once('\\').unwrap_or((key, ""));
    let hive = match hive.to_ascii_uppercase().as_str() {
        "HKEY_LOCAL_MACHINE" => "HKLM".to_owned(),
        "HKEY_CURRENT_USER" => "HKCU".to_owned(),
        other => other.to_owned(),
    };
    format!("{hive}\\{}", rest.to_lowercase())
}

impl fmt::Debug for Registry {
    /// Keys and names only: values may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(key, values)| {
            let names: Vec<&str> = values.values().map(|(name, _)| name.as_str()).collect();
            (key, names)
        });
        f.debug_map().entries(names).finish()
    }
}

impl fmt::Debug for Value {
    /// The type only: values may hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Number(_) => "Number",
            Self::Binary(_) => "Binary",
            Self::Other(_) => "Other",
        })
    }
}

#[cfg(test)]
mod tests;
