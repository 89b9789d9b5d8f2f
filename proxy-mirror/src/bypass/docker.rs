//! `noProxy` of Docker's `config.json`, which becomes `NO_PROXY` of whatever runs in a container.
//! It is written as Go programs read it; what curl, and most others, make of it is reported.

use proxy_engine::config::BypassRule;

use super::curl::Curl;
use super::go::Go;
use super::{Grammar, Meaning, Saying};

pub(super) struct Docker;

impl Grammar for Docker {
    fn split<'a>(&self, list: &'a str) -> Vec<&'a str> {
        Go.split(list)
    }

    fn read(&self, entry: &str) -> Meaning {
        Go.read(entry)
    }

    fn write(&self, rule: &BypassRule) -> Saying {
        match (Go.write(rule), Curl.write(rule)) {
            (Saying::Same(said), Saying::Wider(_, why)) => Saying::Wider(said, why),
            (Saying::Same(said), Saying::Narrower(_, why) | Saying::Not(why)) => {
                Saying::Narrower(said, why)
            }
            (said, _) => said,
        }
    }

    fn join(&self, entries: &[String]) -> String {
        Go.join(entries)
    }
}
