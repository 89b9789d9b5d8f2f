//! Which destination ports are intercepted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// TCP destination ports: `80,443` (the default) or `all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Ports {
    /// Every port.
    All,
    /// These, sorted, without duplicates, at least one and at most [`Ports::MOST`].
    List(Vec<u16>),
}

/// Why a list of ports was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a list of ports: write `all`, or numbers between 1 and 65535 with commas between them, {most} at most", most = Ports::MOST)]
pub struct PortsError(String);

impl Ports {
    /// A list longer than this is refused: who needs it wants `all`.
    pub const MOST: usize = 128;

    /// Whether the port is among them.
    pub fn contains(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::List(ports) => ports.binary_search(&port).is_ok(),
        }
    }
}

impl Default for Ports {
    fn default() -> Self {
        Self::List(vec![80, 443])
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        if text.trim().eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        let mut ports = text
            .split(',')
            .map(|part| part.trim().parse::<u16>().ok().filter(|port| *port != 0))
            .collect::<Option<Vec<u16>>>()
            .ok_or_else(|| PortsError(text.to_owned()))?;
        ports.sort_unstable();
        ports.dedup();
        if ports.len() > Self::MOST {
            return Err(PortsError(text.to_owned()));
        }
        Ok(Self::List(ports))
    }
}

impl TryFrom<String> for Ports {
    type Error = PortsError;

    fn try_from(text: String) -> Result<Self, PortsError> {
        text.parse()
    }
}

impl From<Ports> for String {
    fn from(ports: Ports) -> Self {
        ports.to_string()
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::List(ports) => {
                let text: Vec<String> = ports.iter().map(ToString::to_string).collect();
                f.write_str(&text.join(","))
            }
        }
    }
}
