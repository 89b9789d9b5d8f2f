//! The addresses of this network namespace, from the kernel and kept fresh (rtnetlink(7)).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd};

use ipnet::IpNet;

use super::netlink::{NetlinkSocket, attributes};
use super::nftables::Targets;
use super::{InterceptError, InterfacePattern};

/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR`.
const CHANGES: u32 = 0x1 | 0x10 | 0x100;

/// Tells when addresses or interfaces change.
#[derive(Debug)]
pub(super) struct AddressWatch(NetlinkSocket);

impl AddressWatch {
    /// Begins to watch.
    pub(super) fn open() -> Result<Self, InterceptError> {
        let socket = NetlinkSocket::open(None, CHANGES).map_err(failed("watching addresses"))?;
        Ok(Self(socket))
    }

    /// Whether something changed since the last call. Changes that overflowed the kernel's queue
    /// count as one.
    pub(super) fn changed(&self) -> Result<bool, InterceptError> {
        let mut changed = false;
        loop {
            match self.0.receive() {
                Ok(None) => return Ok(changed),
                Ok(Some(_)) => changed = true,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => changed = true,
                Err(error) => return Err(failed("watching addresses")(error)),
            }
        }
    }
}

impl AsFd for AddressWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The addresses at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Addresses(Vec<Address>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    ip: IpAddr,
    /// The network behind the interface; of a point-to-point link, the peer.
    net: IpNet,
    interface: String,
    index: u32,
    up: bool,
    /// Of global or site scope, and through with duplicate detection.
    usable: bool,
    /// Deprecated or temporary: it will go.
    passing: bool,
}

impl Addresses {
    /// Asks the kernel.
    pub(super) fn read() -> Result<Self, InterceptError> {
        let socket = NetlinkSocket::open(None, 0).map_err(failed("listing addresses"))?;
        let links = links(&socket).map_err(failed("listing interfaces"))?;
        let mut addresses = Vec::new();
        socket
            .list(RTM_GETADDR, &[0; 8], |kind, body| {
                if kind != RTM_NEWADDR {
                    return;
                }
                if let Some(address) = address(body, &links) {
                    addresses.push(address);
                }
            })
            .map_err(failed("listing addresses"))?;
        Ok(Self(addresses))
    }

    /// All of them but the link-local ones of IPv6: those are never captured anyway, and come and
    /// go with every container.
    pub(super) fn local(&self) -> BTreeSet<IpAddr> {
        self.0
            .iter()
            .map(|address| address.ip)
            .filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()))
            .collect()
    }

    /// The networks on the interfaces that `patterns` name: whoever is attached there reaches his
    /// neighbours himself. Where bridges hand their frames to the firewall
    /// (`bridge-nf-call-iptables`), such traffic passes it too, and is no more ours then than else.
    /// Sorted; no two overlap.
    pub(super) fn neighbours(&self, patterns: &[InterfacePattern]) -> Vec<IpNet> {
        let named = |a: &&Address| patterns.iter().any(|p| p.matches(&a.interface));
        let networks: Vec<IpNet> = self
            .0
            .iter()
            .filter(named)
            .map(|a| a.net.trunc())
            .filter(|net| net.prefix_len() > 0)
            .collect();
        let mut networks = IpNet::aggregate(&networks);
        networks.sort();
        networks
    }

    /// Where captured traffic can be sent: to `current` where it is still here, else to an address
    /// of an interface that is up, rather one that `patterns` names, rather a lasting one.
    pub(super) fn targets(&self, patterns: &[InterfacePattern], current: Targets) -> Targets {
        let has = |ip: IpAddr| self.0.iter().any(|a| a.usable && a.up && a.ip == ip);
        let best = |wanted: fn(&Address) -> bool| {
            self.0
                .iter()
                .filter(|a| a.usable && wanted(a))
                .min_by_key(|a| {
                    let named = patterns.iter().any(|p| p.matches(&a.interface));
                    (!a.up, !named, a.passing, a.index, a.ip)
                })
                .map(|a| a.ip)
        };
        let v4 = current.v4.filter(|ip| has(IpAddr::V4(*ip))).or_else(|| {
            match best(|a| a.ip.is_ipv4())? {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            }
        });
        let v6 = current.v6.filter(|ip| has(IpAddr::V6(*ip))).or_else(|| {
            match best(|a| a.ip.is_ipv6())? {
                IpAddr::V6(ip) => Some(ip),
                IpAddr::V4(_) => None,
            }
        });
        Targets { v4, v6 }
    }
}

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;

/// Name of each interface by its index, and whether it is up.
fn links(socket: &NetlinkSocket) -> io::Result<BTreeMap<u32, (String, bool)>> {
    /// `IFLA_IFNAME`.
    const NAME: u16 = 3;
    let mut links = BTreeMap::new();
    // `struct ifinfomsg`: family, type, index (4), flags (8).
    socket.list(RTM_GETLINK, &[0; 16], |kind, body| {
        if kind != RTM_NEWLINK {
            return;
        }
        let (Some(index), Some(flags)) = (number(body, 4), number(body, 8)) else {
            return;
        };
        let name = attributes(body.get(16..).unwrap_or_default()).find(|(kind, _)| *kind == NAME);
        if let Some((_, name)) = name {
            let name = name.split(|b| *b == 0).next().unwrap_or_default();
            let up = flags & 1 == 1; // IFF_UP
            links.insert(index, (String::from_utf8_lossy(name).into_owned(), up));
        }
    })?;
    Ok(links)
}

/// One `struct ifaddrmsg` (family, prefix length, flags, scope, index) with its attributes.
fn address(body: &[u8], links: &BTreeMap<u32, (String, bool)>) -> Option<Address> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    const IFA_FLAGS: u16 = 8;
    /// `IFA_F_SECONDARY`; on IPv6 it means a temporary address. And `IFA_F_DEPRECATED`.
    const PASSING: u32 = 0x01 | 0x20;
    /// `IFA_F_DADFAILED | IFA_F_TENTATIVE`.
    const UNUSABLE: u32 = 0x08 | 0x40;
    /// `RT_SCOPE_LINK`; global is 0, site 200, this machine 254.
    const LINK: u8 = 253;

    let length = *body.get(1)?;
    let (mut flags, scope) = (u32::from(*body.get(2)?), *body.get(3)?);
    let index = number(body, 4)?;
    let (mut local, mut address) = (None, None);
    for (kind, value) in attributes(body.get(8..)?) {
        match kind {
            // On a point-to-point link the plain address is the peer's.
            IFA_LOCAL => local = ip(value),
            IFA_ADDRESS => address = ip(value),
            IFA_FLAGS => flags = number(value, 0)?,
            _ => {}
        }
    }
    let ip = local.or(address)?;
    let (interface, up) = links.get(&index).cloned().unwrap_or_default();
    Some(Address {
        usable: scope < LINK && flags & UNUSABLE == 0 && !ip.is_loopback(),
        passing: flags & PASSING != 0,
        net: IpNet::new(address.unwrap_or(ip), length).ok()?,
        ip,
        interface,
        index,
        up,
    })
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> InterceptError {
    move |source| InterceptError::Netlink { what, source }
}
