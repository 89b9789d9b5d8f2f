//! `NO_PROXY` as Go programs read it (dockerd, containerd, kubelet): entries with commas between
//! them. A name is that host and what is below it, with a dot or `*.` before it what is below alone,
//! on one port where there is one; networks are written with `/` and hold for addresses alone. `*`
//! is everything; a `*` elsewhere, `<local>` and semicolons name nothing, and nobody is told.

use proxy_engine::config::BypassRule;

use super::entry::{domain_at_the_end, parsed, split_at, with_port};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Go;

impl Grammar for Go {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[','])
    }

    fn read(&self, entry: &str) -> Meaning {
        let name = entry.strip_prefix("*.").unwrap_or(entry);
        if (name.contains('*') && entry != "*") || entry.starts_with('<') {
            return Meaning::Nothing(Why::Dead);
        }
        parsed(entry).map_or_else(Meaning::Nothing, Meaning::Is)
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        match rule {
            BypassRule::PlainNames => Saying::Not(Why::PlainNames),
            BypassRule::Except(_) => Saying::Not(Why::Except),
            BypassRule::Host { name, port } => {
                Saying::Wider(vec![with_port(name, *port)], Why::Host)
            }
            BypassRule::Pattern { .. } => match domain_at_the_end(rule) {
                Some(domain) => Saying::Narrower(vec![domain.to_string()], Why::Pattern),
                None => Saying::Not(Why::Pattern),
            },
            BypassRule::All
            | BypassRule::Domain { .. }
            | BypassRule::Subdomains { .. }
            | BypassRule::Address { .. }
            | BypassRule::Network(_) => Saying::Same(vec![rule.to_string()]),
        }
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(",")
    }
}
