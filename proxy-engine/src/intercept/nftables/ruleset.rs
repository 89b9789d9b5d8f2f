//! The shape of the table. As `nft list table` shows it, for `br-*`, ports 80 and 443, listener
//! 3183, on a machine with the addresses 172.18.0.1 and 2001:db8::1:
//!
//! ```text
//! table inet gangway-4711 {
//!     flags owner
//!     set local4   { type ipv4_addr;    elements = { 172.18.0.1 } }
//!     set local6   { type ipv6_addr;    elements = { 2001:db8::1 } }
//!     set private4 { type ipv4_addr;    flags interval; elements = { 10.0.0.0/8, … } }
//!     set private6 { type ipv6_addr;    flags interval; elements = { fc00::/7, … } }
//!     set neighbours4 { type ipv4_addr; flags interval; elements = { 172.18.0.0/16 } }
//!     set neighbours6 { type ipv6_addr; flags interval }
//!     set ports    { type inet_service; elements = { 80, 443 } }
//!     chain capture {
//!         tcp flags & (fin | syn | rst | ack) != syn return
//!         ip daddr @local4 return
//!         ip daddr @private4 return
//!         ip daddr @neighbours4 return
//!         meta nfproto ipv4 tcp dport @ports dnat ip to 172.18.0.1:3183
//!         … the same for IPv6
//!     }
//!     chain quic {
//!         ct direction original ip daddr @local4 return …
//!         meta nfproto ipv4 reject with icmpx port-unreachable …
//!     }
//!     chain prerouting {
//!         type nat hook prerouting priority dstnat + 1
//!         iifname "br-*" meta l4proto tcp jump capture
//!     }
//!     chain forward {
//!         type filter hook forward priority filter
//!         iifname "br-*" ct direction original meta l4proto udp udp dport 443 jump quic
//!     }
//!     chain input {
//!         type filter hook input priority filter
//!         tcp dport 3183 ct status dnat accept
//!         tcp dport 3183 reject with tcp reset
//!     }
//! }
//! ```
//!
//! One below the usual `dstnat`, so that published ports and cluster services, which sit there,
//! are translated first and stay out of it: the first translation of a connection is the only one.
//! Only opening segments are captured: where connection tracking starts with this table, it would
//! otherwise take a running connection for a new one. UDP to 443 is refused so that clients of
//! QUIC turn to TCP at once.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::constants::{message as m, rule, set, table as t};
use super::expression::Family;
use super::objects::{
    KeyType, elements, intervals, message, new_chain, new_rule, new_set, new_table, octets,
};
use super::private;
use crate::config::Ports;
use crate::intercept::InterfacePattern;
use crate::intercept::netlink::Message;

/// IANA number of TCP.
const TCP: u8 = 6;
/// IANA number of UDP.
const UDP: u8 = 17;
/// `NF_INET_PRE_ROUTING`, `NF_INET_LOCAL_IN`, `NF_INET_FORWARD`.
const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
/// `NF_IP_PRI_NAT_DST` + 1.
const BEHIND_DSTNAT: i32 = -99;

/// What shall be captured, and where it shall go.
#[derive(Debug)]
pub(crate) struct Capture<'a> {
    /// Where traffic comes in.
    pub(crate) interfaces: &'a [InterfacePattern],
    /// Where it is left alone all the same.
    pub(crate) exclude: &'a [InterfacePattern],
    /// Destination ports.
    pub(crate) ports: &'a Ports,
    /// The transparent listener's port.
    pub(crate) listener: u16,
    /// This machine's own addresses.
    pub(crate) local: &'a BTreeSet<IpAddr>,
    /// The networks of `interfaces`; sorted, without overlap.
    pub(crate) neighbours: &'a [IpNet],
    /// Where captured connections are sent.
    pub(crate) targets: Targets,
}

