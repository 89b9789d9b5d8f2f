//! `ProxyBypassList` of Chrome, Chromium and Edge: patterns of hosts with semicolons or commas
//! between them, `scheme://` before and `:port` behind them where they shall hold for these alone. A
//! bare name is that host alone; networks are written with `/`; `<local>` is every name without a
//! dot.

use std::net::IpAddr;

use proxy_engine::config::BypassRule;

use super::entry::{host_alone, parsed, parsed_with_scheme, split_at, with_port};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Chrome;

impl Grammar for Chrome {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[';', ',', '\n'])
    }

    fn read(&self, entry: &str) -> Meaning {
        parsed_with_scheme(entry, |entry| parsed(entry).map(host_alone))
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        Saying::Same(match rule {
            BypassRule::Host { name, port } => vec![with_port(name, *port)],
            BypassRule::Domain { name, port } => {
                vec![
                    with_port(name, *port),
                    with_port(&format!(".{name}"), *port),
                ]
            }
            BypassRule::Address {
                ip: IpAddr::V6(ip),
                port: None,
            } => vec![format!("[{ip}]")],
            BypassRule::Except(_) => return Saying::Not(Why::Except),
            BypassRule::All
            | BypassRule::PlainNames
            | BypassRule::Subdomains { .. }
            | BypassRule::Pattern { .. }
            | BypassRule::Address { .. }
            | BypassRule::Network(_) => vec![rule.to_string()],
        })
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(";")
    }
}
