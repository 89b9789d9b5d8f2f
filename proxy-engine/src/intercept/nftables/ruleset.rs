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
//!     ct timeout short { protocol tcp; policy = { time_wait : 5s } }
//!     chain capture {
//!         tcp flags & (fin | syn | rst | ack) != syn return
//!         ct status dnat return
//!         ip daddr @local4 return
//!         ip daddr @private4 return
//!         ip daddr @neighbours4 return
//!         meta nfproto ipv4 tcp dport @ports meta mark set 0x3066
//!         … the same for IPv6
//!     }
//!     chain quic {
//!         ip daddr @local4 return …
//!         meta nfproto ipv4 reject with icmpx port-unreachable …
//!     }
//!     chain prerouting {
//!         type nat hook prerouting priority dstnat + 1
//!     }
//!     chain make_room {
//!         type filter hook prerouting priority filter
//!         tcp dport 3183 tcp flags & (fin | syn | rst | ack) == syn ct status dnat \
//!             meta nfproto ipv4 tproxy ip to 172.18.0.1:3183 …
//!     }
//!     chain leaving {
//!         type filter hook postrouting priority srcnat - 3
//!         iifname "br-*" meta l4proto tcp jump capture
//!     }
//!     chain follow {
//!         type filter hook output priority raw
//!         meta mark 0x3067 ct zone set 0
//!     }
//!     chain again {
//!         type nat hook output priority dstnat - 1
//!         meta mark 0x3067 meta nfproto ipv4 meta l4proto tcp counter ct timeout set "short" \
//!             dnat ip to 172.18.0.1:3183 …
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
//! table ip gangway-4711 {
//!     flags owner
//!     chain taken {
//!         type filter hook postrouting priority srcnat - 2
//!         meta mark 0x3066 meta mark set 0x3067 dup to 127.0.0.1 device "lo" drop
//!     }
//! }
//! table ip6 gangway-4711 { … }
//! ```
//!
//! Opening segments are taken out where they would leave, so that FORWARD rules of others refuse
//! what they refuse. A copy of each begins anew as if this machine had sent it: the kernel copies
//! without following the connection, so `follow` has it followed after all, `again` sends it to the
//! listener, and by the loopback interface it comes in. No byte of it passes through a process of
//! ours. Copies are made by tables of one family only. A kernel without `dup` tells the broker of
//! the segment instead, which [sends it again](crate::intercept::forwarded): `log group 26368 drop`
//! stands in place of the mark then.
//!
//! What was translated on its way (published ports, cluster services) is left alone: the first translation of a
//! connection is the only one. `snat to ip saddr` keeps the client's address, which a masquerading
//! rule would replace by a loopback one.
//!
//! Where FORWARD rules shall not be asked, `prerouting` jumps to `capture`, which ends in `dnat`:
//! one below the usual `dstnat`, so that others translate first. `leaving` and `again` are empty
//! then; `prerouting` stays in any case, for the kernel goes on translating what was captured only
//! as long as some such chain is there.
//!
//! All that a client opens comes to one address and port, whatever it was going to: a port that it
//! uses again for another destination meets the end of the last connection here, for a minute
//! (`TIME_WAIT`). The client's clock (RFC 7323, section 3) is another one for each destination, and
//! where it is behind, the segment would be taken for an old one, and the client try again after a
//! second. `tproxy` has such a rest make room for whoever listens; as the listener is no transparent
//! one, it does nothing else.
//!
//! Only opening segments are captured: where connection tracking starts with this table, it would
//! otherwise take a running connection for a new one. UDP to 443 is refused so that clients of
//! QUIC turn to TCP at once.

mod copies;
mod rules;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::constants::{message as m, set};
use super::objects::{
    KeyType, Table, elements, intervals, new_chain, new_set, new_table, new_timeouts, octets,
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
/// `NF_IP_PRI_RAW`: before connections are followed.
const RAW: i32 = -300;
/// `NF_IP_PRI_NAT_DST`.
const DSTNAT: i32 = -100;
/// Behind everybody's rules, and before the kernel's own last steps (`INT_MAX`).
const LAST: i32 = i32::MAX - 1;
/// `NF_IP_PRI_NAT_SRC`.
const SRCNAT: i32 = 100;

/// The timeouts of captured connections.
const SHORT: &str = "short";
/// Seconds for which the kernel remembers a captured connection that has ended. By default these
/// are 120, and all connections of one client share the listener's one address and port: a client
/// that opens more than 537 a second would run out of ports for the kernel to tell them apart by.
/// They end on this machine, where no segment is late by seconds.
const TIME_WAIT: u32 = 5;

/// What shall be captured, and where it shall go.
#[derive(Debug)]
pub(crate) struct Capture<'a> {
    /// Where traffic comes in.
    pub(crate) interfaces: &'a [InterfacePattern],
    /// Where it is left alone all the same.
    pub(crate) exclude: &'a [InterfacePattern],
    /// Destination ports.
    pub(crate) ports: &'a Ports,
    /// How opening segments come to the listener.
    pub(crate) road: Road,
    /// What this kernel can do.
    pub(crate) kernel: Kernel,
    /// The transparent listener's port.
    pub(crate) listener: u16,
    /// This machine's own addresses.
    pub(crate) local: &'a BTreeSet<IpAddr>,
    /// The networks of `interfaces`; sorted, without overlap.
    pub(crate) neighbours: &'a [IpNet],
    /// Where captured connections are sent.
    pub(crate) targets: Targets,
}

