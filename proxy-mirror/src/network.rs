//! The network that this machine is in, and the profile that holds there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proxy_engine::accept::interfaces;
use proxy_engine::config::Authority;
use proxy_engine::intercept::InterfacePattern;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::{Profile, Settings};

/// Whoever takes longer to take a connection is not there.
const REACHED_WITHIN: Duration = Duration::from_secs(1);
/// What was tried is known for so long, unless the network changes.
const FRESH: Duration = Duration::from_secs(30);

/// Where resolvers say what domains names are looked up in; behind systemd-resolved the first says
/// less than the second.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// What networks are recognised by, but for what they let one reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Default gateways.
    pub gateways: Vec<IpAddr>,
    /// Domains that names are looked up in.
    pub suffixes: Vec<String>,
    /// Interfaces with an address.
    pub interfaces: Vec<String>,
}

/// A profile that holds, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holds<'a> {
    /// Which.
    pub profile: &'a Profile,
    /// Whether the user chose it; else its network is this one.
    pub by_hand: bool,
}

impl Place {
    /// This machine's, now. It reads some small files.
    pub fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let mut gateways = gateways_v4(&read("/proc/thread-self/net/route"));
        gateways.extend(gateways_v6(&read("/proc/thread-self/net/ipv6_route")));
        let mut suffixes: Vec<String> = RESOLVERS
            .iter()
            .flat_map(|path| suffixes(&read(path)))
            .collect();
        suffixes.dedup();
        // Where it cannot be known, no interface is there.
        let attached = interfaces::attached_now().unwrap_or_default();
        let mut interfaces: Vec<String> = attached.iter().map(|at| at.interface.clone()).collect();
        interfaces.sort_unstable();
        interfaces.dedup();
        Self {
            gateways,
            suffixes,
            interfaces,
        }
    }

    /// Whether what the profile names, but for what must be reached, is here.
    fn bears(&self, profile: &Profile) -> bool {
        let any = |none: bool, found: bool| none || found;
        any(
            profile.gateway.is_empty(),
            { profile.gateway.iter() }.any(|gateway| self.gateways.contains(gateway)),
        ) && any(
            profile.dns_suffix.is_empty(),
            { profile.dns_suffix.iter() }.any(|suffix| self.looks_up_in(suffix)),
        ) && any(
            profile.interface.is_empty(),
            { profile.interface.iter() }.any(|pattern| self.has(pattern)),
        )
    }

    fn looks_up_in(&self, domain: &str) -> bool {
        let domain = domain.trim_matches('.').to_ascii_lowercase();
        self.suffixes.iter().any(|suffix| {
            let above = suffix.strip_suffix(&domain);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        })
    }

    fn has(&self, pattern: &InterfacePattern) -> bool {
        self.interfaces.iter().any(|name| match pattern {
            InterfacePattern::Exact(exact) => name == exact,
            InterfacePattern::Prefix(prefix) => name.starts_with(prefix),
        })
    }
}

/// Who could be reached lately.
#[derive(Debug, Default)]
pub struct Reach(Mutex<HashMap<String, (Instant, bool)>>);

impl Reach {
    /// The network is another: nothing is known.
    pub fn forget(&self) {
        self.lock().clear();
    }

    /// The profile that holds: the one that the user chose, else the first whose network this is.
    pub async fn holds<'a>(&self, settings: &'a Settings, place: &Place) -> Option<Holds<'a>> {
        let by_hand = settings.profile.as_deref();
        if let Some(profile) = by_hand.and_then(|name| settings.profile_named(name)) {
            let by_hand = true;
            return Some(Holds { profile, by_hand });
        }
        let marked = settings
            .profiles
            .iter()
            .filter(|profile| profile.has_marks());
        for profile in marked.filter(|profile| place.bears(profile)) {
            if profile.reachable.is_empty() || self.any(&profile.reachable).await {
                let by_hand = false;
                return Some(Holds { profile, by_hand });
            }
        }
        None
    }

    async fn any(&self, authorities: &[Authority]) -> bool {
        let asked = authorities.iter().map(|authority| self.reaches(authority));
        join_all(asked).await.contains(&true)
    }

    async fn reaches(&self, authority: &Authority) -> bool {
        let authority = authority.as_str();
        let known = self.lock().get(authority).copied();
        if let Some((at, reached)) = known
            && at.elapsed() < FRESH
        {
            return reached;
        }
        let tried = timeout(REACHED_WITHIN, TcpStream::connect(authority)).await;
        let reached = matches!(tried, Ok(Ok(_)));
        let now = (Instant::now(), reached);
        self.lock().insert(authority.to_owned(), now);
        reached
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, bool)>> {
        // A map of finished values is whole even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The default gateways in `/proc/net/route` (proc_pid_net(5)): hexadecimal, in this machine's byte
/// order.
fn gateways_v4(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, to, gateway, ..] = columns.as_slice() else {
            return None;
        };
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let is_default = *to == "00000000" && gateway != 0;
        is_default.then(|| IpAddr::from(gateway.to_ne_bytes()))
    };
    table.lines().filter_map(gateway).collect()
}

