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
//!         ct status dnat return
//!         ip daddr @local4 return
//!         ip daddr @private4 return
//!         ip daddr @neighbours4 return
//!         meta nfproto ipv4 tcp dport @ports log group 26368 queue-threshold 1 drop
//!         … the same for IPv6
//!     }
//!     chain quic {
//!         ip daddr @local4 return …
//!         meta nfproto ipv4 reject with icmpx port-unreachable …
//!     }
//!     chain prerouting {
//!         type nat hook prerouting priority dstnat + 1
//!     }
//!     chain leaving {
//!         type filter hook postrouting priority srcnat - 2
//!         iifname "br-*" meta l4proto tcp jump capture
//!     }
//!     chain again {
//!         type nat hook output priority dstnat - 1
//!         meta mark 0x3067 meta nfproto ipv4 meta l4proto tcp counter dnat ip to 172.18.0.1:3183 …
//!     }
//!     chain again_from {
//!         type nat hook postrouting priority srcnat - 1
//!         meta mark 0x3067 snat ip to ip saddr …
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
//!     chain arrived {
//!         type filter hook input priority 2147483646
//!         tcp dport 3183 tcp flags & (fin | syn | rst | ack) == syn ct status dnat counter
//!     }
//! }
//! ```
//!
//! Opening segments are taken out where they would leave, so that FORWARD rules of others refuse
//! what they refuse, and come back [another way](crate::intercept::forwarded). What was translated
//! on its way (published ports, cluster services) is left alone: the first translation of a
//! connection is the only one. `snat to ip saddr` keeps the client's address, which a masquerading
//! rule would replace by a loopback one.
//!
//! Where FORWARD rules shall not be asked, `prerouting` jumps to `capture`, which ends in `dnat`:
//! one below the usual `dstnat`, so that others translate first. `leaving` and `again` are empty
//! then; `prerouting` stays in any case, for the kernel goes on translating what was captured only
//! as long as some such chain is there.
//!
//! Only opening segments are captured: where connection tracking starts with this table, it would
//! otherwise take a running connection for a new one. UDP to 443 is refused so that clients of
//! QUIC turn to TCP at once.

mod rules;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::constants::{message as m, rule, set, table as t};
use super::objects::{
    KeyType, elements, intervals, message, new_chain, new_set, new_table, octets,
};
use super::private;
use crate::config::Ports;
use crate::intercept::InterfacePattern;
use crate::intercept::netlink::Message;

/// `NF_INET_PRE_ROUTING`, `NF_INET_LOCAL_IN`, `NF_INET_FORWARD`, `NF_INET_LOCAL_OUT`,
/// `NF_INET_POST_ROUTING`.
const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;
/// `NF_IP_PRI_NAT_DST`.
const DSTNAT: i32 = -100;
/// Behind everybody's rules, and before the kernel's own last steps (`INT_MAX`).
const LAST: i32 = i32::MAX - 1;
/// `NF_IP_PRI_NAT_SRC`.
const SRCNAT: i32 = 100;

/// What shall be captured, and where it shall go.
#[derive(Debug)]
pub(crate) struct Capture<'a> {
    /// Where traffic comes in.
    pub(crate) interfaces: &'a [InterfacePattern],
    /// Where it is left alone all the same.
    pub(crate) exclude: &'a [InterfacePattern],
    /// Destination ports.
    pub(crate) ports: &'a Ports,
    /// The log group that hears of opening segments which forwarding let through; `None`: they are
    /// captured where they arrive.
    pub(crate) behind_forward: Option<u16>,
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
        new_chain(table, "prerouting", Some(("nat", PREROUTING, DSTNAT + 1))),
        new_chain(table, "leaving", Some(("filter", POSTROUTING, SRCNAT - 2))),
        new_chain(table, "again", Some(("nat", OUTPUT, DSTNAT - 1))),
        new_chain(table, "again_from", Some(("nat", POSTROUTING, SRCNAT - 1))),
        new_chain(table, "forward", Some(("filter", FORWARD, 0))),
        new_chain(table, "input", Some(("filter", INPUT, 0))),
        new_chain(table, "arrived", Some(("filter", INPUT, LAST))),
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
    batch.extend(rules::guard(table, listener));
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
    batch.extend(rules::capture(table, capture));
    if capture.behind_forward.is_some() {
        batch.extend(rules::again(table, capture));
    }
    if quic {
        batch.extend(rules::quic(table, capture));
    }
    batch.extend(rules::guard(table, capture.listener));
    batch.push(rules::arrived(table, capture.listener));
    batch
}
