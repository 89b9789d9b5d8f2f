//! What a rule is made of: small steps over registers, in the kernel's encoding.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::constants::{
    DATA_VALUE, DATA_VERDICT, IPV4, IPV6, LIST_ELEMENT, VERDICT_CHAIN, VERDICT_CODE, object, rule,
};
use crate::intercept::InterfacePattern;
use crate::intercept::netlink::Message;

/// `NFT_REG_1`: the register that every step reads what the last one loaded.
const FIRST: u32 = 1;
/// `NFT_REG_2`: the port of a translation.
const SECOND: u32 = 2;
/// `NFT_REG_VERDICT`.
const VERDICT: u32 = 0;

/// `NFT_META_MARK`; a number of this machine's byte order.
const PACKET_MARK: u32 = 3;

/// `NFT_CMP_EQ`.
const EQUAL: u32 = 0;
/// `NFT_CMP_NEQ`.
const NOT_EQUAL: u32 = 1;

/// The expressions of one rule, in order. A rule ends at the first that does not hold.
pub(super) struct Expressions<'a>(pub(super) &'a mut Message);

impl Expressions<'_> {
    /// Adds the expression `name` with the attributes that `fill` adds.
    fn add(&mut self, name: &'static str, fill: impl FnOnce(&mut Message)) -> &mut Self {
        self.0.mark(name);
        self.0.nest(LIST_ELEMENT, |message| {
            message.put_str(rule::EXPRESSION_NAME, name);
            message.nest(rule::EXPRESSION_DATA, fill);
        });
        self
    }

    /// `meta KEY` into the first register.
    fn meta(&mut self, key: u32) -> &mut Self {
        self.add("meta", |message| {
            message.put_u32(1, FIRST);
            message.put_u32(2, key);
        })
    }

    fn compare(&mut self, operator: u32, value: &[u8]) -> &mut Self {
        self.add("cmp", |message| {
            message.put_u32(1, FIRST);
            message.put_u32(2, operator);
            message.nest(3, |data| data.put(DATA_VALUE, value));
        })
    }

    /// Keeps the bits of `mask` in the first register.
    fn mask(&mut self, mask: &[u8]) -> &mut Self {
        let length = u32::try_from(mask.len()).expect("a register has 16 bytes");
        self.add("bitwise", |message| {
            message.put_u32(1, FIRST);
            message.put_u32(2, FIRST);
            message.put_u32(3, length);
            message.nest(4, |data| data.put(DATA_VALUE, mask));
            message.nest(5, |data| data.put(DATA_VALUE, &vec![0; mask.len()]));
        })
    }

    /// `length` bytes of the packet into the first register: `base` 1 is the network header, 2 the
    /// transport header.
    fn payload(&mut self, base: u32, offset: u32, length: u32) -> &mut Self {
        self.add("payload", |message| {
            message.put_u32(1, FIRST);
            message.put_u32(2, base);
            message.put_u32(3, offset);
            message.put_u32(4, length);
        })
    }

    /// The packet came in by an interface that `pattern` names.
    pub(super) fn arrived_by(&mut self, pattern: &InterfacePattern) -> &mut Self {
        /// `NFT_META_IIFNAME`.
        const INTERFACE_NAME: u32 = 6;
        /// `IFNAMSIZ`.
        const SIZE: usize = 16;
        self.meta(INTERFACE_NAME);
        match pattern {
            InterfacePattern::Exact(name) => {
                let mut padded = name.clone().into_bytes();
                padded.resize(SIZE, 0);
                self.compare(EQUAL, &padded)
            }
            InterfacePattern::Prefix(prefix) => self.compare(EQUAL, prefix.as_bytes()),
        }
    }

    /// The packet is of the family of `ip`.
    pub(super) fn family(&mut self, family: Family) -> &mut Self {
        /// `NFT_META_NFPROTO`.
        const PROTOCOL: u32 = 15;
        self.meta(PROTOCOL).compare(EQUAL, &[family.number()])
    }

    /// The packet carries the transport protocol with the IANA number `number`.
    pub(super) fn transport(&mut self, number: u8) -> &mut Self {
        /// `NFT_META_L4PROTO`.
        const PROTOCOL: u32 = 16;
        self.meta(PROTOCOL).compare(EQUAL, &[number])
    }

    /// The destination address is in the set `set`. The family must have been asked before.
    pub(super) fn destination_in(&mut self, family: Family, set: &str) -> &mut Self {
        match family {
            Family::V4 => self.payload(1, 16, 4),
            Family::V6 => self.payload(1, 24, 16),
        };
        self.look_up(set)
    }

    /// The destination port is in the set `set`. The transport must have been asked before.
    pub(super) fn port_in(&mut self, set: &str) -> &mut Self {
        self.payload(2, 2, 2).look_up(set)
    }

    /// The destination port is `port`. The transport must have been asked before.
    pub(super) fn port(&mut self, port: u16) -> &mut Self {
        self.payload(2, 2, 2).compare(EQUAL, &port.to_be_bytes())
    }

    fn look_up(&mut self, set: &str) -> &mut Self {
        self.add("lookup", |message| {
            message.put_str(1, set);
            message.put_u32(2, FIRST);
        })
    }

    /// The TCP segment is no opening one: of FIN, SYN, RST and ACK it has not SYN alone.
    pub(super) fn not_opening(&mut self) -> &mut Self {
        self.payload(2, 13, 1)
            .mask(&[0x17])
            .compare(NOT_EQUAL, &[0x02])
    }

    /// The TCP segment is an opening one.
    pub(super) fn opening(&mut self) -> &mut Self {
        self.payload(2, 13, 1).mask(&[0x17]).compare(EQUAL, &[0x02])
    }

    /// Counts the packets that come so far.
    pub(super) fn count(&mut self) -> &mut Self {
        self.add("counter", |_| {})
    }

    /// The packet goes the way of the connection's first one.
    pub(super) fn original_direction(&mut self) -> &mut Self {
        /// `NFT_CT_DIRECTION`.
        const DIRECTION: u32 = 1;
        self.connection(DIRECTION).compare(EQUAL, &[0])
    }

    /// The connection's destination was translated.
    pub(super) fn destination_translated(&mut self) -> &mut Self {
        /// `NFT_CT_STATUS`.
        const STATUS: u32 = 2;
        /// `IPS_DST_NAT`; this register holds a number of this machine's byte order.
        const TRANSLATED: u32 = 1 << 5;
        self.connection(STATUS)
            .mask(&TRANSLATED.to_ne_bytes())
            .compare(NOT_EQUAL, &0_u32.to_ne_bytes())
    }

    fn connection(&mut self, key: u32) -> &mut Self {
        self.add("ct", |message| {
            message.put_u32(1, FIRST);
            message.put_u32(2, key);
        })
    }

    /// Goes on in `chain` and comes back.
    pub(super) fn jump(&mut self, chain: &str) {
        const JUMP: i32 = -3;
        self.verdict(JUMP, Some(chain));
    }

    /// Goes back to the calling chain.
    pub(super) fn leave(&mut self) {
        const RETURN: i32 = -5;
        self.verdict(RETURN, None);
    }

    /// Takes the packet away; nobody is told.
    pub(super) fn drop(&mut self) {
        const DROP: i32 = 0;
        self.verdict(DROP, None);
    }

    /// Lets the packet pass this chain.
    pub(super) fn accept(&mut self) {
        const ACCEPT: i32 = 1;
        self.verdict(ACCEPT, None);
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) {
        self.add("immediate", |message| {
            message.put_u32(1, VERDICT);
            message.nest(2, |data| {
                data.nest(DATA_VERDICT, |verdict| {
                    verdict.put(VERDICT_CODE, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        verdict.put_str(VERDICT_CHAIN, chain);
                    }
                });
            });
        });
    }

    /// Sends the connection to `ip` and `port`.
    pub(super) fn translate_destination(&mut self, ip: IpAddr, port: u16) {
        /// `NFT_NAT_DNAT`.
        const DESTINATION: u32 = 1;
        self.socket_address(ip, port).add("nat", |message| {
            message.put_u32(1, DESTINATION);
            message.put_u32(2, u32::from(Family::of(ip).number()));
            message.put_u32(3, FIRST);
            message.put_u32(5, SECOND);
        });
    }

    /// An ended connection that this segment would meet is forgotten, if somebody listens at `ip` and
    /// `port`. The segment goes on as it is.
    pub(super) fn make_room_at(&mut self, ip: IpAddr, port: u16) {
        self.socket_address(ip, port).add("tproxy", |message| {
            message.put_u32(1, u32::from(Family::of(ip).number()));
            message.put_u32(2, FIRST);
            message.put_u32(3, SECOND);
        });
    }

    /// The address into the first register, the port into the second.
    fn socket_address(&mut self, ip: IpAddr, port: u16) -> &mut Self {
        match ip {
            IpAddr::V4(ip) => self.load(FIRST, &ip.octets()),
            IpAddr::V6(ip) => self.load(FIRST, &ip.octets()),
        };
        self.load(SECOND, &port.to_be_bytes())
    }

    /// Keeps the source as it is, against any rule that comes later and would rewrite it.
    pub(super) fn keep_source(&mut self, family: Family) {
        /// `NFT_NAT_SNAT`.
        const SOURCE: u32 = 0;
        match family {
            Family::V4 => self.payload(1, 12, 4),
            Family::V6 => self.payload(1, 8, 16),
        };
        self.add("nat", |message| {
            message.put_u32(1, SOURCE);
            message.put_u32(2, u32::from(family.number()));
            message.put_u32(3, FIRST);
        });
    }

    /// The packet bears this mark.
    pub(super) fn marked(&mut self, mark: u32) -> &mut Self {
        self.meta(PACKET_MARK).compare(EQUAL, &mark.to_ne_bytes())
    }

    /// Puts this mark on the packet.
    pub(super) fn mark(&mut self, mark: u32) -> &mut Self {
        self.load(FIRST, &mark.to_ne_bytes())
            .add("meta", |message| {
                message.put_u32(2, PACKET_MARK);
                message.put_u32(3, FIRST);
            })
    }

    /// Sends a copy of the packet to this machine itself, from where it leaves for the loopback
    /// interface. The kernel does not follow its connection.
    pub(super) fn copy_to_loopback(&mut self, family: Family) -> &mut Self {
        /// The loopback interface's number in every network namespace.
        const LOOPBACK: u32 = 1;
        match family {
            Family::V4 => self.load(FIRST, &Ipv4Addr::LOCALHOST.octets()),
            Family::V6 => self.load(FIRST, &Ipv6Addr::LOCALHOST.octets()),
        };
        self.load(SECOND, &LOOPBACK.to_ne_bytes());
        self.add("dup", |message| {
            message.put_u32(1, FIRST);
            message.put_u32(2, SECOND);
        })
    }

    /// Lets the kernel follow the connection of a packet that it was told not to follow: choosing a
    /// zone, the usual one, makes that undecided again.
    pub(super) fn follow(&mut self) -> &mut Self {
        /// `NFT_CT_ZONE`.
        const ZONE: u32 = 17;
        self.load(FIRST, &0_u16.to_ne_bytes());
        self.0.mark("ct zone");
        self.add("ct", |message| {
            message.put_u32(2, ZONE);
            message.put_u32(4, FIRST);
        })
    }

    /// The kernel remembers the connection as long as the timeouts `name` say.
    pub(super) fn remember_as(&mut self, name: &str) -> &mut Self {
        self.add("objref", |message| {
            message.put_u32(1, object::TIMEOUTS);
            message.put_str(2, name);
        })
    }

    /// Hands a copy of the packet to the socket that has taken `group`, at once.
    pub(super) fn copy_to(&mut self, group: u16) -> &mut Self {
        self.add("log", |message| {
            message.put(1, &group.to_be_bytes());
            message.put(4, &1_u16.to_be_bytes());
        })
    }

    fn load(&mut self, register: u32, value: &[u8]) -> &mut Self {
        self.add("immediate", |message| {
            message.put_u32(1, register);
            message.nest(2, |data| data.put(DATA_VALUE, value));
        })
    }

    /// Answers with a TCP reset.
    pub(super) fn reset(&mut self) {
        /// `NFT_REJECT_TCP_RST`.
        const TCP_RESET: u32 = 1;
        self.add("reject", |message| {
            message.put_u32(1, TCP_RESET);
            message.put(2, &[0]);
        });
    }

    /// Answers that nobody listens on that port, by ICMP of either family.
    pub(super) fn port_unreachable(&mut self) {
        /// `NFT_REJECT_ICMPX_UNREACH`.
        const ICMPX: u32 = 2;
        /// `NFT_REJECT_ICMPX_PORT_UNREACH`.
        const PORT: u8 = 1;
        self.add("reject", |message| {
            message.put_u32(1, ICMPX);
            message.put(2, &[PORT]);
        });
    }
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Each of them.
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// `NFPROTO_*`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::V4 => IPV4,
            Self::V6 => IPV6,
        }
    }
}
