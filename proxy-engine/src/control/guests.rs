//! Whose the addresses of containers are: the engine knows nothing of containers, and is told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// The names of the clients that are not processes of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guests {
    /// The attachment's lease.
    pub lease: String,
    /// All of them.
    pub names: GuestNames,
}

/// Names by address, at most [`GuestNames::MOST`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<IpAddr, GuestName>")]
pub struct GuestNames(BTreeMap<IpAddr, GuestName>);

/// What a container is called: 1 to [`GuestName::LONGEST`] printable ASCII characters, so that it
/// can stand in a log, a list and a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GuestName(String);

/// Why names are refused. It repeats none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GuestsError {
    /// A name that nothing should have to show.
    #[error(
        "a guest's name is 1 to {} printable ASCII characters",
        GuestName::LONGEST
    )]
    Name,
    /// More than this machine's containers can be.
    #[error("more than {} guests", GuestNames::MOST)]
    TooMany,
}

impl GuestNames {
    /// A machine runs some hundreds of containers at most.
    pub const MOST: usize = 4096;

    /// Each address with its name.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &str)> {
        self.0.iter().map(|(ip, name)| (*ip, name.0.as_str()))
    }
}

impl GuestName {
    /// In characters.
    pub const LONGEST: usize = 128;
}

impl TryFrom<BTreeMap<IpAddr, GuestName>> for GuestNames {
    type Error = GuestsError;

    fn try_from(names: BTreeMap<IpAddr, GuestName>) -> Result<Self, GuestsError> {
        if names.len() > Self::MOST {
            return Err(GuestsError::TooMany);
        }
        Ok(Self(names))
    }
}

impl TryFrom<String> for GuestName {
    type Error = GuestsError;

    fn try_from(name: String) -> Result<Self, GuestsError> {
        let plain = name.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if plain && (1..=Self::LONGEST).contains(&name.len()) {
            Ok(Self(name))
        } else {
            Err(GuestsError::Name)
        }
    }
}

impl From<GuestName> for String {
    fn from(name: GuestName) -> Self {
        name.0
    }
}
