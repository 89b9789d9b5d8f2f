//! `NoProxyFor` of KDE: entries with commas or blanks between them. A name is that host and what is
//! below it, with a dot or `*.` before it what is below alone; networks are written with `/`, and
//! `<local>` is every name without a dot. Where `ReversedException` is set the list names the only
//! destinations that do go to the proxy: each whose text ends as an entry does, wherever that
//! begins (`corp.example` names `mycorp.example`), and a `*` is a character that no host has.

use std::net::{IpAddr, Ipv6Addr};

use proxy_engine::config::{Bypass, BypassRule};

use super::entry::{domain_at_the_end, parsed, split_at, with_port};
use super::note::{Fate, Note, Why};
use super::{Grammar, Meaning, Saying, Understood, Written};

pub(super) struct Kde;

impl Grammar for Kde {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[',', ' ', '\t'])
    }

    fn read(&self, entry: &str) -> Meaning {
        let name = entry.strip_prefix("*.").unwrap_or(entry);
        if name.contains('*') && entry != "*" {
            return Meaning::Nothing(Why::Dead);
        }
        parsed(entry).map_or_else(Meaning::Nothing, Meaning::Is)
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        match rule {
            BypassRule::Except(_) => Saying::Not(Why::Except),
            BypassRule::Host { name, port } => {
                Saying::Wider(vec![with_port(name, *port)], Why::Host)
            }
            BypassRule::Pattern { .. } => match domain_at_the_end(rule) {
                Some(domain) => Saying::Narrower(vec![domain.to_string()], Why::Pattern),
                None => Saying::Not(Why::Pattern),
            },
            BypassRule::All
            | BypassRule::PlainNames
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

/// Everything but these is direct. An entry that is not understood might be the one that must not
/// be: then everything goes to the proxy.
pub(super) fn read_reversed(list: &str) -> Understood {
    let mut understood = Understood::default();
    understood.add(BypassRule::All);
    for entry in Kde.split(list) {
        let meaning = match by_its_end(entry) {
            Some(rule) => Meaning::Is(rule),
            None if entry.contains('*') => Meaning::Nothing(Why::Dead),
            None => Kde.read(entry),
        };
        match meaning {
            Meaning::Is(rule) => understood.take(entry, Meaning::Is(left_out(rule))),
            Meaning::Partly(_, why) | Meaning::Nothing(why) => {
                let mut nothing = Understood::default();
                nothing.notes.push(Note::new(Fate::Lost, why, entry, ""));
                nothing
                    .notes
                    .push(Note::new(Fate::Lost, Why::Reversed, list, ""));
                return nothing;
            }
        }
    }
    understood
}

/// What a name, or an IPv4 address, means in a reversed list.
fn by_its_end(entry: &str) -> Option<BypassRule> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if !entry.chars().all(is_plain) || entry.parse::<Ipv6Addr>().is_ok() {
        return None;
    }
    format!("*{entry}").parse().ok()
}

/// The same of an entry that was read already.
pub(super) fn left_out_by_its_end(rule: BypassRule) -> BypassRule {
    let text = match &rule {
        BypassRule::Host { name, port } | BypassRule::Domain { name, port } => {
            with_port(name, *port)
        }
        BypassRule::Address { .. } => rule.to_string(),
        _ => return left_out(rule),
    };
    left_out(by_its_end(&text).unwrap_or(rule))
}

pub(crate) fn left_out(rule: BypassRule) -> BypassRule {
    BypassRule::Except(Box::new(rule))
}

/// Whatever a host can end with.
fn everything() -> Vec<String> {
    let ends = ('a'..='z').chain('0'..='9').map(String::from);
    ends.chain(["::/0".to_owned()]).collect()
}

/// Says what is left out of `*`. Another list says what is direct, which this one cannot: then
/// everything goes to the proxy.
pub(super) fn write_reversed(bypass: &Bypass) -> Written {
    if !bypass.0.contains(&BypassRule::All) {
        let named = bypass.0.iter().filter(|rule| !rule.is_except());
        let lost = |rule: &BypassRule| Note::new(Fate::Lost, Why::Reversed, &rule.to_string(), "");
        return Written {
            text: Kde.join(&everything()),
            notes: named.map(lost).collect(),
        };
    }
    let mut written = Written::default();
    let mut entries = Vec::new();
    for rule in &bypass.0 {
        let BypassRule::Except(rule) = rule else {
            continue;
        };
        let entry = format!("!{rule}");
        let saying = match &**rule {
            BypassRule::Domain { .. }
            | BypassRule::Address {
                ip: IpAddr::V4(_), ..
            } => Saying::Wider(vec![rule.to_string()], Why::Host),
            BypassRule::All => Saying::Same(everything()),
            BypassRule::Pattern { glob, port } => match glob.as_str().strip_prefix('*') {
                Some(end) if !end.contains('*') => Saying::Same(vec![with_port(end, *port)]),
                _ => Saying::Not(Why::Pattern),
            },
            rule => Kde.write(rule),
        };
        // What covers more in this list covers less of what is direct.
        let (said, note) = match saying {
            Saying::Same(said) => (said, None),
            Saying::Wider(said, why) => (said, Some((Fate::Narrowed, why))),
            Saying::Narrower(said, why) => (said, Some((Fate::Widened, why))),
            Saying::Not(why) => (Vec::new(), Some((Fate::Widened, why))),
        };
        if let Some((fate, why)) = note {
            written
                .notes
                .push(Note::new(fate, why, &entry, &said.join(" ")));
        }
        entries.extend(said);
    }
    written.text = Kde.join(&entries);
    written
}
