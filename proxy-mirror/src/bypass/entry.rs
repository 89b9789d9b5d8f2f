//! What the dialects have in common: entries of hosts, ports and schemes.

use proxy_engine::config::BypassRule;

use super::Meaning;
use super::note::Why;

/// The entries between any of these characters.
pub(super) fn split_at<'a>(list: &'a str, separators: &[char]) -> Vec<&'a str> {
    list.split(separators)
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect()
}

/// What our own grammar makes of an entry that was written in another: words that only we have are
/// none there.
pub(super) fn parsed(entry: &str) -> Result<BypassRule, Why> {
    if entry.eq_ignore_ascii_case("<-loopback>") {
        return Err(Why::Loopback);
    }
    if entry.starts_with(['=', '!']) {
        return Err(Why::Unknown);
    }
    entry.parse().map_err(|_| Why::Unknown)
}

/// The same with `scheme://` in front, which holds the rule to the scheme's own port: a tunnel tells
/// its port, not its scheme.
pub(super) fn parsed_with_scheme(
    entry: &str,
    read: impl Fn(&str) -> Result<BypassRule, Why>,
) -> Meaning {
    let (port, rest) = match entry.split_once("://") {
        None => {
            return read(entry).map_or_else(Meaning::Nothing, Meaning::Is);
        }
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (80, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (443, rest),
        Some(_) => return Meaning::Nothing(Why::Unknown),
    };
    match read(rest).and_then(|rule| on_port(rule, port).ok_or(Why::Scheme)) {
        Ok(rule) => Meaning::Partly(rule, Why::Scheme),
        Err(why) => Meaning::Nothing(why),
    }
}

/// The rule on this port alone, unless it names one itself; `None` where a rule has no port.
pub(super) fn on_port(mut rule: BypassRule, only: u16) -> Option<BypassRule> {
    match &mut rule {
        BypassRule::Host { port, .. }
        | BypassRule::Domain { port, .. }
        | BypassRule::Subdomains { port, .. }
        | BypassRule::Pattern { port, .. }
        | BypassRule::Address { port, .. } => {
            port.get_or_insert(only);
            Some(rule)
        }
        BypassRule::All
        | BypassRule::PlainNames
        | BypassRule::Network(_)
        | BypassRule::Except(_) => None,
    }
}

/// A bare name means that host alone in some dialects.
pub(super) fn host_alone(rule: BypassRule) -> BypassRule {
    match rule {
        BypassRule::Domain { name, port } => BypassRule::Host { name, port },
        rule => rule,
    }
}

/// The port of a rule that has one.
pub(super) fn port_of(rule: &BypassRule) -> Option<u16> {
    match rule {
        BypassRule::Host { port, .. }
        | BypassRule::Domain { port, .. }
        | BypassRule::Subdomains { port, .. }
        | BypassRule::Pattern { port, .. }
        | BypassRule::Address { port, .. } => *port,
        BypassRule::All
        | BypassRule::PlainNames
        | BypassRule::Network(_)
        | BypassRule::Except(_) => None,
    }
}

/// `text`, with the port behind it where there is one.
pub(super) fn with_port(text: &str, port: Option<u16>) -> String {
    port.map_or_else(|| text.to_owned(), |port| format!("{text}:{port}"))
}

/// The domain that ends a pattern like `*corp.example`; `None` where no domain does.
pub(super) fn domain_at_the_end(rule: &BypassRule) -> Option<BypassRule> {
    let BypassRule::Pattern { glob, port } = rule else {
        return None;
    };
    let end = glob.as_str().strip_prefix('*')?;
    let last = end.rsplit('.').next()?;
    let is_name = end.starts_with(|c: char| c.is_ascii_alphanumeric())
        && last.bytes().any(|b| b.is_ascii_alphabetic());
    match with_port(end, *port).parse() {
        Ok(domain @ BypassRule::Domain { .. }) if is_name => Some(domain),
        _ => None,
    }
}
