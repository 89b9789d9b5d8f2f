//! Whether anything leads out of this network namespace (rtnetlink(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::InterceptError;
use super::netlink::{Message, NetlinkSocket, Parsed, messages};
use super::nftables::Targets;

/// They stand for everywhere: addresses for documentation (RFC 5737, RFC 3849), to which nothing
/// but a route to everywhere leads. The kernel is asked, and nothing is sent to them.
const FAR_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// The same for IPv6.
const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
/// `RTA_DST`.
const DESTINATION: u16 = 1;

/// The family that is captured and has no way out: its packets end before the FORWARD rules are
/// asked. `targets` and `neighbours` are those of the table.
///
/// IPv6 counts where it is all that is captured: container runtimes give their bridges IPv6 on
/// machines that have none, and clients go on with IPv4 then.
///
/// # Errors
/// [`InterceptError::Netlink`].
pub(super) fn without_way(
    targets: Targets,
    neighbours: &[IpNet],
) -> Result<Option<&'static str>, InterceptError> {
    let v4_there = neighbours.is_empty() || neighbours.iter().any(|net| net.addr().is_ipv4());
    let (name, far) = match targets {
        Targets { v4: Some(_), .. } if v4_there => ("IPv4", FAR_V4),
        Targets { v6: Some(_), .. } => ("IPv6", FAR_V6),
        Targets { .. } => return Ok(None),
    };
    let leads = leads_to(far).map_err(|source| InterceptError::Netlink {
        what: "looking for a default route",
        source,
    })?;
    Ok((!leads).then_some(name))
}

/// Asks the kernel, rules of policy routing included.
fn leads_to(far: IpAddr) -> io::Result<bool> {
    let (family, bytes) = match far {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    // `struct rtmsg`: family, length of the destination in bits, and ten bytes more.
    let mut head = [0; 12];
    head[0] = u8::try_from(family).expect("families are small numbers");
    head[1] = if far.is_ipv4() { 32 } else { 128 };
    let mut ask = Message::new(RTM_GETROUTE, 0, &head, "the way out");
    ask.put(DESTINATION, &bytes);
    let socket = NetlinkSocket::open(None, 0)?;
    socket.send(ask.finish(1))?;
    let answer = socket.receive()?.unwrap_or_default();
    for message in messages(&answer) {
        match message {
            Parsed::Data {
                kind: RTM_NEWROUTE, ..
            } => return Ok(true),
            Parsed::Ack(ack) => {
                return match ack.error.as_ref().and_then(io::Error::raw_os_error) {
                    Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => Ok(false),
                    // Somebody forbids this address; that says nothing of others.
                    Some(libc::EACCES | libc::EINVAL) => Ok(true),
                    _ => Err(ack.error.unwrap_or_else(unanswered)),
                };
            }
            Parsed::Data { .. } | Parsed::Done => {}
        }
    }
    Err(unanswered())
}

fn unanswered() -> io::Error {
    io::Error::other("the kernel did not answer")
}
