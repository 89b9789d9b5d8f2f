//! An upstream as settings and command line hold it: never with its password.

use proxy_engine::config::{Upstream, UpstreamError};
use serde::{Deserialize, Deserializer};

use super::SettingsError;

/// The upstream of a URL that holds no password.
///
/// # Errors
/// [`SettingsError::Refused`] with what to write instead; it never holds the URL.
pub fn upstream(url: &str) -> Result<Upstream, SettingsError> {
    url.parse().map_err(refused)
}

pub(super) fn refused(error: UpstreamError) -> SettingsError {
    let what = match error {
        UpstreamError::Password => {
            format!("{error}, and store it with `gangway login`, which asks for it")
        }
        error => error.to_string(),
    };
    SettingsError::Refused {
        field: "upstream",
        what,
    }
}

/// One upstream of the file, so that an error points at it alone.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Written(Upstream);

impl TryFrom<String> for Written {
    type Error = SettingsError;

    fn try_from(url: String) -> Result<Self, SettingsError> {
        upstream(&url).map(Self)
    }
}

pub(super) fn one<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Upstream>, D::Error> {
    Ok(Option::<Written>::deserialize(input)?.map(|written| written.0))
}

pub(super) fn many<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Upstream>, D::Error> {
    let written = Vec::<Written>::deserialize(input)?;
    Ok(written.into_iter().map(|written| written.0).collect())
}
