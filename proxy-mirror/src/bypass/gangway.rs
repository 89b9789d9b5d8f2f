//! Gangway's own dialect, which says everything.

use proxy_engine::config::BypassRule;

use super::entry::split_at;
use super::note::Why;
use super::{Grammar, Meaning, Saying};

pub(super) struct Gangway;

impl Grammar for Gangway {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        split_at(list, &[','])
    }

    fn read(&self, entry: &str) -> Meaning {
        match entry.parse() {
            Ok(rule) => Meaning::Is(rule),
            Err(_) => Meaning::Nothing(Why::Unknown),
        }
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        Saying::Same(vec![rule.to_string()])
    }

    fn join(&self, entries: &[String]) -> String {
        entries.join(",")
    }
}
