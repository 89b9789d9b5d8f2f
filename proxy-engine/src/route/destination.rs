//! Where a client wants to go, as it said so.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A host by name or by address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// Lower case, no trailing dot, valid by [`crate::sniff::is_host_name`], not an IP literal.
    Name(String),
    /// Canonical: never an IPv4 address in IPv6 clothes.
    Ip(IpAddr),
}

/// A host and a TCP port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Host {
    /// A name or an address (IPv6 with or without brackets); `None` for anything that must not
    /// stand in a CONNECT line.
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Some(bare) = bare {
            let ip: std::net::Ipv6Addr = bare.parse().ok()?;
            return Some(Self::Ip(IpAddr::V6(ip).to_canonical()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        // A dot behind an address makes no name of it: what is decided by address still is.
        if let Ok(ip) = name.parse::<IpAddr>() {
            return ip.is_ipv4().then_some(Self::Ip(ip));
        }
        crate::sniff::is_host_name(name).then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl Destination {
    /// `host:port`; the port may be missing, or have no digits, where `default_port` is given.
    /// `None` when it is malformed.
    pub fn parse(authority: &str, default_port: Option<u16>) -> Option<Self> {
        let colon = authority
            .rfind(':')
            // The last colon inside brackets belongs to the address.
            .filter(|at| authority.rfind(']').is_none_or(|close| *at > close));
        let (host, port) = match colon {
            None => (authority, default_port?),
            Some(at) => {
                let digits = &authority[at + 1..];
                let plain = digits.bytes().all(|b| b.is_ascii_digit());
                let port = match digits {
                    // A port of no digits is the usual one (RFC 3986, section 3.2.3).
                    "" => default_port?,
                    digits => digits.parse::<u16>().ok().filter(|p| plain && *p != 0)?,
                };
                (&authority[..at], port)
            }
        };
        // A bare IPv6 address cannot be told from host and port.
        if host.contains(':') && !host.starts_with('[') {
            return None;
        }
        Some(Self {
            host: Host::parse(host)?,
            port,
        })
    }

    /// The name, where the client gave one.
    pub fn name(&self) -> Option<&str> {
        match &self.host {
            Host::Name(name) => Some(name),
            Host::Ip(_) => None,
        }
    }
}

impl From<SocketAddr> for Destination {
    fn from(addr: SocketAddr) -> Self {
        Self {
            host: Host::Ip(addr.ip().to_canonical()),
            port: addr.port(),
        }
    }
}

impl From<(IpAddr, u16)> for Destination {
    fn from((ip, port): (IpAddr, u16)) -> Self {
        SocketAddr::new(ip, port).into()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// `host:port`, with brackets around an IPv6 address.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;

    #[test]
    fn an_authority_is_read_as_it_is_written() {
        for (text, shown) in [
            ("Example.COM:443", "example.com:443"),
            ("example.com.:443", "example.com:443"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("10.1.2.3.:80", "10.1.2.3:80"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("[::ffff:10.1.2.3]:443", "10.1.2.3:443"),
        ] {
            let destination = Destination::parse(text, None).expect(text);
            assert_eq!(destination.to_string(), shown);
            assert_eq!(
                destination.name().is_some(),
                shown.starts_with('e'),
                "{text}"
            );
        }
        for (text, shown) in [
            ("[2001:db8::1]", "[2001:db8::1]:80"),
            ("[2001:db8::1]:", "[2001:db8::1]:80"),
            ("a.test:", "a.test:80"),
        ] {
            let destination = Destination::parse(text, Some(80)).expect(text);
            assert_eq!(destination.to_string(), shown);
        }
        for text in ["a.test:81:", "a.test::", ":", "::", "[::1]::", "2001:db8::"] {
            assert_eq!(Destination::parse(text, Some(80)), None, "{text}");
        }
    }

    #[test]
    fn an_authority_that_must_not_reach_a_connect_line_is_refused() {
        for text in [
            "",
            ":443",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a: 1",
            "a b:1",
            "a\r\nX: y:1",
            "a\0:1",
            "2001:db8::1:443",
            "user@host:1",
            "a..b:1",
            "[::1]x:1",
            "[a]:1",
            "é:1",
        ] {
            assert_eq!(Destination::parse(text, None), None, "{text:?}");
        }
    }
}
