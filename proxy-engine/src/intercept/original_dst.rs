//! Where a captured connection was going, as the firewall remembers it.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use rustix::net::{getsockname, sockopt};

/// Where the client of `stream` was going before the firewall sent it here.
///
/// `None` when there is no such memory, or when it is the socket's own address: the client
/// connected to the listener itself, and serving it would make the engine dial itself.
/// An IPv4 client of an IPv6 socket is answered with an IPv4 address.
pub fn original_dst(stream: &impl AsFd) -> Option<SocketAddr> {
    let local = canonical(SocketAddr::try_from(getsockname(stream).ok()?).ok()?);
    // The kernel keeps one answer per family, and gives the wrong one no error but nonsense.
    let original = match local {
        SocketAddr::V4(_) => SocketAddr::V4(sockopt::ip_original_dst(stream).ok()?),
        SocketAddr::V6(_) => SocketAddr::V6(sockopt::ipv6_original_dst(stream).ok()?),
    };
    let original = canonical(original);
    (original.ip() != local.ip() || original.port() != local.port()).then_some(original)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::original_dst;

    #[test]
    fn a_connection_that_no_rule_sent_here_has_no_original_destination() {
        for address in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            let listener = TcpListener::bind(address).expect("loopback");
            let _client = TcpStream::connect(listener.local_addr().expect("bound")).expect("dial");
            let (stream, _) = listener.accept().expect("accept");
            assert_eq!(original_dst(&stream), None, "{address}");
        }
    }
}
