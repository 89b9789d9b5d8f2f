//! The policy's rules, compiled: destinations that go ways of their own.

use std::sync::Arc;

use super::{BypassIndex, Destination, Host, Route};
use crate::config::{BypassRule, Rule, Way};

/// Rules in their order. Looking for the one that decides costs a step a rule, however many
/// destinations each of them names.
#[derive(Debug, Default)]
pub(super) struct Rules {
    rules: Vec<Compiled>,
    ask_names: bool,
}

#[derive(Debug)]
struct Compiled {
    destinations: BypassIndex,
    ways: Arc<[Way]>,
}

/// What the rules say about a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    /// In order, at least one.
    pub ways: Arc<[Way]>,
    /// The entry that holds for the destination, as it is written in its rule.
    pub entry: String,
    /// Whether that entry names it; `*` names nobody.
    pub named: bool,
}

impl Rules {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let compiled = rules.iter().map(|rule| Compiled {
            destinations: BypassIndex::new(&rule.destinations),
            ways: rule.ways.as_slice().into(),
        });
        Self {
            rules: compiled.collect(),
            ask_names: { rules.iter() }.any(|rule| rule.destinations.0.iter().any(names_names)),
        }
    }

    /// Whether some rule names hosts by their names.
    pub(super) fn ask_names(&self) -> bool {
        self.ask_names
    }

    /// What the first rule says that holds for the destination.
    pub(super) fn about(&self, to: &Destination) -> Option<Ruling> {
        self.rules.iter().find_map(|rule| {
            let named = match &to.host {
                Host::Ip(ip) => rule.destinations.named_address(*ip, to.port),
                Host::Name(name) => rule.destinations.named_name(name, to.port),
            };
            let any = || match &to.host {
                Host::Ip(ip) => rule.destinations.address(*ip, to.port),
                Host::Name(name) => rule.destinations.name(name, to.port),
            };
            Some(Ruling {
                named: named.is_some(),
                entry: named.or_else(any)?,
                ways: Arc::clone(&rule.ways),
            })
        })
    }
}

/// Whether the entry names hosts by their names.
fn names_names(entry: &BypassRule) -> bool {
    match entry {
        BypassRule::All | BypassRule::Address { .. } | BypassRule::Network(_) => false,
        BypassRule::PlainNames
        | BypassRule::Host { .. }
        | BypassRule::Domain { .. }
        | BypassRule::Subdomains { .. }
        | BypassRule::Pattern { .. } => true,
        BypassRule::Except(entry) => names_names(entry),
    }
}

impl Ruling {
    /// Whether the destination may be dialled by the engine itself.
    pub fn may_be_direct(&self) -> bool {
        self.ways.contains(&Way::Direct)
    }

    /// The same through upstreams only; `None` where there is none among the ways.
    pub(super) fn through_upstreams(self) -> Option<Self> {
        let ways: Arc<[Way]> = { self.ways.iter() }
            .filter(|way| **way != Way::Direct)
            .cloned()
            .collect();
        (!ways.is_empty()).then_some(Self { ways, ..self })
    }
}

impl From<Ruling> for Route {
    fn from(ruling: Ruling) -> Self {
        let reason = format!("rule {}", ruling.entry);
        match *ruling.ways {
            [Way::Direct] => Self::Direct { reason },
            [] => Self::Refused {
                reason: format!("{reason} names no way"),
            },
            _ => Self::Upstreams {
                ways: ruling.ways,
                reason,
            },
        }
    }
}

#[cfg(test)]
mod tests;
