//! Whether two entries may name the same destination. Where that cannot be told they may.

use std::net::IpAddr;

use proxy_engine::config::{BypassRule, Glob};

use super::entry::port_of;

/// What an entry is about.
enum Names<'a> {
    /// A name, and what is below it; some readers take each kind of name for the other.
    Below(&'a str),
    Plain,
    Like(&'a Glob),
    One(IpAddr),
    Network(ipnet::IpNet),
    Anything,
}

/// Whether a destination may be named by both. An exception is asked for what
/// it leaves out.
pub(super) fn may_overlap(one: &BypassRule, other: &BypassRule) -> bool {
    if let BypassRule::Except(left_out) = other {
        return may_overlap(one, left_out);
    }
    if let (Some(one), Some(other)) = (port_of(one), port_of(other))
        && one != other
    {
        return false;
    }
    let (one, other) = (names(one), names(other));
    overlap(&one, &other).or_else(|| overlap(&other, &one)) != Some(false)
}

fn names(rule: &BypassRule) -> Names<'_> {
    match rule {
        BypassRule::All => Names::Anything,
        BypassRule::PlainNames => Names::Plain,
        BypassRule::Host { name, .. }
        | BypassRule::Domain { name, .. }
        | BypassRule::Subdomains { name, .. } => Names::Below(name),
        BypassRule::Pattern { glob, .. } => Names::Like(glob),
        BypassRule::Address { ip, .. } => Names::One(ip.to_canonical()),
        BypassRule::Network(network) => Names::Network(*network),
        BypassRule::Except(rule) => names(rule),
    }
}

/// `None`: not told in this order.
fn overlap(one: &Names<'_>, other: &Names<'_>) -> Option<bool> {
    match (one, other) {
        (Names::Anything, _) | (Names::Plain, Names::Plain) => Some(true),
        (Names::Below(one), Names::Below(other)) => {
            Some(is_below(one, other) || is_below(other, one))
        }
        (Names::Below(name), Names::Plain) => Some(!name.contains('.')),
        (Names::Like(glob), Names::Plain) => Some(!glob.as_str().contains('.')),
        (Names::Like(one), Names::Like(other)) => {
            Some(ends_may_meet(end(one), end(other)) && begins_may_meet(one, other))
        }
        (Names::Like(glob), Names::Below(name)) => Some(ends_may_meet(end(glob), name)),
        (Names::Like(glob), Names::One(_) | Names::Network(_)) => {
            // Addresses hold no other letters.
            let is_for_names = |c: char| c.is_ascii_alphabetic() && !c.is_ascii_hexdigit();
            Some(!glob.as_str().contains(is_for_names))
        }
        (Names::Below(_) | Names::Plain, Names::One(_) | Names::Network(_)) => Some(false),
        (Names::One(one), Names::One(other)) => Some(one == other),
        (Names::One(ip), Names::Network(network)) => Some(network.contains(ip)),
        (Names::Network(one), Names::Network(other)) => {
            Some(one.contains(&other.network()) || other.contains(&one.network()))
        }
        _ => None,
    }
}

fn is_below(name: &str, of: &str) -> bool {
    let rest = name.strip_suffix(of);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn end(glob: &Glob) -> &str {
    glob.as_str().rsplit('*').next().unwrap_or_default()
}

/// One text can end with both only where one of them ends with the other.
fn ends_may_meet(one: &str, other: &str) -> bool {
    one.ends_with(other) || other.ends_with(one)
}

fn begins_may_meet(one: &Glob, other: &Glob) -> bool {
    let begin = |glob: &Glob| glob.pieces().next().unwrap_or_default().to_owned();
    let (one, other) = (begin(one), begin(other));
    one.starts_with(&other) || other.starts_with(&one)
}
