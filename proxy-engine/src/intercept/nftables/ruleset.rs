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
//!     set ports    { type inet_service; elements = { 80, 443 } }
//!     chain capture {
//!         tcp flags & (fin | syn | rst | ack) != syn return
//!         ip daddr @local4 return
//!         ip daddr @private4 return
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

use super::constants::{
    BATCH_BEGIN, INET, SUBSYSTEM, chain as c, message as m, rule, set, table as t,
};
use super::expression::{Expressions, Family};
use super::private;
use crate::config::Ports;
use crate::intercept::InterfacePattern;
use crate::intercept::netlink::{ACK, APPEND, CREATE, EXCLUSIVE, Message};

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
/// So many elements fit in one attribute of 64 KiB, IPv6 included, with room to spare.
const CHUNK: usize = 512;

/// What shall be captured, and where it shall go.
#[derive(Debug)]
pub(crate) struct Capture<'a> {
    /// Where traffic comes in.
    pub(crate) interfaces: &'a [InterfacePattern],
    /// Destination ports.
    pub(crate) ports: &'a Ports,
    /// The transparent listener's port.
    pub(crate) listener: u16,
    /// This machine's own addresses.
    pub(crate) local: &'a BTreeSet<IpAddr>,
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
        new_set(table, "ports", KeyType::Port, 0, 5),
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
    for name in ["local4", "local6", "ports"] {
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
        batch.extend(own_and_private(table, "capture", family));
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
        batch.extend(own_and_private(table, "quic", family));
        batch.push(new_rule(
            table,
            "quic",
            format!("the rule that refuses QUIC over {family:?}"),
            |rule| rule.family(family).port_unreachable(),
        ));
    }
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

/// Leave alone what goes to this machine itself or to private ranges.
fn own_and_private(table: &str, chain: &str, family: Family) -> [Message; 2] {
    let sets = match family {
        Family::V4 => ["local4", "private4"],
        Family::V6 => ["local6", "private6"],
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

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The first address of each network, and the first one behind it, marked as such; a network that
/// goes to the end of the address space has nothing behind it.
fn intervals(networks: impl IntoIterator<Item = IpNet>) -> Vec<(Vec<u8>, bool)> {
    let behind = |last: IpAddr| match last {
        IpAddr::V4(last) => u32::from(last)
            .checked_add(1)
            .map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(last) => u128::from(last)
            .checked_add(1)
            .map(|next| Ipv6Addr::from(next).into()),
    };
    networks
        .into_iter()
        .flat_map(|net| {
            [
                Some((net.network(), false)),
                behind(net.broadcast()).map(|ip| (ip, true)),
            ]
        })
        .flatten()
        .map(|(ip, ends)| (octets(ip), ends))
        .collect()
}

/// What a set holds: the number by which `nft` knows how to show it, and the size in bytes.
#[derive(Clone, Copy)]
enum KeyType {
    Ipv4,
    Ipv6,
    Port,
}

impl KeyType {
    fn number_and_size(self) -> (u32, u32) {
        match self {
            Self::Ipv4 => (7, 4),
            Self::Ipv6 => (8, 16),
            Self::Port => (13, 2),
        }
    }
}

fn message(kind: u16, flags: u16, what: impl Into<String>) -> Message {
    // `struct nfgenmsg`: family, version, resource.
    Message::new((SUBSYSTEM << 8) | kind, flags | ACK, &[INET, 0, 0, 0], what)
}

/// The message that begins a batch or ends it.
pub(super) fn bracket(kind: u16) -> Message {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    let what = if kind == BATCH_BEGIN {
        "the table as a whole"
    } else {
        "the end of the batch"
    };
    Message::new(kind, 0, &[0, 0, high, low], what)
}

fn new_table(table: &str) -> Message {
    let mut message = message(m::NEW_TABLE, CREATE | EXCLUSIVE, "a table with an owner");
    message.put_str(t::NAME, table);
    message.mark("owner");
    message.put_u32(t::FLAGS, t::OWNER);
    message
}

fn new_chain(table: &str, name: &str, hook: Option<(&str, u32, i32)>) -> Message {
    let mut message = message(m::NEW_CHAIN, CREATE, format!("the chain {name}"));
    message.put_str(c::TABLE, table);
    message.put_str(c::NAME, name);
    if let Some((kind, number, priority)) = hook {
        message.nest(c::HOOK, |hook| {
            hook.put_u32(c::HOOK_NUMBER, number);
            hook.put(c::HOOK_PRIORITY, &priority.to_be_bytes());
        });
        message.put_u32(c::POLICY, 1); // accept
        message.mark(if kind == "nat" {
            "nat chain"
        } else {
            "filter chain"
        });
        message.put_str(c::TYPE, kind);
    }
    message
}

fn new_set(table: &str, name: &str, key: KeyType, flags: u32, id: u32) -> Message {
    let (number, size) = key.number_and_size();
    let mut message = message(m::NEW_SET, CREATE, format!("the set {name}"));
    message.put_str(set::TABLE, table);
    message.put_str(set::NAME, name);
    message.put_u32(set::FLAGS, flags);
    message.put_u32(set::KEY_TYPE, number);
    message.put_u32(set::KEY_LENGTH, size);
    message.put_u32(set::ID, id);
    message
}

/// The messages that put `keys` in the set `name`; the flag says that a key ends an interval.
fn elements(
    table: &str,
    name: &str,
    keys: impl IntoIterator<Item = (Vec<u8>, bool)>,
) -> Vec<Message> {
    use super::constants::{DATA_VALUE, LIST_ELEMENT};
    let keys: Vec<_> = keys.into_iter().collect();
    keys.chunks(CHUNK)
        .map(|chunk| {
            let what = format!("the contents of the set {name}");
            let mut message = message(m::NEW_ELEMENTS, CREATE, what);
            message.put_str(set::LIST_TABLE, table);
            message.put_str(set::LIST_SET, name);
            message.nest(set::LIST_ELEMENTS, |list| {
                for (key, ends) in chunk {
                    list.nest(LIST_ELEMENT, |element| {
                        if *ends {
                            element.put_u32(set::ELEMENT_FLAGS, set::INTERVAL_END);
                        }
                        element.nest(set::ELEMENT_KEY, |data| data.put(DATA_VALUE, key));
                    });
                }
            });
            message
        })
        .collect()
}

fn new_rule(
    table: &str,
    chain: &str,
    what: String,
    fill: impl FnOnce(&mut Expressions<'_>),
) -> Message {
    let mut message = message(m::NEW_RULE, CREATE | APPEND, what);
    message.put_str(rule::TABLE, table);
    message.put_str(rule::CHAIN, chain);
    message.nest(rule::EXPRESSIONS, |list| fill(&mut Expressions(list)));
    message
}
