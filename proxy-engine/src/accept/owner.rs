//! Whose a connection from this machine is: the kernel knows the user of each socket
//! (sock_diag(7)).

use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::net::netlink::SOCK_DIAG;

use crate::intercept::netlink::{Message, NetlinkSocket, Parsed, messages};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `TCP_TIME_WAIT`, `TCP_LISTEN` and `TCP_NEW_SYN_RECV`: no socket that a client holds.
const NOBODYS: [u8; 3] = [6, 10, 12];
/// `struct inet_diag_msg`: 4 bytes, `struct inet_diag_sockid` of 48, three numbers, then these.
const STATE: usize = 1;
const USER: usize = 64;
const INODE: usize = 68;

/// A socket that a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// The user's number.
    pub(super) uid: u32,
    /// The socket's own number, by which its holders know it (`/proc/PID/fd`).
    pub(super) inode: u32,
}

/// The socket at `client` that is connected to us at `ours`, and whose it is. `None`: no
/// process of this network namespace holds it any more. The kernel gives a socket without a
/// holder the number of root: such a one is nobody's here.
///
/// # Errors
/// Those of netlink(7).
pub(super) fn held(client: SocketAddr, ours: SocketAddr) -> io::Result<Option<Held>> {
    let socket = NetlinkSocket::open(Some(SOCK_DIAG), 0)?;
    socket.send(question(client, ours).finish(1))?;
    // The kernel answers before `send` returns.
    let answer = socket.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    match messages(&answer).next() {
        Some(Parsed::Data { body, .. }) => Ok(read(body)),
        Some(Parsed::Ack(ack)) => match ack.error {
            Some(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Some(error) => Err(error),
            None => Ok(None),
        },
        Some(Parsed::Done) | None => Ok(None),
    }
}

/// `struct inet_diag_req_v2` for exactly one TCP socket.
fn question(client: SocketAddr, ours: SocketAddr) -> Message {
    let family = if client.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let mut head = vec![u8::try_from(family).expect("a small number"), 6, 0, 0];
    head.extend_from_slice(&u32::MAX.to_ne_bytes()); // every state
    head.extend_from_slice(&client.port().to_be_bytes());
    head.extend_from_slice(&ours.port().to_be_bytes());
    for address in [client.ip(), ours.ip()] {
        let mut bytes = [0; 16];
        match address {
            IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes = ip.octets(),
        }
        head.extend_from_slice(&bytes);
    }
    head.extend_from_slice(&[0; 4]); // any interface
    head.extend_from_slice(&[0xff; 8]); // no cookie
    Message::new(BY_FAMILY, 0, &head, "the user of a socket")
}

fn read(body: &[u8]) -> Option<Held> {
    let number = |at: usize| {
        let bytes = body.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_ne_bytes(bytes))
    };
    let (uid, inode) = (number(USER)?, number(INODE)?);
    let held = !NOBODYS.contains(body.get(STATE)?) && inode != 0;
    held.then_some(Held { uid, inode })
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use rustix::process::Uid;
    use rustix::thread::set_thread_res_uid;

    use super::held;

    /// A connection whose client socket belongs to `uid`.
    fn connected(uid: u32, to: SocketAddr) -> TcpStream {
        std::thread::spawn(move || {
            let uid = Uid::from_raw(uid);
            set_thread_res_uid(uid, uid, uid).expect("another user: the tests run as root");
            TcpStream::connect(to).expect("connected")
        })
        .join()
        .expect("thread")
    }

    #[test]
    fn the_user_of_a_client_is_known_while_the_client_holds_its_socket() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).expect("bind");
            let ours = listener.local_addr().expect("address");
            let client = connected(54_321, ours);
            let (_served, from) = listener.accept().expect("accepted");
            let found = held(from, ours).expect("asked");
            assert_eq!(found.map(|held| held.uid), Some(54_321), "{address}");
            drop(client);
            // Whatever another test starts has a copy until it is a program of its own (fork(2)).
            let deadline = Instant::now() + Duration::from_secs(20);
            while held(from, ours).expect("asked").is_some() {
                assert!(Instant::now() < deadline, "{address}");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn a_listener_on_the_clients_port_is_not_taken_for_the_client() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let ours = listener.local_addr().expect("address");
        let other = TcpListener::bind("127.0.0.1:0").expect("bind");
        let never = other.local_addr().expect("address");
        assert_eq!(held(never, ours).expect("asked"), None);
    }
}
