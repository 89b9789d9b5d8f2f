//! Why traffic could not be brought here.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::control::Problem;

/// Why traffic could not be brought here, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum InterceptError {
    /// This system has no interception.
    #[error("interception needs Linux: on this system, programs must be told of the proxy")]
    Unsupported,
    /// The process may not change the firewall.
    #[error(
        "this process may not change the firewall (no CAP_NET_ADMIN): run it as root, or start the broker and pass its socket with --broker"
    )]
    NotPermitted,
    /// [`drop_capabilities`](crate::intercept::drop_capabilities) was called, and the rules would
    /// have to change now.
    #[error(
        "this process gave up its capabilities, so its interception cannot change any more: restart it with the new settings, or run the broker"
    )]
    CapabilitiesDropped,
    /// The kernel lacks something.
    #[error(
        "this kernel lacks {feature} ({errno}), which {what} needs: load its module or use a newer kernel; interception needs Linux 5.12 with nf_tables, NAT and conntrack"
    )]
    MissingFeature {
        /// Which: `the nftables expression nat (module nft_nat)`.
        feature: String,
        /// The part of the table that wants it.
        what: String,
        /// What the kernel said.
        errno: io::Error,
    },
    /// The kernel refused a part of the table.
    #[error("the kernel refused {what}: {errno}{detail}")]
    Refused {
        /// The part of the table.
        what: String,
        /// What the kernel said.
        errno: io::Error,
        /// The kernel's own explanation, with `: ` before it; empty where it gave none.
        detail: String,
    },
    /// Talking to the kernel failed.
    #[error("{what} failed: {source}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The process may not send segments again.
    #[error(
        "this process may not open raw sockets ({0}), which sending on what the firewall let through needs: give it CAP_NET_RAW, or capture without asking the firewall's FORWARD rules (ignore-forward)"
    )]
    NoRawSocket(io::Error),
    /// Another firewall drops what the table sends to the listener.
    #[error(
        "a firewall on this machine drops captured connections before they reach the engine: let TCP to port {listener} come in where `ct status dnat` holds (and everything by the interface lo), in the chain that drops it"
    )]
    Dropped {
        /// The transparent listener's port.
        listener: u16,
    },
    /// The network namespace cannot be had.
    #[error(
        "no way into the network namespace {netns}: {source}; name one that exists and is root's, and give who sets the rules CAP_SYS_ADMIN and CAP_SYS_PTRACE"
    )]
    Netns {
        /// Which.
        netns: String,
        /// Why.
        source: io::Error,
    },
    /// There is nowhere to send what is captured.
    #[error(
        "no interface here has an address that captured traffic could be sent to: it begins as soon as one has"
    )]
    NoAddress,
    /// What containers send to far places is refused before the FORWARD rules are asked.
    #[error(
        "this machine has no default route for {family}, and what has no route is not captured: give it one (`ip route add default dev IFACE` is enough, wherever it leads), or run the engine with --ignore-forward"
    )]
    NoDefaultRoute {
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// The listening socket could not be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The broker is not there.
    #[error(
        "the broker does not answer at {}: {source}; start it (systemctl start gangway-broker)",
        path.display()
    )]
    NoBroker {
        /// Its socket.
        path: PathBuf,
        /// Why it could not be reached.
        source: io::Error,
    },
    /// The broker was there and went away; its rules went with it.
    #[error("the broker has ended, and its rules with it: connect to it again")]
    BrokerGone,
    /// The broker refused or failed; what it said.
    #[error("the broker says: {}", problem.message)]
    Broker {
        /// As the broker put it.
        problem: Problem,
    },
    /// Bytes on the broker's socket that are not of this version.
    #[error("the broker spoke of something unknown: engine and broker must be of one version")]
    Protocol,
    /// A value that may not be asked for.
    #[error("{0}")]
    Invalid(String),
}

impl InterceptError {
    /// The same for people and programs.
    pub fn problem(&self) -> Problem {
        let code = match self {
            Self::Unsupported => "interception_unsupported",
            Self::NotPermitted => "interception_not_permitted",
            Self::CapabilitiesDropped => "capabilities_dropped",
            Self::MissingFeature { .. } => "kernel_feature_missing",
            Self::Refused { .. } => "kernel_refused",
            Self::Netlink { .. } => "netlink_failed",
            Self::NoRawSocket(_) => "no_raw_socket",
            Self::Dropped { .. } => "handshakes_dropped",
            Self::Netns { .. } => "netns_unreachable",
            Self::NoAddress => "no_address",
            Self::NoDefaultRoute { .. } => "no_default_route",
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "port_in_use"
            }
            Self::Listen { .. } => "cannot_listen",
            Self::NoBroker { .. } => "broker_unreachable",
            Self::BrokerGone => "broker_gone",
            Self::Broker { problem } => return problem.clone(),
            Self::Protocol => "broker_version",
            Self::Invalid(_) => "invalid_request",
        };
        Problem {
            code: code.to_owned(),
            message: self.to_string(),
        }
    }
}
