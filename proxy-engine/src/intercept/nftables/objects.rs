//! Tables, chains, sets and rules as messages.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::constants::{
    BATCH_BEGIN, DATA_VALUE, INET, LIST_ELEMENT, SUBSYSTEM, TABLE, chain as c, message as m,
    object, rule, set, table as t,
};
use super::expression::{Expressions, Family};
use crate::intercept::netlink::{ACK, APPEND, CREATE, EXCLUSIVE, Message};

/// So many elements fit in one attribute of 64 KiB, IPv6 included, with room to spare.
const CHUNK: usize = 512;

/// The address as it stands in a packet.
pub(super) fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The first address of each network, and the first one behind it, marked as such; a network that
/// goes to the end of the address space has nothing behind it. `networks` are sorted and do not
/// overlap.
pub(super) fn intervals(networks: impl IntoIterator<Item = IpNet>) -> Vec<(Vec<u8>, bool)> {
    let behind = |last: IpAddr| match last {
        IpAddr::V4(last) => u32::from(last)
            .checked_add(1)
            .map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(last) => u128::from(last)
            .checked_add(1)
            .map(|next| Ipv6Addr::from(next).into()),
    };
    // An end is said even where the next network begins: without it the kernel takes the two for
    // overlapping ones.
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
pub(super) enum KeyType {
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

/// A table: tables of different families may bear the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table<'a> {
    name: &'a str,
    /// `NFPROTO_*`.
    family: u8,
}

impl<'a> Table<'a> {
    /// For both families.
    pub(super) fn of_both(name: &'a str) -> Self {
        Self { name, family: INET }
    }

    /// For one family.
    pub(super) fn of(family: Family, name: &'a str) -> Self {
        let family = family.number();
        Self { name, family }
    }

    /// A message about the table, which names it.
    pub(super) fn message(self, kind: u16, flags: u16, what: impl Into<String>) -> Message {
        // `struct nfgenmsg`: family, version, resource.
        let head = [self.family, 0, 0, 0];
        let mut message = Message::new((SUBSYSTEM << 8) | kind, flags | ACK, &head, what);
        message.put_str(TABLE, self.name);
        message
    }
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

/// The table, owned by the socket that sends this.
pub(super) fn new_table(table: Table<'_>) -> Message {
    let mut message = table.message(m::NEW_TABLE, CREATE | EXCLUSIVE, "a table with an owner");
    message.mark("owner");
    message.put_u32(t::FLAGS, t::OWNER);
    message
}

/// A chain; with a type, a hook's number and a priority, one that packets reach by themselves.
pub(super) fn new_chain(table: Table<'_>, name: &str, hook: Option<(&str, u32, i32)>) -> Message {
    let mut message = table.message(m::NEW_CHAIN, CREATE, format!("the chain {name}"));
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

/// An empty set; `id` is unique in the batch.
pub(super) fn new_set(table: Table<'_>, name: &str, key: KeyType, flags: u32, id: u32) -> Message {
    let (number, size) = key.number_and_size();
    let mut message = table.message(m::NEW_SET, CREATE, format!("the set {name}"));
    message.put_str(set::NAME, name);
    message.put_u32(set::FLAGS, flags);
    message.put_u32(set::KEY_TYPE, number);
    message.put_u32(set::KEY_LENGTH, size);
    message.put_u32(set::ID, id);
    message
}

/// The messages that put `keys` in the set `name`; the flag says that a key ends an interval.
pub(super) fn elements(
    table: Table<'_>,
    name: &str,
    keys: impl IntoIterator<Item = (Vec<u8>, bool)>,
) -> Vec<Message> {
    let keys: Vec<_> = keys.into_iter().collect();
    keys.chunks(CHUNK)
        .map(|chunk| {
            let what = format!("the contents of the set {name}");
            let mut message = table.message(m::NEW_ELEMENTS, CREATE, what);
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

/// How long the kernel remembers a TCP connection that has ended: `time_wait` seconds.
pub(super) fn new_timeouts(table: Table<'_>, name: &str, time_wait: u32) -> Message {
    /// `NFTA_CT_TIMEOUT_L4PROTO`, and the IANA number of TCP.
    const TRANSPORT: (u16, u8) = (2, 6);
    /// `NFTA_CT_TIMEOUT_DATA`.
    const STATES: u16 = 3;
    /// `CTA_TIMEOUT_TCP_TIME_WAIT`.
    const TIME_WAIT: u16 = 7;
    let what = format!("the timeouts {name}");
    let mut message = table.message(m::NEW_OBJECT, CREATE, what);
    message.put_str(object::NAME, name);
    message.mark("ct timeout");
    message.put_u32(object::TYPE, object::TIMEOUTS);
    message.nest(object::DATA, |data| {
        data.put(TRANSPORT.0, &[TRANSPORT.1]);
        data.nest(STATES, |states| states.put_u32(TIME_WAIT, time_wait));
    });
    message
}

/// A rule at the end of `chain`, of the expressions that `fill` adds.
pub(super) fn new_rule(
    table: Table<'_>,
    chain: &str,
    what: String,
    fill: impl FnOnce(&mut Expressions<'_>),
) -> Message {
    let mut message = table.message(m::NEW_RULE, CREATE | APPEND, what);
    message.put_str(rule::CHAIN, chain);
    message.nest(rule::EXPRESSIONS, |list| fill(&mut Expressions(list)));
    message
}
