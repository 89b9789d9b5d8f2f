//! The bypass list, compiled: a lookup costs one step a label, a length of pattern or of prefix, not
//! one a rule.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::{Bypass, BypassRule, Glob};

/// Ports that a rule holds for; `None` stands for every port.
type PortRules = Vec<Option<u16>>;

/// Texts by their length in bytes.
type ByLength = BTreeMap<usize, HashMap<String, PortRules>>;

/// A compiled bypass list.
#[derive(Debug, Default)]
pub struct BypassIndex {
    named: Named,
    /// What is left out, whatever the rest says.
    except: Named,
}

#[derive(Debug, Default)]
struct Named {
    all: bool,
    plain_names: bool,
    /// Names that are meant alone.
    hosts: HashMap<String, PortRules>,
    /// Names that are meant themselves, and everything below them.
    domains: HashMap<String, PortRules>,
    /// Names of which only what is below them is meant.
    below: HashMap<String, PortRules>,
    addresses: HashMap<IpAddr, PortRules>,
    /// Networks by prefix length.
    networks: BTreeMap<u8, HashMap<IpAddr, IpNet>>,
    /// `build*`.
    beginnings: ByLength,
    /// `*corp.example`.
    ends: ByLength,
    /// Other patterns: few, see [`Bypass::PATTERNS`].
    patterns: Vec<(Glob, Option<u16>)>,
}

impl BypassIndex {
    /// Compiles the list.
    pub fn new(bypass: &Bypass) -> Self {
        let mut index = Self::default();
        for rule in &bypass.0 {
            match rule {
                BypassRule::Except(rule) => index.except.add(rule),
                rule => index.named.add(rule),
            }
        }
        index
    }

    /// The entry that names this address, as it is written in the list.
    pub fn address(&self, ip: IpAddr, port: u16) -> Option<String> {
        let named = self.named_address(ip, port);
        named.or_else(|| self.by_star(|named| named.address(ip, port)))
    }

    /// The same, `*` left out.
    pub fn named_address(&self, ip: IpAddr, port: u16) -> Option<String> {
        let rule = self.named.address(ip, port)?;
        self.stands(|except| except.address(ip, port))
            .then_some(rule)
    }

    /// The entry that names this host (lower case, no trailing dot), as it is written in the list.
    pub fn name(&self, name: &str, port: u16) -> Option<String> {
        if let Some(rule) = self.named_name(name, port) {
            return Some(rule);
        }
        let plain = self.named.plain_names && is_plain(name);
        if plain && self.stands(|except| except.any_name(name, port)) {
            return Some(BypassRule::PlainNames.to_string());
        }
        self.by_star(|except| except.any_name(name, port))
    }

    /// The same, `*` and `<local>` left out.
    pub fn named_name(&self, name: &str, port: u16) -> Option<String> {
        let rule = self.named.name(name, port)?;
        self.stands(|except| except.any_name(name, port))
            .then_some(rule)
    }

    /// Whether an entry leaves out names: what an address alone says is not all then.
    pub fn excepts_names(&self) -> bool {
        self.except.all || self.except.has_names()
    }

    /// Whether an entry of its own leaves this host out; `!*` names nobody.
    pub fn excepts_name(&self, name: &str, port: u16) -> bool {
        self.except.any_name(name, port).is_some()
    }

    /// The same for an address.
    pub fn excepts_address(&self, ip: IpAddr, port: u16) -> bool {
        self.except.address(ip, port).is_some()
    }

    fn by_star(&self, left_out: impl FnOnce(&Named) -> Option<String>) -> Option<String> {
        (self.named.all && self.stands(left_out)).then(|| "*".into())
    }

    /// Whether nothing leaves out what a rule names.
    fn stands(&self, left_out: impl FnOnce(&Named) -> Option<String>) -> bool {
        !self.except.all && left_out(&self.except).is_none()
    }
}

impl Named {
    fn add(&mut self, rule: &BypassRule) {
        match rule {
            BypassRule::All => self.all = true,
            BypassRule::PlainNames => self.plain_names = true,
            BypassRule::Host { name, port } => put(&mut self.hosts, name, *port),
            BypassRule::Domain { name, port } => put(&mut self.domains, name, *port),
            BypassRule::Subdomains { name, port } => put(&mut self.below, name, *port),
            BypassRule::Pattern { glob, port } => self.add_pattern(glob, *port),
            BypassRule::Address { ip, port } => {
                let ports = self.addresses.entry(ip.to_canonical()).or_default();
                ports.push(*port);
            }
            BypassRule::Network(net) => {
                let nets = self.networks.entry(net.prefix_len()).or_default();
                nets.insert(net.network(), *net);
            }
            // None stands within another.
            BypassRule::Except(_) => {}
        }
    }

    fn add_pattern(&mut self, glob: &Glob, port: Option<u16>) {
        let pieces: Vec<&str> = glob.pieces().collect();
        match pieces[..] {
            [start, ""] => put(self.beginnings.entry(start.len()).or_default(), start, port),
            ["", end] => put(self.ends.entry(end.len()).or_default(), end, port),
            _ => self.patterns.push((glob.clone(), port)),
        }
    }

