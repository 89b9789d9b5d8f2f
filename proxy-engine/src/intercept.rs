//! Linux: bring traffic here that knows no proxy; gone when the process is gone.
//!
//! [`Interceptor`] is the door: it puts an [`Interception`](crate::config::Interception) in force,
//! either [through the broker](Interceptor::through_broker), so that the engine needs no
//! privilege, or [in this process](Interceptor::in_process). The kernel removes every rule when
//! the process that holds them dies.
//!
//! On other systems than Linux every call says [`InterceptError::Unsupported`].

pub mod broker;
mod error;

#[cfg(target_os = "linux")]
mod addresses;
#[cfg(target_os = "linux")]
mod capabilities;
#[cfg(target_os = "linux")]
mod forwarded;
#[cfg(target_os = "linux")]
mod holder;
#[cfg(target_os = "linux")]
mod interceptor;
mod listener;
#[cfg(target_os = "linux")]
pub(crate) mod netlink;
#[cfg(target_os = "linux")]
mod netns;
#[cfg(target_os = "linux")]
mod nftables;
#[cfg(target_os = "linux")]
mod original_dst;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod routes;

#[cfg(target_os = "linux")]
pub use capabilities::drop_capabilities;
#[cfg(target_os = "linux")]
pub(crate) use capabilities::give_up as give_up_capabilities;
pub use error::InterceptError;
#[cfg(target_os = "linux")]
pub use interceptor::Interceptor;
pub use listener::Families;
pub(crate) use listener::open as open_listener;
#[cfg(target_os = "linux")]
pub use nftables::tables_of_ours;
#[cfg(target_os = "linux")]
pub use original_dst::original_dst;
#[cfg(not(target_os = "linux"))]
pub use other::{Interceptor, drop_capabilities, original_dst};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Interfaces on which traffic arrives: an exact name (`docker0`), or a prefix with `*` behind it
/// (`br-*`), which also covers interfaces that appear later.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum InterfacePattern {
    /// One interface.
    Exact(String),
    /// Every interface whose name begins so; never empty.
    Prefix(String),
}

/// Why the name of an interface was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an interface: write its name (docker0) or a prefix and a star (br-*), 15 bytes at most"
)]
pub struct InterfacePatternError(String);

impl FromStr for InterfacePattern {
    type Err = InterfacePatternError;

    fn from_str(text: &str) -> Result<Self, InterfacePatternError> {
        let name = text.strip_suffix('*').unwrap_or(text);
        // IFNAMSIZ is 16 with the closing NUL.
        let fits = (1..=15).contains(&name.len());
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"/:*?[]\"\\".contains(&b));
        if !fits || !plain || name == "." || name == ".." {
            return Err(InterfacePatternError(text.escape_debug().to_string()));
        }
        Ok(match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(name.to_owned()),
        })
    }
}

impl InterfacePattern {
    /// Whether `interface` is one of those it names.
    pub fn matches(&self, interface: &str) -> bool {
        match self {
            Self::Exact(name) => name == interface,
            Self::Prefix(prefix) => interface.starts_with(prefix.as_str()),
        }
    }
}

impl TryFrom<String> for InterfacePattern {
    type Error = InterfacePatternError;

    fn try_from(text: String) -> Result<Self, InterfacePatternError> {
        text.parse()
    }
}

impl From<InterfacePattern> for String {
    fn from(pattern: InterfacePattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::InterfacePattern;

    #[test]
    fn what_is_no_interface_is_refused() {
        for bad in [
            "",
            "*",
            "br-\n0",
            "br-\0",
            "a b",
            "a/b",
            "a:1",
            "br-*x",
            "**",
            ".",
            "..",
            "a234567890123456",
            "a234567890123456*",
            "br\u{e9}",
            "\"",
            "\\",
        ] {
            assert!(bad.parse::<InterfacePattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_pattern_names_what_it_says() {
        let bridges: InterfacePattern = "br-*".parse().expect("a prefix");
        assert!(bridges.matches("br-1f") && bridges.matches("br-"));
        assert!(!bridges.matches("br0") && !bridges.matches("xbr-1"));
        let docker: InterfacePattern = "docker0".parse().expect("a name");
        assert!(docker.matches("docker0") && !docker.matches("docker01"));
        assert_eq!(bridges.to_string(), "br-*");
        assert_eq!(docker.to_string(), "docker0");
    }
}
