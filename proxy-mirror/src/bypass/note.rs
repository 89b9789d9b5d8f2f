//! What became of an entry that a dialect cannot say as it is meant.

use crate::control::Problem;

/// An entry that means something else in the other dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What became of it.
    pub fate: Fate,
    /// The entry as it stood.
    pub entry: String,
    /// What it became; empty where it became nothing.
    pub became: String,
    why: Why,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing: what it names goes to the proxy.
    Lost,
    /// It names less: the rest goes to the proxy.
    Narrowed,
    /// It names more, which is dialled directly.
    Widened,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It is no entry.
    Unknown,
    /// It is one that its own program never matches.
    Dead,
    /// Loopback never goes to a proxy.
    Loopback,
    /// It holds for one scheme.
    Scheme,
    /// The list holds too many patterns.
    TooMany,
    /// It stands in a reversed list.
    Reversed,
    /// There is no way to say "everything".
    All,
    /// There is no way to say "everything but".
    AllBut,
    /// Part of it is left out, and there is no way to say so.
    Except,
    /// There is no way to name a host alone.
    Host,
    /// There is no way to name what is below a name alone.
    Subdomains,
    /// There are no patterns.
    Pattern,
    /// There are no ports.
    Port,
    /// Networks of this size, or of this family, cannot be said.
    Network,
    /// Names without a dot cannot be said.
    PlainNames,
}

impl Note {
    pub(super) fn new(fate: Fate, why: Why, entry: &str, became: &str) -> Self {
        let shown = |text: &str| text.escape_debug().take(80).collect();
        Self {
            fate,
            entry: shown(entry),
            became: shown(became),
            why,
        }
    }

    /// For people; `place` is the list that is spoken of: `prefs.js:12`, `Docker daemon`.
    pub fn problem(&self, place: &dyn std::fmt::Display) -> Problem {
        let key = self.code();
        let said = crate::control::Said::new(
            &format!("problem_{key}"),
            &[
                ("place", place),
                ("entry", &self.entry),
                ("became", &self.became),
            ],
        );
        Problem {
            code: key.to_owned(),
            message: said.english,
            args: said.args,
        }
    }

    fn code(&self) -> &'static str {
        match (self.why, self.fate) {
            (Why::Unknown, _) => "bypass_unknown",
            (Why::Dead, _) => "bypass_dead",
            (Why::Loopback, _) => "bypass_loopback",
            (Why::Scheme, Fate::Lost) => "bypass_scheme_lost",
            (Why::Scheme, _) => "bypass_scheme",
            (Why::TooMany, _) => "bypass_too_many",
            (Why::Reversed, _) => "bypass_reversed",
            (Why::All, _) => "bypass_no_all",
            (Why::AllBut, _) => "bypass_no_all_but",
            (Why::Except, _) => "bypass_no_except",
            (Why::Host, Fate::Widened) => "bypass_no_host",
            (Why::Subdomains, Fate::Widened) => "bypass_no_subdomains",
            (Why::Pattern, Fate::Narrowed) => "bypass_pattern_narrowed",
            (Why::Pattern, _) => "bypass_no_pattern",
            (Why::Port, Fate::Narrowed) => "bypass_port_narrowed",
            (Why::Port, _) => "bypass_no_port",
            (Why::Network, _) => "bypass_no_network",
            (Why::PlainNames, _) => "bypass_no_plain_names",
            // In a reversed list, where less to the proxy is more directly.
            (Why::Host | Why::Subdomains, _) => "bypass_narrowed",
        }
    }
}
