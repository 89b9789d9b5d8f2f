//! The bypass list, compiled: a lookup costs one step a label or a prefix length, not one a rule.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Bypass, BypassRule};

/// Ports that a rule holds for; `None` stands for every port.
type PortRules = Vec<Option<u16>>;

/// A compiled bypass list.
#[derive(Debug, Default)]
pub struct BypassIndex {
    all: bool,
    /// Names that are meant themselves, and everything below them.
    domains: HashMap<String, PortRules>,
    /// Names of which only what is below them is meant.
    below: HashMap<String, PortRules>,
    addresses: HashMap<IpAddr, PortRules>,
    /// Networks by prefix length.
    networks: BTreeMap<u8, HashMap<IpAddr, IpNet>>,
}

impl BypassIndex {
    /// Compiles the list.
    pub fn new(bypass: &Bypass) -> Self {
        let mut index = Self::default();
        for rule in &bypass.0 {
            match rule {
                BypassRule::All => index.all = true,
                BypassRule::Domain { name, port } => {
                    index.domains.entry(name.clone()).or_default().push(*port);
                }
                BypassRule::Subdomains { name, port } => {
                    index.below.entry(name.clone()).or_default().push(*port);
                }
                BypassRule::Address { ip, port } => {
                    let ports = index.addresses.entry(ip.to_canonical()).or_default();
                    ports.push(*port);
                }
                BypassRule::Network(net) => {
                    let nets = index.networks.entry(net.prefix_len()).or_default();
                    nets.insert(net.network(), *net);
                }
            }
        }
        index
    }

    /// Whether `*` is among the entries.
    pub fn is_all(&self) -> bool {
        self.all
    }

    /// The entry that names this address, as it is written in the list.
    pub fn address(&self, ip: IpAddr, port: u16) -> Option<String> {
        if self.all {
            return Some("*".into());
        }
        self.named_address(ip, port)
    }

    /// The same, `*` left out.
    pub fn named_address(&self, ip: IpAddr, port: u16) -> Option<String> {
        let ip = ip.to_canonical();
        if self
            .addresses
            .get(&ip)
            .is_some_and(|ports| holds(ports, port))
        {
            return Some(ip.to_string());
        }
        self.networks.iter().rev().find_map(|(length, nets)| {
            let net = IpNet::new(ip, *length).ok()?;
            nets.get(&net.network()).map(ToString::to_string)
        })
    }

    /// The entry that names this host (lower case, no trailing dot), as it is written in the list.
    pub fn name(&self, name: &str, port: u16) -> Option<String> {
        if self.all {
            return Some("*".into());
        }
        self.named_name(name, port)
    }

    /// The same, `*` left out.
    pub fn named_name(&self, name: &str, port: u16) -> Option<String> {
        let mut suffix = name;
        loop {
            if self
                .domains
                .get(suffix)
                .is_some_and(|ports| holds(ports, port))
            {
                return Some(suffix.to_owned());
            }
            suffix = suffix.split_once('.')?.1;
            if self
                .below
                .get(suffix)
                .is_some_and(|ports| holds(ports, port))
            {
                return Some(format!(".{suffix}"));
            }
        }
    }
}

fn holds(ports: &[Option<u16>], port: u16) -> bool {
    ports.iter().any(|rule| rule.is_none_or(|p| p == port))
}

#[cfg(test)]
mod tests {
    use super::BypassIndex;
    use crate::route::{Destination, Host};

    fn named(list: &str, authority: &str) -> Option<String> {
        let index = BypassIndex::new(&list.parse().expect("bypass list"));
        let to = Destination::parse(authority, Some(443)).expect("authority");
        match to.host {
            Host::Name(name) => index.name(&name, to.port),
            Host::Ip(ip) => index.address(ip, to.port),
        }
    }

    #[test]
    fn a_suffix_ends_at_a_label() {
        let list = "example.org,.corp.test,*.wild.test,only.test:8443";
        for (host, rule) in [
            ("example.org", Some("example.org")),
            ("a.b.Example.org.", Some("example.org")),
            ("badexample.org", None),
            ("corp.test", None),
            ("a.corp.test", Some(".corp.test")),
            ("wild.test", None),
            ("x.wild.test", Some(".wild.test")),
            ("only.test", None),
            ("only.test:8443", Some("only.test")),
            ("org", None),
        ] {
            assert_eq!(named(list, host).as_deref(), rule, "{host}");
        }
    }

    #[test]
    fn an_address_is_found_in_the_longest_network() {
        let list = "10.0.0.0/8,10.1.0.0/16,203.0.113.7:443,2001:db8::/32";
        for (host, rule) in [
            ("10.1.2.3", Some("10.1.0.0/16")),
            ("10.2.2.3", Some("10.0.0.0/8")),
            ("11.0.0.1", None),
            ("203.0.113.7:443", Some("203.0.113.7")),
            ("203.0.113.7:80", None),
            ("[2001:db8:1::1]:80", Some("2001:db8::/32")),
            ("[::ffff:10.1.2.3]:80", Some("10.1.0.0/16")),
        ] {
            assert_eq!(named(list, host).as_deref(), rule, "{host}");
        }
    }

    #[test]
    fn an_empty_list_names_nothing_and_a_star_everything() {
        assert_eq!(named("", "example.org"), None);
        assert_eq!(named(" , ", "203.0.113.1"), None);
        assert_eq!(named("*", "example.org").as_deref(), Some("*"));
        assert_eq!(named("*", "203.0.113.1").as_deref(), Some("*"));
    }
}
