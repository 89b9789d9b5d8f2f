//! Which rule of a policy decides.

use proxy_engine::config::{BypassRule, DefaultRoute, Policy};

use super::url::{Host, Target};

/// The rule that decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// This machine, a private network, or a name without a dot.
    Private,
    /// A bypass entry, by its place in the policy's list.
    Bypass(usize),
    /// None of them: the default route.
    Default,
}

/// The rule for `target`, and the sentence for people.
pub(super) fn of(policy: &Policy, target: &Target) -> (Rule, String) {
    if let Some(reason) = private(&target.host) {
        return (Rule::Private, reason.to_owned());
    }
    let bypass = policy.bypass.0.iter().position(|rule| names(rule, target));
    if let Some(index) = bypass {
        return (
            Rule::Bypass(index),
            format!("bypass {}", policy.bypass.0[index]),
        );
    }
    let reason = match &policy.default {
        DefaultRoute::Direct | DefaultRoute::Upstreams { .. } => policy.cause.clone(),
        DefaultRoute::Refused { reason } => reason.clone(),
    };
    (Rule::Default, reason)
}

fn private(host: &Host) -> Option<&'static str> {
    use std::net::IpAddr;
    match host {
        Host::Name(name) if name == "localhost" || name.ends_with(".localhost") => {
            Some("this machine")
        }
        Host::Name(name) if !name.contains('.') => Some("a name without a dot"),
        Host::Name(_) => None,
        Host::Ip(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            // RFC 6598: addresses shared by a provider's customers.
            let shared = a == 100 && (64..128).contains(&b);
            (ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || a == 0
                || shared)
                .then_some("private network")
        }
        Host::Ip(IpAddr::V6(ip)) => (ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_unique_local()
            || ip.is_unicast_link_local()
            || ip.is_multicast())
        .then_some("private network"),
    }
}

fn names(rule: &BypassRule, target: &Target) -> bool {
    let on = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
    match (rule, &target.host) {
        (BypassRule::All, _) => true,
        (BypassRule::Network(network), Host::Ip(ip)) => network.contains(ip),
        (BypassRule::Address { ip, port }, Host::Ip(to)) => ip.to_canonical() == *to && on(port),
        (BypassRule::Domain { name, port }, Host::Name(to)) => {
            (to == name || below(to, name)) && on(port)
        }
        (BypassRule::Subdomains { name, port }, Host::Name(to)) => below(to, name) && on(port),
        _ => false,
    }
}

fn below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|rest| rest.ends_with('.'))
}
