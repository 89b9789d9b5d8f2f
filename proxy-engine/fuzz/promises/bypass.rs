//! A bypass list that is understood says the same when it is written down and read again, and names
//! what one of its entries names and none leaves out.

use proxy_engine::config::{Bypass, BypassRule};
use proxy_engine::route::{BypassIndex, Destination, Host};

/// Each entry is asked for each of the others' hosts: lists with more are only written and read.
const ENTRIES: usize = 24;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(bypass) = text.parse::<Bypass>() else {
        return;
    };
    let written = bypass.to_string();
    let again = written.parse::<Bypass>();
    assert_eq!(
        again.as_ref(),
        Ok(&bypass),
        "{text:?} was written as {written:?}"
    );
    if bypass.0.len() <= ENTRIES {
        names_what_its_entries_name(&bypass);
    }
}

fn names_what_its_entries_name(bypass: &Bypass) {
    let index = BypassIndex::new(bypass);
    let alone = |rule: &BypassRule| BypassIndex::new(&Bypass(vec![rule.clone()]));
    let (mut named, mut left_out) = (Vec::new(), Vec::new());
    for rule in &bypass.0 {
        match rule {
            BypassRule::Except(rule) => left_out.push(alone(rule)),
            rule => named.push(alone(rule)),
        }
    }
    for to in bypass.0.iter().flat_map(hosts) {
        let by = |indexes: &[BypassIndex]| indexes.iter().any(|index| names(index, &to));
        let expected = by(&named) && !by(&left_out);
        assert_eq!(names(&index, &to), expected, "{to} in {bypass}");
    }
}

fn names(index: &BypassIndex, to: &Destination) -> bool {
    match &to.host {
        Host::Ip(ip) => index.address(*ip, to.port).is_some(),
        Host::Name(name) => index.name(name, to.port).is_some(),
    }
}

/// Hosts that the entry is near to.
fn hosts(rule: &BypassRule) -> Vec<Destination> {
    let text = rule.to_string();
    let text = text.trim_start_matches(['!', '=', '.']).replace('*', "x");
    let text = text.split('/').next().unwrap_or_default();
    ["", "a.", "a"]
        .iter()
        .filter_map(|before| Destination::parse(&format!("{before}{text}"), Some(443)))
        .collect()
}
