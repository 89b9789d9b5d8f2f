//! The bypass list as it is written; `route/bypass.rs` compiles it for matching.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Destinations that are dialled directly. Written with commas between the entries, or as a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bypass(pub Vec<BypassRule>);

/// One entry, in the dialect that Go programs use (dockerd, containerd, kubelet).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BypassRule {
    /// `*`: everything.
    All,
    /// `example.com`: that name and everything below it; with a port, that port only.
    Domain {
        /// Lower case, no trailing dot.
        name: String,
        /// `None`: every port.
        port: Option<u16>,
    },
    /// `.example.com` or `*.example.com`: only what is below the name.
    Subdomains {
        /// Lower case, without the leading dot.
        name: String,
        /// `None`: every port.
        port: Option<u16>,
    },
    /// `10.1.2.3`, `10.1.2.3:443`, `[fd00::1]:443`.
    Address {
        /// The address.
        ip: IpAddr,
        /// `None`: every port.
        port: Option<u16>,
    },
    /// `10.0.0.0/8`.
    Network(IpNet),
}

/// Why an entry was refused: its text, and what would be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a bypass entry: write a host (example.com), its subdomains (.example.com), an address (10.1.2.3), a network (10.0.0.0/8) or *"
)]
pub struct BypassError(pub String);

impl FromStr for BypassRule {
    type Err = BypassError;

    fn from_str(text: &str) -> Result<Self, BypassError> {
        let refuse = || BypassError(text.escape_debug().to_string());
        let entry = text.trim();
        if entry == "*" {
            return Ok(Self::All);
        }
        if let Ok(net) = entry.parse::<IpNet>() {
            return Ok(Self::Network(net.trunc()));
        }
        if let Ok(ip) = entry
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
        {
            return Ok(Self::Address { ip, port: None });
        }
        if let Ok(addr) = entry.parse::<std::net::SocketAddr>() {
            return Ok(Self::Address {
                ip: addr.ip(),
                port: Some(addr.port()),
            });
        }
        let (name, port) = match entry.rsplit_once(':') {
            None => (entry, None),
            Some((name, port)) => (name, Some(port.parse::<u16>().map_err(|_| refuse())?)),
        };
        let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        let name = below.unwrap_or(name);
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if !crate::sniff::is_host_name(&name) {
            return Err(refuse());
        }
        Ok(match (below, name.parse()) {
            (Some(_), _) => Self::Subdomains { name, port },
            // With a dot behind it, an address is still none that a name could have.
            (None, Ok(ip)) => Self::Address { ip, port },
            (None, Err(_)) => Self::Domain { name, port },
        })
    }
}

impl FromStr for Bypass {
    type Err = BypassError;

    fn from_str(text: &str) -> Result<Self, BypassError> {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl TryFrom<String> for BypassRule {
    type Error = BypassError;

    fn try_from(text: String) -> Result<Self, BypassError> {
        text.parse()
    }
}

impl From<BypassRule> for String {
    fn from(rule: BypassRule) -> Self {
        rule.to_string()
    }
}

impl fmt::Display for BypassRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, port) = match self {
            Self::All => return f.write_str("*"),
            Self::Network(net) => return net.fmt(f),
            Self::Address { ip, port: None } => return ip.fmt(f),
            Self::Address {
                ip,
                port: Some(port),
            } => {
                return std::net::SocketAddr::new(*ip, *port).fmt(f);
            }
            Self::Domain { name, port } => (name.clone(), port),
            Self::Subdomains { name, port } => (format!(".{name}"), port),
        };
        f.write_str(&text)?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&text.join(","))
    }
}
