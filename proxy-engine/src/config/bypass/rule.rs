//! One entry of the list, and how it is written.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

use super::{BypassError, Glob};

/// One entry. What Go programs (dockerd, containerd, kubelet) write means here what it means there;
/// the others say what only other programs' lists can say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum BypassRule {
    /// `*`: everything.
    All,
    /// `<local>`: names without a dot.
    PlainNames,
    /// `=example.com`: that name and nothing below it; with a port, that port only.
    Host {
        /// Lower case, no trailing dot.
        name: String,
        /// `None`: every port.
        port: Option<u16>,
    },
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
    /// `*corp.example`, `www.*.example`: names, and IPv4 addresses as they are written, by pattern.
    Pattern {
        /// The pattern.
        glob: Glob,
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
    /// `10.0.0.0/8`, or as ranges are written elsewhere, `10.*`.
    Network(IpNet),
    /// `!example.com`: not what this entry names, whatever the others say. `*,!example.com` sends
    /// that domain alone to the proxy.
    Except(Box<Self>),
}

impl BypassRule {
    /// Whether it leaves something out.
    pub fn is_except(&self) -> bool {
        matches!(self, Self::Except(_))
    }

    /// Whether matching it is one step of its own: lists hold few of these.
    pub(crate) fn is_slow(&self) -> bool {
        match self {
            // Those with one `*`, at the beginning or the end, are found by their text.
            Self::Pattern { glob, .. } => {
                let pieces: Vec<&str> = glob.pieces().collect();
                !matches!(pieces[..], ["", _] | [_, ""])
            }
            Self::Except(rule) => rule.is_slow(),
            _ => false,
        }
    }
}

impl FromStr for BypassRule {
    type Err = BypassError;

    fn from_str(text: &str) -> Result<Self, BypassError> {
        let refuse = || BypassError::Entry(text.escape_debug().to_string());
        let entry = text.trim();
        if let Some(left_out) = entry.strip_prefix('!') {
            return match left_out.parse().map_err(|_| refuse())? {
                Self::Except(_) => Err(refuse()),
                rule => Ok(Self::Except(Box::new(rule))),
            };
        }
        if entry == "*" {
            return Ok(Self::All);
        }
        if entry.eq_ignore_ascii_case("<local>") {
            return Ok(Self::PlainNames);
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
        if let Ok(addr) = entry.parse::<SocketAddr>() {
            return Ok(Self::Address {
                ip: addr.ip(),
                port: Some(addr.port()),
            });
        }
        let (name, port) = match entry.rsplit_once(':') {
            None => (entry, None),
            Some((name, port)) => (name, Some(port.parse::<u16>().map_err(|_| refuse())?)),
        };
        named(name, port).ok_or_else(refuse)
    }
}

/// The entries that name a host by its text.
fn named(text: &str, port: Option<u16>) -> Option<BypassRule> {
    if port.is_none()
        && let Some(network) = octets_and_star(text)
    {
        return Some(BypassRule::Network(network.into()));
    }
    if let Some(name) = text.strip_prefix('=') {
        let name = host_name(name)?;
        return Some(match name.parse() {
            Ok(ip) => BypassRule::Address { ip, port },
            Err(_) => BypassRule::Host { name, port },
        });
    }
    let below = text.strip_prefix("*.").or_else(|| text.strip_prefix('.'));
    if below.unwrap_or(text).contains('*') {
        let glob = match text.strip_prefix('.') {
            Some(below) => Glob::parse(&format!("*.{below}")),
            None => Glob::parse(text),
        };
        let glob = glob?;
        // Shown, it is written otherwise (`10.**` as `10.*`), and means what that means.
        return if glob.as_str() == text {
            Some(BypassRule::Pattern { glob, port })
        } else {
            BypassRule::Pattern { glob, port }.to_string().parse().ok()
        };
    }
    let name = host_name(below.unwrap_or(text))?;
    Some(match (below, name.parse()) {
        (Some(_), _) => BypassRule::Subdomains { name, port },
        // With a dot behind it, an address is still none that a name could have.
        (None, Ok(ip)) => BypassRule::Address { ip, port },
        (None, Err(_)) => BypassRule::Domain { name, port },
    })
}

fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    crate::sniff::is_host_name(&name).then_some(name)
}

/// `192.168.*` (and `192.168.*.*`) is the network 192.168.0.0/16.
fn octets_and_star(text: &str) -> Option<Ipv4Net> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let octets = text.strip_suffix(".*")?.trim_end_matches(".*");
    let octets: Vec<u8> = octets
        .split('.')
        .map(|octet| octet.parse().ok())
        .collect::<Option<_>>()?;
    let length = u8::try_from(octets.len() * 8)
        .ok()
        .filter(|bits| *bits <= 24)?;
    let mut address = [0; 4];
    address[..octets.len()].copy_from_slice(&octets);
    Ipv4Net::new(Ipv4Addr::from(address), length).ok()
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
        let port = match self {
            Self::All => return f.write_str("*"),
            Self::PlainNames => return f.write_str("<local>"),
            Self::Except(rule) => return write!(f, "!{rule}"),
            Self::Network(net) => return net.fmt(f),
            Self::Address { ip, port: None } => return ip.fmt(f),
            Self::Address {
                ip,
                port: Some(port),
            } => return SocketAddr::new(*ip, *port).fmt(f),
            Self::Host { name, port } => {
                write!(f, "={name}")?;
                port
            }
            Self::Domain { name, port } => {
                f.write_str(name)?;
                port
            }
            Self::Subdomains { name, port } => {
                write!(f, ".{name}")?;
                port
            }
            Self::Pattern { glob, port } => {
                f.write_str(glob.as_str())?;
                port
            }
        };
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}