    fn address(&self, ip: IpAddr, port: u16) -> Option<String> {
        let ip = ip.to_canonical();
        if holds(self.addresses.get(&ip), port) {
            return Some(ip.to_string());
        }
        let network = self.networks.iter().rev().find_map(|(length, nets)| {
            let net = IpNet::new(ip, *length).ok()?;
            nets.get(&net.network()).map(ToString::to_string)
        });
        network.or_else(|| match ip {
            IpAddr::V4(ip) if self.has_patterns() => self.pattern(&ip.to_string(), port),
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        })
    }

    fn name(&self, name: &str, port: u16) -> Option<String> {
        if holds(self.hosts.get(name), port) {
            return Some(format!("={name}"));
        }
        self.domain(name, port)
            .or_else(|| self.has_patterns().then(|| self.pattern(name, port))?)
    }

    /// The same, `<local>` among the entries.
    fn any_name(&self, name: &str, port: u16) -> Option<String> {
        let plain = self.plain_names && is_plain(name);
        self.name(name, port).or_else(|| plain.then(String::new))
    }

    fn domain(&self, name: &str, port: u16) -> Option<String> {
        let mut suffix = name;
        loop {
            if holds(self.domains.get(suffix), port) {
                return Some(suffix.to_owned());
            }
            suffix = suffix.split_once('.')?.1;
            if holds(self.below.get(suffix), port) {
                return Some(format!(".{suffix}"));
            }
        }
    }

    fn has_names(&self) -> bool {
        self.plain_names
            || !(self.hosts.is_empty() && self.domains.is_empty() && self.below.is_empty())
            || self.has_patterns()
    }

    fn has_patterns(&self) -> bool {
        !(self.beginnings.is_empty() && self.ends.is_empty() && self.patterns.is_empty())
    }

    fn pattern(&self, host: &str, port: u16) -> Option<String> {
        let beginning = self.beginnings.iter().find_map(|(length, texts)| {
            let start = host.get(..*length)?;
            holds(texts.get(start), port).then(|| format!("{start}*"))
        });
        let end = || {
            self.ends.iter().find_map(|(length, texts)| {
                let end = host.get(host.len().checked_sub(*length)?..)?;
                holds(texts.get(end), port).then(|| format!("*{end}"))
            })
        };
        let inside = || {
            let holds = |of: &Option<u16>| of.is_none_or(|of| of == port);
            let found = self
                .patterns
                .iter()
                .find(|(glob, of)| holds(of) && glob.matches(host));
            found.map(|(glob, _)| glob.to_string())
        };
        beginning.or_else(end).or_else(inside)
    }
}

fn is_plain(name: &str) -> bool {
    !name.contains('.')
}

fn put(rules: &mut HashMap<String, PortRules>, text: &str, port: Option<u16>) {
    rules.entry(text.to_owned()).or_default().push(port);
}

fn holds(ports: Option<&PortRules>, port: u16) -> bool {
    ports.is_some_and(|ports| ports.iter().any(|rule| rule.is_none_or(|p| p == port)))
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
    fn a_host_alone_is_not_what_is_below_it() {
        let list = "=one.test,=two.test:8443";
        for (host, rule) in [
            ("one.test", Some("=one.test")),
            ("a.one.test", None),
            ("two.test:8443", Some("=two.test")),
            ("two.test", None),
        ] {
            assert_eq!(named(list, host).as_deref(), rule, "{host}");
        }
    }

    #[test]
    fn a_pattern_names_names_and_written_addresses() {
        let list = "*corp.test,build*:8080,www.*.test,10.*.3.4";
        for (host, rule) in [
            ("mycorp.test", Some("*corp.test")),
            ("build7.org:8080", Some("build*")),
            ("build7.org", None),
            ("www.a.test", Some("www.*.test")),
            ("10.1.3.4", Some("10.*.3.4")),
            ("10.1.3.5", None),
            ("[::ffff:10.1.3.4]:80", Some("10.*.3.4")),
            ("xn--corp", None),
        ] {
            assert_eq!(named(list, host).as_deref(), rule, "{host}");
        }
    }

    #[test]
    fn plain_names_have_no_dot() {
        assert_eq!(named("<local>", "printer").as_deref(), Some("<local>"));
        assert_eq!(named("<local>", "printer.test"), None);
        assert_eq!(named("<local>", "192.0.2.1"), None);
    }

    #[test]
    fn what_is_left_out_is_named_by_nothing() {
        let list = "*,<local>,.corp.test,=vpn.test,198.51.100.0/24,\
                    !proxied.test,!*x.corp.test,!198.51.100.7,!printer";
        for (host, rule) in [
            ("example.org", Some("*")),
            ("proxied.test", None),
            ("a.proxied.test", None),
            ("a.corp.test", Some(".corp.test")),
            ("ax.corp.test", None),
            ("vpn.test", Some("=vpn.test")),
            ("198.51.100.8", Some("198.51.100.0/24")),
            ("198.51.100.7", None),
            ("other", Some("<local>")),
            ("printer", None),
        ] {
            assert_eq!(named(list, host).as_deref(), rule, "{host}");
        }
        assert_eq!(named("*,!<local>", "printer"), None);
        assert_eq!(named("example.org,!*", "example.org"), None);
    }

    #[test]
    fn an_empty_list_names_nothing_and_a_star_everything() {
        assert_eq!(named("", "example.org"), None);
        assert_eq!(named(" , ", "203.0.113.1"), None);
        assert_eq!(named("*", "example.org").as_deref(), Some("*"));
        assert_eq!(named("*", "203.0.113.1").as_deref(), Some("*"));
    }
}
