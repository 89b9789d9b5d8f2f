//! Bypass lists of the command line and of files.

use crate::config::{Bypass, BypassError};

/// A bypass list as it is typed: one string with commas.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(try_from = "BypassForm")]
pub struct BypassText(pub Bypass);

#[derive(serde::Deserialize)]
#[serde(untagged)]
enum BypassForm {
    Text(String),
    List(Vec<String>),
}

impl TryFrom<BypassForm> for BypassText {
    type Error = BypassError;

    fn try_from(form: BypassForm) -> Result<Self, BypassError> {
        match form {
            BypassForm::Text(text) => text.parse(),
            BypassForm::List(entries) => entries.join(",").parse(),
        }
    }
}

impl std::str::FromStr for BypassText {
    type Err = BypassError;

    fn from_str(text: &str) -> Result<Self, BypassError> {
        text.parse().map(Self)
    }
}
