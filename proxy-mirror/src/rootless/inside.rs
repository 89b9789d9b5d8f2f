//! The process that goes inside, listens, and passes its sockets back.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use proxy_engine::descriptor;
use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use socket2::{Domain, Protocol, Socket, Type};

use super::LISTEN;

/// Connections that wait to be taken: a build starts many at once.
const BACKLOG: i32 = 128;

/// Where this program was started as the process that goes inside, it does that and ends. Called
/// first of all: only a process of one thread may go into another user namespace.
pub fn listen_if_asked() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(LISTEN) {
        return;
    }
    let done = go(arguments);
    if let Err(error) = &done {
        // The agent that asked reads it.
        let _ = writeln!(io::stderr(), "{error}");
    }
    std::process::exit(i32::from(done.is_err()));
}

/// Standard output is the socket that what was opened is passed back by.
fn go(mut arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let pid = arguments.next().unwrap_or_default();
    if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(io::Error::other("no process is named"));
    }
    let open = |name: &str| -> io::Result<OwnedFd> {
        let path = format!("/proc/{pid}/ns/{name}");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        rustix::fs::open(&path, flags, Mode::empty())
            .map_err(|error| io::Error::other(format!("cannot open {path}: {error}")))
    };
    // Both before the first is entered: paths mean something else inside.
    let (user, network) = (open("user")?, open("net")?);
    for (namespace, kind) in [
        (user, LinkNameSpaceType::User),
        (network, LinkNameSpaceType::Network),
    ] {
        move_into_link_name_space(namespace.as_fd(), Some(kind))
            .map_err(|error| io::Error::other(format!("cannot enter its {kind:?}: {error}")))?;
    }
    for address in arguments {
        let address: SocketAddr = address.parse().map_err(io::Error::other)?;
        descriptor::send(io::stdout(), listen(address)?.as_fd())?;
    }
    Ok(())
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let failed = |error| io::Error::other(format!("cannot listen at {address} inside: {error}"));
    let listen = || -> io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        // The containers' address is there when their bridge is.
        socket.set_freebind_v4(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    listen().map_err(failed)
}