/// Addresses of this network namespace to which captured connections are sent. A family without
/// one is not captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Targets {
    /// For IPv4.
    pub(crate) v4: Option<Ipv4Addr>,
    /// For IPv6.
    pub(crate) v6: Option<Ipv6Addr>,
}

/// The messages that make the table `table` and fill it.
pub(crate) fn install(table: &str, capture: &Capture<'_>) -> Vec<Message> {
    let mut batch = vec![new_table(table)];
    batch.extend([
        new_set(table, "local4", KeyType::Ipv4, 0, 1),
        new_set(table, "local6", KeyType::Ipv6, 0, 2),
        new_set(table, "private4", KeyType::Ipv4, set::INTERVAL, 3),
        new_set(table, "private6", KeyType::Ipv6, set::INTERVAL, 4),
        new_set(table, "neighbours4", KeyType::Ipv4, set::INTERVAL, 5),
        new_set(table, "neighbours6", KeyType::Ipv6, set::INTERVAL, 6),
        new_set(table, "ports", KeyType::Port, 0, 7),
    ]);
    batch.extend(elements(
        table,
        "private4",
        intervals(private::V4.map(IpNet::V4)),
    ));
    batch.extend(elements(
        table,
        "private6",
        intervals(private::V6.map(IpNet::V6)),
    ));
    batch.extend([
        new_chain(table, "capture", None),
        new_chain(table, "quic", None),
        new_chain(
            table,
            "prerouting",
            Some(("nat", PREROUTING, BEHIND_DSTNAT)),
        ),
        new_chain(table, "forward", Some(("filter", FORWARD, 0))),
        new_chain(table, "input", Some(("filter", INPUT, 0))),
    ]);
    batch.extend(fill(table, capture));
    batch
}

/// The messages that give the table other contents.
pub(crate) fn replace(table: &str, capture: &Capture<'_>) -> Vec<Message> {
    let mut batch = clear(table);
    batch.extend(fill(table, capture));
    batch
}

/// The messages that leave a table which captures nothing more, but whose NAT chain keeps the
/// kernel translating the connections that were captured. The listener stays guarded.
pub(crate) fn inert(table: &str, listener: u16) -> Vec<Message> {
    let mut batch = clear(table);
    batch.extend(guard(table, listener));
    batch
}

/// The message that removes the table.
pub(crate) fn remove(table: &str) -> Vec<Message> {
    let mut message = message(m::DELETE_TABLE, 0, "the removal of the table");
    message.put_str(t::NAME, table);
    vec![message]
}

fn clear(table: &str) -> Vec<Message> {
    let mut rules = message(m::DELETE_RULE, 0, "the removal of the old rules");
    rules.put_str(rule::TABLE, table);
    let mut batch = vec![rules];
    for name in ["local4", "local6", "neighbours4", "neighbours6", "ports"] {
        let what = format!("the emptying of the set {name}");
        let mut message = message(m::DELETE_ELEMENTS, 0, what);
        message.put_str(set::LIST_TABLE, table);
        message.put_str(set::LIST_SET, name);
        batch.push(message);
    }
    batch
}

fn fill(table: &str, capture: &Capture<'_>) -> Vec<Message> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = capture.local.iter().partition(|ip| ip.is_ipv4());
    let mut batch = elements(
        table,
        "local4",
        v4.into_iter().map(|ip| (octets(ip), false)),
    );
    batch.extend(elements(
        table,
        "local6",
        v6.into_iter().map(|ip| (octets(ip), false)),
    ));
    for (name, of_v4) in [("neighbours4", true), ("neighbours6", false)] {
        let networks = capture.neighbours.iter().copied();
        let family = networks.filter(|net| net.addr().is_ipv4() == of_v4);
        batch.extend(elements(table, name, intervals(family)));
    }
    let quic = match capture.ports {
        Ports::All => true,
        Ports::List(ports) => {
            let keys = ports
                .iter()
                .map(|port| (port.to_be_bytes().to_vec(), false));
            batch.extend(elements(table, "ports", keys));
            ports.contains(&443)
        }
    };
    batch.extend(capture_rules(table, capture));
    batch.extend(excluded(table, "prerouting", capture));
    for pattern in capture.interfaces {
        batch.push(new_rule(
            table,
            "prerouting",
            format!("the rule for TCP from {pattern}"),
            |rule| rule.arrived_by(pattern).transport(TCP).jump("capture"),
        ));
    }
    if quic {
        batch.extend(quic_rules(table, capture));
    }
    batch.extend(guard(table, capture.listener));
    batch
}

