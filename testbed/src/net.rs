//! A company's network, in namespaces: what every test of Gangway stands in.
//!
//! ```text
//!   inet   203.0.113.0/24, 2001:db8:113::/64        web.example.test, registry.example.test, …
//!     │ .2
//!   proxy  (forwards nothing: only a proxy program in it joins the two sides)
//!     │ 10.66.0.2
//!   ══╪══════ office LAN 10.66.0.0/24, fd66::/64 ════ a bridge in `router`
//!     │ .1, .53        │ .10
//!   router            node ── bridge `br-pods` 10.244.0.1/24, fd00:244::1/64, masqueraded
//!   (default route     (the workstation, or a cluster's node)   │ .2
//!    of the LAN;                                               pod
//!    sends back all that would leave; resolver at .53)
//! ```
//!
//! Kernel settings are the defaults of a new namespace, but for forwarding on `router` and `node`
//! (a Docker host forwards).

mod layout;
mod netns;
mod resolver;
mod row;
mod sweep;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

pub use netns::Netns;
pub use row::Row;

use crate::child::{Child, run};
use crate::{Result, TestbedError};

/// The company's proxy on the office LAN.
pub const PROXY: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 2);
/// The company's proxy on the office LAN, IPv6.
pub const PROXY_V6: Ipv6Addr = Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 2);
/// The office's resolver: it answers outside names.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 53);
/// The default gateway of the office LAN: nothing gets through it.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
/// The default gateway of the office LAN, IPv6.
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0xfd66, 0, 0, 0, 0, 0, 0, 1);
/// The node on the office LAN.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 10);
/// The pod behind the node's bridge.
pub const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 0, 2);
/// The bridge in the node behind which the pod stands.
pub const POD_BRIDGE: &str = "br-pods";
/// The origins' address on "the internet": every outside name but [`REGISTRY_NAME`] leads here.
pub const ORIGIN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The origins' IPv6 address.
pub const ORIGIN_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x10);
/// The registry's address on "the internet".
pub const REGISTRY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 20);

/// An outside name with an IPv4 address only.
pub const WEB_NAME: &str = "web.example.test";
/// A second outside name, at the same address.
pub const OTHER_NAME: &str = "other.example.test";
/// An outside name with an IPv6 address only.
pub const WEB6_NAME: &str = "web6.example.test";
/// The registry's outside name.
pub const REGISTRY_NAME: &str = "registry.example.test";

/// The corporate network; see the module for its picture. Goes when dropped.
#[derive(Debug)]
pub struct CorpNet {
    /// "The internet": [`ORIGIN`], [`ORIGIN_V6`] and [`REGISTRY`] are its addresses.
    pub inet: Netns,
    /// The company's proxy host, with a leg on both sides.
    pub proxy: Netns,
    /// The office router and the LAN's bridge; the resolver runs here.
    pub router: Netns,
    /// The workstation or cluster node.
    pub node: Netns,
    /// A pod behind the node's bridge, without any proxy setting.
    pub pod: Netns,
    next_port: AtomicU32,
    resolver: Mutex<Option<Child>>,
}

impl CorpNet {
    /// Builds the network: about 0.2 s.
    ///
    /// # Errors
    /// [`TestbedError::NotRoot`], [`TestbedError::Missing`], or the command that failed.
    pub fn new() -> Result<Self> {
        require_root()?;
        for (program, package) in [
            ("ip", "iproute2"),
            ("nft", "nftables"),
            ("dnsmasq", "dnsmasq-base"),
        ] {
            require(program, package)?;
        }
        sweep::remove_leftovers()?;
        let prefix = netns::unused_prefix();
        let host = |role: &str| Netns::create(&prefix, role, RESOLVER);
        let corp = Self {
            inet: host("inet")?,
            proxy: host("proxy")?,
            router: host("router")?,
            node: host("node")?,
            pod: host("pod")?,
            next_port: AtomicU32::new(0),
            resolver: Mutex::new(None),
        };
        layout::build(&corp)?;
        *corp
            .resolver
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(resolver::start(&corp.router)?);
        Ok(corp)
    }

    /// Puts a network namespace of somebody else's (a container's, by the process `pid`) on the
    /// office LAN as `interface`, with the gateway as its default route.
    ///
    /// # Errors
    /// The `ip` command that failed.
    pub fn attach(&self, pid: u32, interface: &str, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<()> {
        let port = format!("host{}", self.next_port.fetch_add(1, Ordering::Relaxed));
        layout::attach(&self.router, pid, &port, interface, v4, v6)
    }

    /// An outside name's address, as the resolver gives it.
    pub fn address_of(name: &str) -> Option<IpAddr> {
        resolver::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, address)| *address)
    }
}

/// The shortest message for the commonest mistake.
pub(crate) fn require_root() -> Result<()> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(TestbedError::NotRoot)
    }
}

/// Fails when `program` is not installed.
pub(crate) fn require(program: &'static str, package: &'static str) -> Result<()> {
    let mut which = Command::new("sh");
    which.args([
        "-c",
        &format!("PATH=$PATH:/usr/sbin:/sbin command -v {program}"),
    ]);
    run(which)
        .map(drop)
        .map_err(|_| TestbedError::Missing { program, package })
}
