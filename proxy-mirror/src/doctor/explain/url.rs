//! The few parts of a URL that decide its route.

use std::net::{IpAddr, Ipv6Addr};

use super::ExplainError;

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    scheme: String,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Path and query, as written.
    rest: String,
}

/// The host of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// Lower case, no trailing dot.
    Name(String),
    /// Never an IPv4 address in IPv6 clothes.
    Ip(IpAddr),
}

/// Schemes over TCP, and their ports.
const SCHEMES: [(&str, u16); 5] = [
    ("https", 443),
    ("http", 80),
    ("wss", 443),
    ("ws", 80),
    ("ftp", 21),
];

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, ExplainError> {
        let fail = |reason| ExplainError {
            url: without_userinfo(url).escape_debug().take(200).collect(),
            reason,
        };
        let url = url.trim();
        if url.is_empty() {
            return Err(fail("it is empty"));
        }
        if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(fail("it holds a control character or a space"));
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
        let scheme = scheme.to_ascii_lowercase();
        let (_, default_port) = SCHEMES
            .into_iter()
            .find(|(known, _)| *known == scheme)
            .ok_or_else(|| fail("its scheme is none of https, http, wss, ws, ftp"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        let authority = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        let (host, port) = split(authority).ok_or_else(|| fail("its host is not one"))?;
        let port = match port {
            None => default_port,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|port| *port != 0 && digits.bytes().all(|b| b.is_ascii_digit()))
                .ok_or_else(|| fail("its port is not a number between 1 and 65535"))?,
        };
        Ok(Self {
            host: Host::parse(host).ok_or_else(|| fail("its host is not one"))?,
            port,
            // A fragment never leaves the client.
            rest: rest.split('#').next().unwrap_or_default().to_owned(),
            scheme,
        })
    }

    /// As it was understood: with its port where that is not the scheme's own.
    pub(super) fn shown(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Host::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        let port = if SCHEMES.contains(&(self.scheme.as_str(), self.port)) {
            String::new()
        } else {
            format!(":{}", self.port)
        };
        let path = if self.rest.is_empty() {
            "/"
        } else {
            &self.rest
        };
        format!("{}://{host}{port}{path}", self.scheme)
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(bare) = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            let ip: Ipv6Addr = bare.parse().ok()?;
            return Some(Self::Ip(IpAddr::V6(ip).to_canonical()));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        proxy_engine::sniff::is_host_name(&name).then_some(Self::Name(name))
    }
}

/// Host (an IPv6 address keeps its brackets) and port.
fn split(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, port) = authority.split_at(authority.find(']')? + 1);
        return match port {
            "" => Some((host, None)),
            port => Some((host, Some(port.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        None => Some((authority, None)),
        Some((host, port)) => Some((host, Some(port))),
    }
}

fn without_userinfo(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    // Everything before the last `@`, wherever it stands: a password may hold `/`.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
    format!("{scheme}{rest}")
}
