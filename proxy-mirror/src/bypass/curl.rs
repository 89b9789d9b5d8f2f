//! `NO_PROXY` as curl reads it: entries with commas or blanks between them. A name, with a dot before
//! it or none, is that host and what is below it; networks are written with `/` (since curl 7.86).
//! `*` is everything where it stands alone, and nothing elsewhere; ports name nothing.

use proxy_engine::config::BypassRule;

use super::entry::{domain_at_the_end, parsed, port_of, split_at};
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Curl;

impl Grammar for Curl {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[',', ' ', '\t'])
    }

    fn read(&self, entry: &str) -> Meaning {
        if entry.contains('*') || entry.starts_with('<') {
            return Meaning::Nothing(Why::Dead);
        }
        match parsed(entry) {
            Ok(rule) if port_of(&rule).is_some() => Meaning::Nothing(Why::Dead),
            Ok(BypassRule::Subdomains { name, port }) => {
                Meaning::Is(BypassRule::Domain { name, port })
            }
            Ok(rule) => Meaning::Is(rule),
            Err(why) => Meaning::Nothing(why),
        }
    }

    fn read_alone(&self, entry: &str) -> Meaning {
        match entry {
            "*" => Meaning::Is(BypassRule::All),
            entry => self.read(entry),
        }
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        if port_of(rule).is_some() {
            return Saying::Not(Why::Port);
        }
        match rule {
            BypassRule::PlainNames => Saying::Not(Why::PlainNames),
            BypassRule::Except(_) => Saying::Not(Why::Except),
            BypassRule::Host { name, .. } => Saying::Wider(vec![name.clone()], Why::Host),
            BypassRule::Subdomains { name, .. } => {
                Saying::Wider(vec![name.clone()], Why::Subdomains)
            }
            BypassRule::Pattern { .. } => match domain_at_the_end(rule) {
                Some(domain) => Saying::Narrower(vec![domain.to_string()], Why::Pattern),
                None => Saying::Not(Why::Pattern),
            },
            BypassRule::All
            | BypassRule::Domain { .. }
            | BypassRule::Address { .. }
            | BypassRule::Network(_) => Saying::Same(vec![rule.to_string()]),
        }
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(",")
    }
}
