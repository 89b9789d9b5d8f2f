//! Lists of destinations without proxy, as people write them in many dialects, become ours.

use proxy_engine::config::{Bypass, BypassRule};

/// Translates entries that are written like `no_proxy`'s. What cannot be carried over goes to
/// `lost`, one sentence each, and stays with the proxy.
pub(super) fn translate<'a>(
    entries: impl IntoIterator<Item = &'a str>,
    lost: &mut Vec<String>,
) -> Bypass {
    let mut rules: Vec<BypassRule> = Vec::new();
    for entry in entries {
        match one(entry) {
            Ok(Some(rule)) if rules.contains(&rule) => {}
            Ok(Some(rule)) => rules.push(rule),
            Ok(None) => {}
            Err(sentence) => lost.push(sentence),
        }
    }
    Bypass(rules)
}

/// The entries of a list with commas, semicolons or white space between them.
pub(super) fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c == ',' || c == ';' || c.is_whitespace())
        .filter(|entry| !entry.is_empty())
}

fn one(entry: &str) -> Result<Option<BypassRule>, String> {
    if entry.eq_ignore_ascii_case("<local>") {
        return Err("`<local>` (names without a dot) cannot be carried over".to_owned());
    }
    // Loopback is never proxied by the engine, whatever a list says.
    if entry.eq_ignore_ascii_case("<-loopback>") {
        return Err("`<-loopback>` is not followed: loopback never goes to a proxy".to_owned());
    }
    if let Some(network) = octets_and_star(entry) {
        return Ok(Some(network));
    }
    match entry.parse() {
        Ok(rule) => Ok(Some(rule)),
        Err(_) => Err(format!(
            "the entry `{}` cannot be carried over",
            shown(entry)
        )),
    }
}

/// `192.168.*` is the network 192.168.0.0/16.
fn octets_and_star(entry: &str) -> Option<BypassRule> {
    let octets = entry.strip_suffix(".*")?.trim_end_matches(".*");
    let octets: Vec<u8> = octets
        .split('.')
        .map(|octet| octet.parse().ok())
        .collect::<Option<_>>()?;
    let length = u8::try_from(octets.len() * 8)
        .ok()
        .filter(|bits| *bits <= 24)?;
    let mut address = [0; 4];
    address[..octets.len()].copy_from_slice(&octets);
    let network = ipnet::Ipv4Net::new(address.into(), length).ok()?;
    Some(BypassRule::Network(network.into()))
}

/// An entry as it may be shown: no control characters, not longer than a line.
fn shown(entry: &str) -> String {
    entry.escape_debug().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(text: &str) -> (String, Vec<String>) {
        let mut lost = Vec::new();
        let bypass = translate(entries(text), &mut lost);
        (bypass.to_string(), lost)
    }

    #[test]
    fn every_common_spelling_is_carried_over() {
        let (bypass, lost) = translated(
            "localhost, 127.0.0.0/8;.corp.example *.lab.example\t10.1.* host.example:8443,[::1]",
        );
        assert_eq!(
            bypass,
            "localhost,127.0.0.0/8,.corp.example,.lab.example,10.1.0.0/16,host.example:8443,::1"
        );
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn what_cannot_be_carried_over_is_said_and_stays_with_the_proxy() {
        let (bypass, lost) = translated("<local>,www.*.example,ok.example");
        assert_eq!(bypass, "ok.example");
        assert_eq!(lost.len(), 2, "{lost:?}");
        assert!(lost[1].contains("`www.*.example`"), "{lost:?}");
    }
}
