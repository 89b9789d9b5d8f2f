//! The exceptions of macOS's network settings, here with commas or line ends between them. A bare
//! name is that host alone, `*.example.com` what is below a name, and `name.*` what begins with it; a
//! `*` elsewhere is a character, and a port makes an entry name nothing. Networks may leave zeroes
//! out: `169.254/16`. `<local>` stands for the switch "Exclude simple hostnames", which is no entry
//! there but stands beside the list.

use std::net::IpAddr;

use proxy_engine::config::BypassRule;

use super::entry::{domain_at_the_end, host_alone, parsed, port_of, split_at};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Macos;

impl Grammar for Macos {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[',', '\n'])
    }

    fn read(&self, entry: &str) -> Meaning {
        let head = entry
            .strip_prefix("*.")
            .or_else(|| entry.strip_suffix(".*"))
            .unwrap_or(entry);
        if head.contains('*') || entry.starts_with('.') {
            return Meaning::Nothing(Why::Dead);
        }
        let rule = parsed(&short_network(entry).unwrap_or_else(|| entry.to_owned()));
        match rule.map(host_alone) {
            Ok(rule) if port_of(&rule).is_some() => Meaning::Nothing(Why::Dead),
            Ok(rule) => Meaning::Is(rule),
            Err(why) => Meaning::Nothing(why),
        }
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        if port_of(rule).is_some() {
            return Saying::Not(Why::Port);
        }
        let with_below = |name: &str| vec![name.to_owned(), format!("*.{name}")];
        match rule {
            BypassRule::All => Saying::Not(Why::All),
            BypassRule::Except(_) => Saying::Not(Why::Except),
            BypassRule::Host { name, .. } => Saying::Same(vec![name.clone()]),
            BypassRule::Domain { name, .. } => Saying::Same(with_below(name)),
            BypassRule::Subdomains { name, .. } => Saying::Same(vec![format!("*.{name}")]),
            BypassRule::Pattern { glob, .. } => {
                let begins = glob.as_str().strip_suffix(".*");
                match (begins, domain_at_the_end(rule)) {
                    (Some(name), _) if !name.contains('*') => Saying::Same(vec![glob.to_string()]),
                    (_, Some(BypassRule::Domain { name, .. })) => {
                        Saying::Narrower(with_below(&name), Why::Pattern)
                    }
                    _ => Saying::Not(Why::Pattern),
                }
            }
            BypassRule::Address {
                ip: IpAddr::V6(ip), ..
            } => Saying::Same(vec![ip.to_string()]),
            BypassRule::PlainNames | BypassRule::Address { .. } | BypassRule::Network(_) => {
                Saying::Same(vec![rule.to_string()])
            }
        }
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(", ")
    }
}

/// `169.254/16` is 169.254.0.0/16.
fn short_network(entry: &str) -> Option<String> {
    let (octets, length) = entry.split_once('/')?;
    let given = octets.split('.').count();
    let are_octets = octets.split('.').all(|octet| octet.parse::<u8>().is_ok());
    (given < 4 && are_octets).then(|| format!("{octets}{}/{length}", ".0".repeat(4 - given)))
}
