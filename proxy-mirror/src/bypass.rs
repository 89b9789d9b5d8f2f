//! Lists of destinations without proxy, in the dialects that programs write them in.
//!
//! Every reader makes the one parsed form of them ([`Bypass`]), and every writer says it again in a
//! dialect that may be poorer: what is lost or covers more there is reported, entry by entry. What
//! cannot be said goes to the proxy, never directly, but for names: one that is meant alone covers
//! what is below it where a dialect knows no other way.

mod chrome;
mod curl;
mod docker;
mod entry;
mod env;
mod firefox;
mod gangway;
mod gnome;
mod go;
mod kde;
mod macos;
mod note;
mod overlap;
mod windows;

use std::fmt;
use std::str::FromStr;

use proxy_engine::config::{Bypass, BypassRule};

pub(crate) use env::read as read_env;
pub use note::{Fate, Note};

use note::Why;

/// How a program writes such a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Gangway's own: loses nothing.
    Gangway,
    /// `ProxyOverride` of Windows.
    Windows,
    /// The exceptions of macOS's network settings; `<local>` stands for the switch beside them.
    Macos,
    /// `ignore-hosts` of GNOME.
    Gnome,
    /// `NoProxyFor` of KDE.
    Kde,
    /// The same with `ReversedException`: the only destinations that do go to the proxy.
    KdeReversed,
    /// `network.proxy.no_proxies_on` of Firefox.
    Firefox,
    /// `ProxyBypassList` of Chrome, Chromium and Edge.
    Chrome,
    /// `NO_PROXY` as Go programs read it: dockerd, containerd, kubelet.
    Go,
    /// `NO_PROXY` as curl reads it.
    Curl,
    /// `noProxy` of Docker's `config.json`: `NO_PROXY` of whatever runs in a container.
    Docker,
}

/// A list that was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Understood {
    /// What it means.
    pub bypass: Bypass,
    /// Entries that mean nothing here, or less than there.
    pub notes: Vec<Note>,
    /// There was no room for one that leaves something out: no entry can be followed any more.
    closed: bool,
}

/// A list that was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The list, as the dialect has it.
    pub text: String,
    /// Entries that mean something else there.
    pub notes: Vec<Note>,
}

/// A name that no dialect has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is no dialect: choose one of {}", .0.escape_debug(), names())]
pub struct UnknownDialect(pub String);

/// One dialect's grammar.
trait Grammar {
    /// The entries of a list.
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str>;

    /// What one entry means.
    fn read(&self, entry: &str) -> Meaning;

    /// What the only entry of a list means.
    fn read_alone(&self, entry: &str) -> Meaning {
        self.read(entry)
    }

    /// How one entry is said.
    fn write(&self, rule: &BypassRule) -> Saying;

    /// The list of such entries.
    fn join(&self, entries: &[String]) -> String;
}

/// What an entry means.
enum Meaning {
    Is(BypassRule),
    /// As much of it as can be followed.
    Partly(BypassRule, Why),
    Nothing(Why),
}

/// How an entry is said: none, one or more entries.
enum Saying {
    Same(Vec<String>),
    /// It covers more there.
    Wider(Vec<String>, Why),
    /// It covers less there.
    Narrower(Vec<String>, Why),
    Not(Why),
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 11] = [
        Self::Gangway,
        Self::Windows,
        Self::Macos,
        Self::Gnome,
        Self::Kde,
        Self::KdeReversed,
        Self::Firefox,
        Self::Chrome,
        Self::Go,
        Self::Curl,
        Self::Docker,
    ];

    /// The name to type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gangway => "gangway",
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Gnome => "gnome",
            Self::Kde => "kde",
            Self::KdeReversed => "kde-reversed",
            Self::Firefox => "firefox",
            Self::Chrome => "chrome",
            Self::Go => "go",
            Self::Curl => "curl",
            Self::Docker => "docker",
        }
    }

    /// What a list of this dialect means.
    pub fn read(self, list: &str) -> Understood {
        if self == Self::KdeReversed {
            return kde::read_reversed(list);
        }
        let grammar = self.grammar();
        let mut understood = Understood::default();
        match grammar.split(list)[..] {
            [entry] => understood.take(entry, grammar.read_alone(entry)),
            ref entries => {
                for entry in entries {
                    understood.take(entry, grammar.read(entry));
                }
            }
        }
        understood
    }

    /// The list in this dialect.
    pub fn write(self, bypass: &Bypass) -> Written {
        match self {
            Self::Gangway => Written {
                text: bypass.to_string(),
                notes: Vec::new(),
            },
            Self::KdeReversed => kde::write_reversed(bypass),
            _ => written(self.grammar(), bypass),
        }
    }

    fn grammar(self) -> &'static dyn Grammar {
        match self {
            Self::Gangway => &gangway::Gangway,
            Self::Windows => &windows::Windows,
            Self::Macos => &macos::Macos,
            Self::Gnome => &gnome::Gnome,
            Self::Kde | Self::KdeReversed => &kde::Kde,
            Self::Firefox => &firefox::Firefox,
            Self::Chrome => &chrome::Chrome,
            Self::Go => &go::Go,
            Self::Curl => &curl::Curl,
            Self::Docker => &docker::Docker,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(name: &str) -> Result<Self, UnknownDialect> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.name() == name);
        found.ok_or_else(|| UnknownDialect(name.to_owned()))
    }
}