/// The same of `/proc/net/ipv6_route`, in the network's order.
fn gateways_v6(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let [to, "00", _, _, gateway, ..] = columns.as_slice() else {
            return None;
        };
        let gateway = u128::from_str_radix(gateway, 16).ok()?;
        let is_default = to.bytes().all(|byte| byte == b'0') && gateway != 0;
        is_default.then(|| IpAddr::from(gateway.to_be_bytes()))
    };
    table.lines().filter_map(gateway).collect()
}

/// The domains of `search` and `domain` (resolv.conf(5)), in lower case; `.` alone is none.
fn suffixes(text: &str) -> Vec<String> {
    let mut domains = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if matches!(words.next(), Some("search" | "domain")) {
            let named = words.map(|word| word.trim_matches('.').to_ascii_lowercase());
            domains.extend(named.filter(|domain| !domain.is_empty()));
        }
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            gateways: vec!["10.1.0.1".parse().unwrap()],
            suffixes: vec!["eu.corp.example".into()],
            interfaces: vec!["eth0".into(), "lo".into(), "wg1".into()],
        }
    }

    fn settings(text: &str) -> Settings {
        toml::from_str(text).expect("settings")
    }

    async fn name(settings: &Settings, place: &Place) -> Option<String> {
        let reach = Reach::default();
        let holds = reach.holds(settings, place).await;
        holds.map(|holds| holds.profile.name.clone())
    }

    #[test]
    fn gateways_and_domains_are_read_as_the_kernel_and_resolvers_write_them() {
        let v4 = "Iface\tDestination\tGateway \tFlags\n\
                  eth0\t00000000\t0100010A\t0003\n\
                  eth0\t0000010A\t00000000\t0001\n\
                  tun0\t00000000\t00000000\t0001\n";
        assert_eq!(gateways_v4(v4), ["10.1.0.1".parse::<IpAddr>().unwrap()]);
        let zeros = "0".repeat(32);
        let v6 = format!(
            "{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 0 0 00000003 eth0\n\
             20010db8000000000000000000000000 40 {zeros} 00 {zeros} 00000100 0 0 00000001 eth0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 00200200 lo\n"
        );
        assert_eq!(gateways_v6(&v6), ["fe80::1".parse::<IpAddr>().unwrap()]);
        let resolver =
            "# x\nnameserver 127.0.0.53\nsearch EU.Corp.example. lab.example\ndomain .\n";
        assert_eq!(suffixes(resolver), ["eu.corp.example", "lab.example"]);
    }

    #[tokio::test]
    async fn the_first_profile_whose_every_mark_is_here_holds() {
        for (marks, holds) in [
            ("gateway = [\"10.9.9.9\", \"10.1.0.1\"]", true),
            ("gateway = [\"10.9.9.9\"]", false),
            ("dns_suffix = [\"corp.example\"]", true),
            ("dns_suffix = [\".EU.corp.example\"]", true),
            ("dns_suffix = [\"orp.example\"]", false),
            ("interface = [\"wg*\"]", true),
            ("interface = [\"wg\"]", false),
            ("interface = [\"wg*\"]\ngateway = [\"10.9.9.9\"]", false),
            // Nothing that it is recognised by: the user alone chooses it.
            ("", false),
        ] {
            let text = format!(
                "[[profiles]]\nname = \"a\"\n{marks}\n\
                 [[profiles]]\nname = \"b\"\ninterface = [\"eth0\"]\n"
            );
            let wanted = if holds { "a" } else { "b" };
            assert_eq!(
                name(&settings(&text), &place()).await.as_deref(),
                Some(wanted),
                "{marks}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_user_chose_holds_in_every_network_while_there_is_such_a_profile() {
        let text = "profile = \"home\"\n[[profiles]]\nname = \"office\"\n\
                    gateway = [\"10.1.0.1\"]\n[[profiles]]\nname = \"home\"\n";
        let mut settings = settings(text);
        assert_eq!(name(&settings, &place()).await.as_deref(), Some("home"));
        settings.profile = Some("gone".into());
        assert_eq!(name(&settings, &place()).await.as_deref(), Some("office"));
        assert_eq!(name(&settings, &Place::default()).await, None);
    }

    #[tokio::test]
    async fn a_network_is_recognised_by_what_can_be_reached_in_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let text = format!("[[profiles]]\nname = \"office\"\nreachable = [\"{proxy}\"]\n");
        let settings = settings(&text);
        let reach = Reach::default();
        let place = Place::default();
        assert!(reach.holds(&settings, &place).await.is_some());
        drop(listener);
        // It is not asked at every look, but in every network.
        assert!(reach.holds(&settings, &place).await.is_some());
        reach.forget();
        assert!(reach.holds(&settings, &place).await.is_none());
    }
}
