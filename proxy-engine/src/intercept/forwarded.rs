//! Capturing behind the verdict of forwarding, so that what a firewall refuses stays refused.
//!
//! A connection that is captured where it arrives never sees the FORWARD rules: a drop in Docker's
//! `DOCKER-USER` or a cluster's network policy would no longer hold. So its opening segment is let
//! through first, as if nothing were installed. Where it would leave the machine, every rule about
//! forwarding has had its say; there the table takes it out, and a copy of it begins anew as one of
//! this machine's own, marked with [`MARK`]. The table sends what bears the mark to the listener,
//! by way of the loopback interface, and the kernel remembers where it was going: from then on it
//! is captured like any other. The client notices nothing. What was refused on the way, or has no
//! route, never gets that far.
//!
//! This also makes the INPUT rules of a host firewall none of its business: the segment comes in by
//! loopback, the rest belongs to a connection that is known.
//!
//! The kernel makes the copy by itself where it has `nft_dup_ipv4` and `nft_dup_ipv6`, as those of
//! the usual distributions do. What follows here is for one that has not (an early WSL2): it hands
//! the copy to this process (`log group`), which sends it again, for the price of a detour through
//! a process at every connection.
//!
//! Of the copy, only the lengths in its headers are looked at, to sum it up: see [`segment`].

mod log;
mod segment;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::InterceptError;
use super::nftables::Targets;
use log::PacketLog;

/// What marks a segment that is sent again. No bit of it is one that Docker, Kubernetes (0xc000),
/// Calico (the upper half) or Cilium (0x0f00) read anything into.
pub(super) const MARK: u32 = 0x3067;

/// What marks a segment that is taken out, until it is.
pub(super) const TAKEN: u32 = 0x3066;

/// `IPPROTO_RAW`: headers are sent as they are given, nothing is received.
const RAW: i32 = 255;

/// So many segments in a row; then others get their turn.
const AT_ONCE: usize = 64;

/// Hears of the segments that the table took out, and sends them again.
#[derive(Debug)]
pub(super) struct Forwarded {
    log: PacketLog,
    v4: Socket,
    /// `None` in a kernel without IPv6.
    v6: Option<Socket>,
}

impl Forwarded {
    /// Opens the sockets, which needs CAP_NET_ADMIN and CAP_NET_RAW. Using them needs neither.
    ///
    /// # Errors
    /// [`InterceptError::NoRawSocket`], [`InterceptError::MissingFeature`], …
    pub(super) fn open() -> Result<Self, InterceptError> {
        let v6 = match sender(Domain::IPV6) {
            Ok(socket) => Some(socket),
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => None,
            Err(error) => return Err(InterceptError::NoRawSocket(error)),
        };
        Ok(Self {
            v4: sender(Domain::IPV4).map_err(InterceptError::NoRawSocket)?,
            v6,
            log: PacketLog::open()?,
        })
    }

    /// The number under which the table tells of segments.
    pub(super) fn group(&self) -> u16 {
        self.log.group()
    }

    /// Sends again what was taken out, towards `targets`. A segment that cannot be sent is lost;
    /// its client sends another one.
    pub(super) fn send_again(&mut self, targets: Targets) {
        for _ in 0..AT_ONCE {
            match self.log.next() {
                Ok(Some(packet)) => {
                    if let Err(error) = self.again(packet, targets) {
                        tracing::debug!(%error, "an opening segment was not sent again");
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    return tracing::warn!(%error, "opening segments were lost");
                }
            }
        }
    }

    fn again(&self, mut packet: Vec<u8>, targets: Targets) -> io::Result<()> {
        let Some(family) = segment::sum_up(&mut packet) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        // Any address of this machine would do: it only says that the way is loopback. What the
        // table's own rule does not send to the listener ends there.
        let (socket, target) = match family {
            segment::Family::V4 => (Some(&self.v4), targets.v4.map(IpAddr::V4)),
            segment::Family::V6 => (self.v6.as_ref(), targets.v6.map(IpAddr::V6)),
        };
        if let (Some(socket), Some(target)) = (socket, target) {
            socket.send_to(&packet, &SockAddr::from(SocketAddr::new(target, 0)))?;
        }
        Ok(())
    }
}

impl AsFd for Forwarded {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.log.as_fd()
    }
}

fn sender(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(RAW)))?;
    socket.set_mark(MARK)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
