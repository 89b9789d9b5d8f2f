//! `ignore-hosts` of GNOME, a list of texts: `['localhost', '127.0.0.0/8']`. A name, with a dot or
//! `*.` before it or none, is that host and what is below it, on one port where there is one; a `*`
//! elsewhere names nothing.

use proxy_engine::config::BypassRule;

use super::entry::{domain_at_the_end, parsed, split_at, with_port};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Gnome;

impl Grammar for Gnome {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        let list = list.trim();
        let list = list.strip_prefix("@as").unwrap_or(list).trim();
        let inner = list
            .strip_prefix('[')
            .and_then(|list| list.strip_suffix(']'))
            // `[::1]` alone is an address, not a list.
            .filter(|inner| inner.is_empty() || inner.contains(['\'', '"']));
        split_at(inner.unwrap_or(list), &[','])
            .into_iter()
            .map(|entry| entry.trim_matches(['\'', '"']))
            .filter(|entry| !entry.is_empty())
            .collect()
    }

    fn read(&self, entry: &str) -> Meaning {
        let name = entry.strip_prefix("*.").unwrap_or(entry);
        if name.contains('*') || entry.starts_with('<') {
            return Meaning::Nothing(Why::Dead);
        }
        match parsed(entry) {
            Ok(BypassRule::Subdomains { name, port }) => {
                Meaning::Is(BypassRule::Domain { name, port })
            }
            Ok(rule) => Meaning::Is(rule),
            Err(why) => Meaning::Nothing(why),
        }
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        match rule {
            BypassRule::All => Saying::Not(Why::All),
            BypassRule::PlainNames => Saying::Not(Why::PlainNames),
            BypassRule::Except(_) => Saying::Not(Why::Except),
            BypassRule::Host { name, port } => {
                Saying::Wider(vec![with_port(name, *port)], Why::Host)
            }
            BypassRule::Subdomains { name, port } => {
                Saying::Wider(vec![with_port(name, *port)], Why::Subdomains)
            }
            BypassRule::Pattern { .. } => match domain_at_the_end(rule) {
                Some(domain) => Saying::Narrower(vec![domain.to_string()], Why::Pattern),
                None => Saying::Not(Why::Pattern),
            },
            BypassRule::Address { .. } | BypassRule::Domain { .. } | BypassRule::Network(_) => {
                Saying::Same(vec![rule.to_string()])
            }
        }
    }

    fn join(&self, entries: &[String]) -> String {
        if entries.is_empty() {
            return "@as []".to_owned();
        }
        let quoted: Vec<String> = entries.iter().map(|entry| format!("'{entry}'")).collect();
        format!("[{}]", quoted.join(", "))
    }
}
