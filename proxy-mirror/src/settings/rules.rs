//! Rules as settings hold them: a line each, never with a password.

use proxy_engine::config::{Rule, RuleError, UpstreamError};
use serde::{Deserialize, Deserializer, Serializer};

use super::{SettingsError, upstream};

/// One rule of the file, so that an error points at it alone.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Written(Rule);

impl TryFrom<String> for Written {
    type Error = SettingsError;

    fn try_from(line: String) -> Result<Self, SettingsError> {
        line.parse().map(Self).map_err(|error| match error {
            RuleError::Way(UpstreamError::Password) => upstream::refused(UpstreamError::Password),
            error => SettingsError::Refused {
                field: "rules",
                what: error.to_string(),
            },
        })
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Rule>, D::Error> {
    let written = Vec::<Written>::deserialize(input)?;
    Ok(written.into_iter().map(|written| written.0).collect())
}

pub(super) fn serialize<S: Serializer>(rules: &[Rule], output: S) -> Result<S::Ok, S::Error> {
    output.collect_seq(rules.iter().map(ToString::to_string))
}