fn names() -> String {
    Dialect::ALL.map(Dialect::name).join(", ")
}

impl Understood {
    fn take(&mut self, entry: &str, meaning: Meaning) {
        let rule = match meaning {
            Meaning::Is(rule) => rule,
            Meaning::Partly(rule, why) => {
                let note = Note::new(Fate::Narrowed, why, entry, &rule.to_string());
                self.notes.push(note);
                rule
            }
            Meaning::Nothing(why) => {
                self.notes.push(Note::new(Fate::Lost, why, entry, ""));
                return;
            }
        };
        let leaves_out = rule.is_except();
        if self.closed || self.bypass.add(rule).is_err() {
            self.notes
                .push(Note::new(Fate::Lost, Why::TooMany, entry, ""));
            if leaves_out {
                // What it leaves out must not go directly because there is no room to say so.
                self.bypass = Bypass::default();
                self.closed = true;
            }
        }
    }

    /// What a program that parses its own list took it for.
    pub(crate) fn add(&mut self, rule: BypassRule) {
        let entry = rule.to_string();
        self.take(&entry, Meaning::Is(rule));
    }

    /// The same in KDE's reversed list: what does go to the proxy.
    pub(crate) fn add_reversed(&mut self, rule: BypassRule) {
        self.add(kde::left_out_by_its_end(rule));
    }

    /// An entry that such a program did not understand.
    pub(crate) fn add_unknown(&mut self, entry: &str) {
        self.take(entry, Meaning::Nothing(Why::Unknown));
    }

    /// `<-loopback>`.
    pub(crate) fn add_loopback(&mut self, entry: &str) {
        self.take(entry, Meaning::Nothing(Why::Loopback));
    }
}

impl Saying {
    /// Whether a reader of what is said may take it for something that is left out.
    fn may_name_any_of(&self, grammar: &dyn Grammar, except: &[&BypassRule]) -> bool {
        let (Self::Same(said) | Self::Wider(said, _) | Self::Narrower(said, _)) = self else {
            return false;
        };
        said.iter().any(|entry| match grammar.read(entry) {
            Meaning::Is(rule) | Meaning::Partly(rule, _) => except
                .iter()
                .any(|except| overlap::may_overlap(&rule, except)),
            Meaning::Nothing(_) => !except.is_empty(),
        })
    }
}

/// `*` without exceptions says all that the rest could; with exceptions, which no dialect has but
/// KDE's reversed list, it is not said at all, lest what it leaves out goes directly; nor is an entry
/// that names some of what is left out.
fn written(grammar: &dyn Grammar, bypass: &Bypass) -> Written {
    let (except, named): (Vec<&BypassRule>, Vec<&BypassRule>) =
        bypass.0.iter().partition(|rule| rule.is_except());
    let mut notes = Vec::new();
    let mut entries: Vec<String> = Vec::new();
    let mut put = |said: Vec<String>| {
        for entry in said {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    };
    if named.contains(&&BypassRule::All) {
        match grammar.write(&BypassRule::All) {
            Saying::Same(all) if except.is_empty() => {
                return Written {
                    text: grammar.join(&all),
                    notes,
                };
            }
            _ => {
                let why = if except.is_empty() {
                    Why::All
                } else {
                    Why::AllBut
                };
                notes.push(Note::new(Fate::Lost, why, "*", ""));
            }
        }
    }
    for rule in named.into_iter().filter(|rule| **rule != BypassRule::All) {
        let entry = rule.to_string();
        let saying = grammar.write(rule);
        if saying.may_name_any_of(grammar, &except) {
            notes.push(Note::new(Fate::Lost, Why::Except, &entry, ""));
            continue;
        }
        let (said, note) = match saying {
            Saying::Same(said) => (said, None),
            Saying::Wider(said, why) => (said, Some((Fate::Widened, why))),
            Saying::Narrower(said, why) => (said, Some((Fate::Narrowed, why))),
            Saying::Not(why) => (Vec::new(), Some((Fate::Lost, why))),
        };
        if let Some((fate, why)) = note {
            notes.push(Note::new(fate, why, &entry, &said.join(" ")));
        }
        put(said);
    }
    Written {
        text: grammar.join(&entries),
        notes,
    }
}

#[cfg(test)]
mod tests;