/// What not every kernel can do. A table is made for one of these, and stays so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Copy packets (`nft_dup_ipv4`, `nft_dup_ipv6`): then there are tables for it.
    pub(crate) copies: bool,
    /// Forget connections sooner than others (`NF_CONNTRACK_TIMEOUT`).
    pub(crate) timeouts: bool,
    /// Have what is left of a connection make room for a new one (`nft_tproxy`).
    pub(crate) makes_room: bool,
}

impl Kernel {
    /// One that can do everything.
    pub(crate) const ALL: Self = Self {
        copies: true,
        timeouts: true,
        makes_room: true,
    };
}

/// How what is captured comes to the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    /// From where it arrives: forwarding is not asked.
    Early,
    /// From where it leaves, as a copy that the kernel makes.
    Copied,
    /// From where it leaves, by way of whoever hears of this log group.
    Logged(u16),
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
    let name = table;
    let table = Table::of_both(name);
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
        new_chain(table, "make_room", Some(("filter", PREROUTING, 0))),
        new_chain(table, "leaving", Some(("filter", POSTROUTING, SRCNAT - 3))),
        new_chain(table, "follow", Some(("filter", OUTPUT, RAW))),
        new_chain(table, "again", Some(("nat", OUTPUT, DSTNAT - 1))),
        new_chain(table, "again_from", Some(("nat", POSTROUTING, SRCNAT - 1))),
        new_chain(table, "forward", Some(("filter", FORWARD, 0))),
        new_chain(table, "input", Some(("filter", INPUT, 0))),
        new_chain(table, "arrived", Some(("filter", INPUT, LAST))),
    ]);
    if capture.kernel.timeouts {
        batch.push(new_timeouts(table, SHORT, TIME_WAIT));
    }
    if capture.kernel.copies {
        batch.extend(copies::install(name));
    }
    batch.extend(fill(name, capture));
    batch
}

/// The messages that give the table other contents.
pub(crate) fn replace(table: &str, capture: &Capture<'_>) -> Vec<Message> {
    let mut batch = clear(table, capture.kernel);
    batch.extend(fill(table, capture));
    batch
}

/// The messages that leave a table which captures nothing more, but whose NAT chain keeps the
/// kernel translating the connections that were captured. The listener stays guarded.
pub(crate) fn inert(table: &str, listener: u16, kernel: Kernel) -> Vec<Message> {
    let mut batch = clear(table, kernel);
    batch.extend(rules::guard(Table::of_both(table), listener));
    batch
}

/// The messages that remove the table.
pub(crate) fn remove(table: &str, kernel: Kernel) -> Vec<Message> {
    let what = "the removal of the table";
    tables(table, kernel)
        .map(|table| table.message(m::DELETE_TABLE, 0, what))
        .collect()
}

/// The table, and those of one family where there are any.
fn tables(name: &str, kernel: Kernel) -> impl Iterator<Item = Table<'_>> {
    let of_one = kernel.copies.then(|| copies::tables(name));
    std::iter::once(Table::of_both(name)).chain(of_one.into_iter().flatten())
}

fn clear(name: &str, kernel: Kernel) -> Vec<Message> {
    let mut batch: Vec<Message> = tables(name, kernel)
        .map(|table| table.message(m::DELETE_RULE, 0, "the removal of the old rules"))
        .collect();
    let table = Table::of_both(name);
    for set in ["local4", "local6", "neighbours4", "neighbours6", "ports"] {
        let what = format!("the emptying of the set {set}");
        let mut message = table.message(m::DELETE_ELEMENTS, 0, what);
        message.put_str(set::LIST_SET, set);
        batch.push(message);
    }
    batch
}

fn fill(name: &str, capture: &Capture<'_>) -> Vec<Message> {
    let table = Table::of_both(name);
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
    for (set, of_v4) in [("neighbours4", true), ("neighbours6", false)] {
        let networks = capture.neighbours.iter().copied();
        let family = networks.filter(|net| net.addr().is_ipv4() == of_v4);
        batch.extend(elements(table, set, intervals(family)));
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
    if capture.road == Road::Copied {
        batch.push(rules::follow(table));
        batch.extend(copies::take(name));
    }
    if capture.road != Road::Early {
        batch.extend(rules::again(table, capture));
    }
    if quic {
        batch.extend(rules::quic(table, capture));
    }
    if capture.kernel.makes_room {
        batch.extend(rules::make_room(table, capture));
    }
    batch.extend(rules::guard(table, capture.listener));
    batch.push(rules::arrived(table, capture.listener));
    batch
}
