//! `network.proxy.no_proxies_on` of Firefox: entries with commas or blanks between them. A name is
//! that host and what is below it, with a dot before it what is below alone; networks are written
//! with `/`; `<local>` is every name without a dot. One `*` at the beginning is passed over; a `*`
//! elsewhere names nothing.

use proxy_engine::config::BypassRule;

use super::entry::{domain_at_the_end, parsed, split_at, with_port};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Firefox;

impl Grammar for Firefox {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[',', ' ', '\t', '\n', '\r'])
    }

    fn read(&self, entry: &str) -> Meaning {
        let name = entry.strip_prefix('*').unwrap_or(entry);
        if name.is_empty() || name.contains('*') {
            return Meaning::Nothing(Why::Dead);
        }
        parsed(name).map_or_else(Meaning::Nothing, Meaning::Is)
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        match rule {
            BypassRule::All => Saying::Not(Why::All),
            BypassRule::Except(_) => Saying::Not(Why::Except),
            BypassRule::Host { name, port } => {
                Saying::Wider(vec![with_port(name, *port)], Why::Host)
            }
            BypassRule::Pattern { .. } => match domain_at_the_end(rule) {
                Some(domain) => Saying::Narrower(vec![domain.to_string()], Why::Pattern),
                None => Saying::Not(Why::Pattern),
            },
            BypassRule::PlainNames
            | BypassRule::Domain { .. }
            | BypassRule::Subdomains { .. }
            | BypassRule::Address { .. }
            | BypassRule::Network(_) => Saying::Same(vec![rule.to_string()]),
        }
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(", ")
    }
}
