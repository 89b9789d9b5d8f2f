//! Engines before and behind this one.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::route::Destination;

/// How an engine is chained to others. All keys are read at its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// The engine that decides for this one; `None`: it decides itself.
    pub to: Option<ChainTo>,
    /// Where other engines pass their connections on to this one.
    pub listen: Vec<SocketAddr>,
    /// The file with the keys of those engines.
    pub keys: Option<PathBuf>,
}

/// The engine that decides for this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainTo {
    /// Where it listens for chained engines.
    pub engine: EngineAddress,
    /// The file with this engine's own key.
    pub key: PathBuf,
}

/// `host:port` of an engine.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct EngineAddress(pub Destination);

/// No host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of an engine: write HOST:PORT, [ADDRESS]:PORT for IPv6")]
pub struct EngineAddressError(String);

impl FromStr for EngineAddress {
    type Err = EngineAddressError;

    fn from_str(text: &str) -> Result<Self, EngineAddressError> {
        let parsed = Destination::parse(text, None).map(Self);
        parsed.ok_or_else(|| EngineAddressError(text.to_owned()))
    }
}

impl TryFrom<String> for EngineAddress {
    type Error = EngineAddressError;

    fn try_from(text: String) -> Result<Self, EngineAddressError> {
        text.parse()
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
