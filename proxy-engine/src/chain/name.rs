//! What engines are called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most bytes of a name.
const MOST: usize = 64;

/// The name that an engine's key is filed under: chosen by people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EngineName(Box<str>);

/// What an engine calls itself from its start to its end; no other does, so that a loop is seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EngineId(Box<str>);

/// Not the name of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of an engine has 1 to {MOST} letters, digits, dots, dashes and underscores")]
pub struct NameError;

/// The text, where it may stand in a log and in a label.
fn word(text: &str) -> Result<Box<str>, NameError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let good = (1..=MOST).contains(&text.len()) && text.bytes().all(plain);
    good.then(|| text.into()).ok_or(NameError)
}

impl EngineName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EngineId {
    /// That of an engine which drew this number.
    pub fn new(random: u128) -> Self {
        Self(format!("gangway-{:08x}", random >> 96).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EngineName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        word(text).map(Self)
    }
}

impl FromStr for EngineId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        word(text).map(Self)
    }
}

impl TryFrom<String> for EngineName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl TryFrom<String> for EngineId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<EngineName> for String {
    fn from(name: EngineName) -> Self {
        name.0.into()
    }
}

impl From<EngineId> for String {
    fn from(id: EngineId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
