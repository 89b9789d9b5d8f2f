//! `ProxyOverride` of Windows: entries with semicolons or blanks between them, matched against the
//! host's text. A bare name is that host alone; `*` stands for any run of characters; `<local>` is
//! every name without a dot. A `/` makes the whole list void, and a leading dot names nothing, so
//! that networks are written as ranges: `10.*`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use proxy_engine::config::BypassRule;

use super::entry::{host_alone, parsed, parsed_with_scheme, split_at, with_port};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

/// A network that takes more entries than this is not written.
const RANGES: u32 = 16;

pub(super) struct Windows;

impl Grammar for Windows {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[';', ' ', '\t', '\n', '\r'])
    }

    fn read(&self, entry: &str) -> Meaning {
        parsed_with_scheme(entry, |entry| {
            let names_nothing = entry.contains('/')
                || entry.starts_with('.')
                || entry.trim_end_matches(['.', '*']).is_empty() && entry.len() > 1
                || entry.ends_with('.');
            if names_nothing {
                return Err(Why::Dead);
            }
            parsed(entry).map(host_alone)
        })
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        let entries = match rule {
            BypassRule::All => vec!["*".to_owned()],
            BypassRule::PlainNames => vec!["<local>".to_owned()],
            BypassRule::Host { name, port } => vec![with_port(name, *port)],
            BypassRule::Domain { name, port } => {
                vec![
                    with_port(name, *port),
                    with_port(&format!("*.{name}"), *port),
                ]
            }
            BypassRule::Subdomains { name, port } => vec![with_port(&format!("*.{name}"), *port)],
            BypassRule::Pattern { glob, port } => vec![with_port(glob.as_str(), *port)],
            BypassRule::Address { ip, port } => vec![with_port(&address(*ip), *port)],
            BypassRule::Network(IpNet::V4(net)) => match ranges(*net) {
                Some(ranges) => ranges,
                None => return Saying::Not(Why::Network),
            },
            BypassRule::Network(IpNet::V6(net)) if net.prefix_len() == 128 => {
                vec![address(net.addr().into())]
            }
            BypassRule::Network(IpNet::V6(_)) => return Saying::Not(Why::Network),
            BypassRule::Except(_) => return Saying::Not(Why::Except),
        };
        Saying::Same(entries)
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(";")
    }
}

fn address(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The network in whole octets: `172.16.0.0/12` is `172.16.*` to `172.31.*`.
fn ranges(net: Ipv4Net) -> Option<Vec<String>> {
    let octets = net.prefix_len().div_ceil(8);
    let count = 1_u32 << (octets * 8 - net.prefix_len());
    if octets == 0 || count > RANGES {
        return None;
    }
    let first = u32::from(net.network());
    let step = 1_u64 << (32 - u32::from(octets) * 8);
    let ranges = (0..u64::from(count)).map(|n| {
        // Within the network, so within 32 bits.
        let address = Ipv4Addr::from(u32::try_from(u64::from(first) + n * step).unwrap_or(first));
        let said: Vec<String> = address.octets()[..usize::from(octets)]
            .iter()
            .map(ToString::to_string)
            .collect();
        let star = if octets == 4 { "" } else { ".*" };
        format!("{}{star}", said.join("."))
    });
    Some(ranges.collect())
}