/// The families that are captured, and where they are sent.
fn families(targets: Targets) -> impl Iterator<Item = (Family, IpAddr)> {
    let targets = [targets.v4.map(IpAddr::V4), targets.v6.map(IpAddr::V6)];
    targets
        .into_iter()
        .flatten()
        .map(|target| (Family::of(target), target))
}

fn capture_rules(table: &str, capture: &Capture<'_>) -> Vec<Message> {
    let mut batch = vec![new_rule(
        table,
        "capture",
        "the rule for running connections".to_owned(),
        |rule| rule.transport(TCP).not_opening().leave(),
    )];
    for (family, target) in families(capture.targets) {
        batch.extend(near(table, "capture", family));
        batch.push(new_rule(
            table,
            "capture",
            format!("the rule that sends {family:?} to {target}"),
            |rule| {
                rule.family(family).transport(TCP);
                if matches!(capture.ports, Ports::List(_)) {
                    rule.port_in("ports");
                }
                rule.translate_destination(target, capture.listener);
            },
        ));
    }
    batch
}

fn quic_rules(table: &str, capture: &Capture<'_>) -> Vec<Message> {
    let mut batch = Vec::new();
    for (family, _) in families(capture.targets) {
        batch.extend(near(table, "quic", family));
        batch.push(new_rule(
            table,
            "quic",
            format!("the rule that refuses QUIC over {family:?}"),
            |rule| rule.family(family).port_unreachable(),
        ));
    }
    batch.extend(excluded(table, "forward", capture));
    for pattern in capture.interfaces {
        batch.push(new_rule(
            table,
            "forward",
            format!("the rule for QUIC from {pattern}"),
            |rule| {
                rule.arrived_by(pattern)
                    .original_direction()
                    .transport(UDP)
                    .port(443)
                    .jump("quic");
            },
        ));
    }
    batch
}

/// Leave alone what comes from interfaces that are excepted; first in its chain.
fn excluded<'a>(
    table: &'a str,
    chain: &'a str,
    capture: &'a Capture<'_>,
) -> impl Iterator<Item = Message> + 'a {
    capture.exclude.iter().map(move |pattern| {
        let what = format!("the rule that leaves {pattern} alone");
        new_rule(table, chain, what, |rule| {
            rule.arrived_by(pattern).leave();
        })
    })
}

/// Leave alone what goes to this machine itself, to private ranges, or to the next container.
fn near(table: &str, chain: &str, family: Family) -> [Message; 3] {
    let sets = match family {
        Family::V4 => ["local4", "private4", "neighbours4"],
        Family::V6 => ["local6", "private6", "neighbours6"],
    };
    sets.map(|name| {
        new_rule(
            table,
            chain,
            format!("the rule that leaves {name} alone"),
            |rule| rule.family(family).destination_in(family, name).leave(),
        )
    })
}

/// Only what a rule sent to the listener may reach it.
fn guard(table: &str, listener: u16) -> [Message; 2] {
    [
        new_rule(
            table,
            "input",
            "the rule that lets captured connections in".to_owned(),
            |rule| {
                rule.transport(TCP)
                    .port(listener)
                    .destination_translated()
                    .accept();
            },
        ),
        new_rule(
            table,
            "input",
            "the rule that refuses direct hits".to_owned(),
            |rule| rule.transport(TCP).port(listener).reset(),
        ),
    ]
}
