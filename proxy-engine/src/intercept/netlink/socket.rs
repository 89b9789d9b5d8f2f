//! The socket that netlink messages travel over.
#![allow(
    unsafe_code,
    reason = "two socket options of netlink that no safe wrapper knows"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname,
    recv, sendto, socket_with, sockopt,
};

use super::{DUMP, Message, Parsed, messages};

/// Room for the answers to a batch, and for a datagram of a list: the kernel makes those of up to
/// 32 KiB.
const BUFFER: usize = 64 * 1024;

/// A netlink socket to the kernel.
#[derive(Debug)]
pub(crate) struct NetlinkSocket {
    fd: OwnedFd,
    port: u32,
}

impl NetlinkSocket {
    /// A socket for `protocol` (`None`: routes and addresses) that hears `groups`.
    pub(crate) fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            protocol,
        )?;
        bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        let port = SocketAddrNetlink::try_from(getsockname(&fd)?)?.pid();
        // A large batch is answered message by message, before it can be read. Best effort: with
        // less room, an answer is lost and said to be.
        let _ = sockopt::set_socket_recv_buffer_size(&fd, 1 << 20);
        for option in [libc::NETLINK_CAP_ACK, libc::NETLINK_EXT_ACK] {
            let on: libc::c_int = 1;
            // SAFETY: the descriptor is open, the pointer and length are those of `on`. A kernel
            // without the option (before 4.12) explains its errors less: nothing else changes.
            unsafe {
                libc::setsockopt(
                    fd.as_raw_fd(),
                    libc::SOL_NETLINK,
                    option,
                    (&raw const on).cast(),
                    4,
                );
            }
        }
        Ok(Self { fd, port })
    }

    /// The number of this socket: unique among those of its protocol and network namespace.
    pub(crate) fn port(&self) -> u32 {
        self.port
    }

    /// Hands `bytes` to the kernel, which deals with them before this returns.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        sendto(
            &self.fd,
            bytes,
            SendFlags::empty(),
            &SocketAddrNetlink::new(0, 0),
        )?;
        Ok(())
    }

    /// Asks for the list `kind` and hands each of its entries, by type and body, to `each`.
    pub(crate) fn list(
        &self,
        kind: u16,
        head: &[u8],
        mut each: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.send(Message::new(kind, DUMP, head, "a list").finish(1))?;
        // The kernel fills one datagram at a time and the next one when it is read: none is late.
        while let Some(datagram) = self.receive()? {
            for message in messages(&datagram) {
                match message {
                    Parsed::Done => return Ok(()),
                    Parsed::Ack(ack) => {
                        if let Some(error) = ack.error {
                            return Err(error);
                        }
                    }
                    Parsed::Data { kind, body } => each(kind, body),
                }
            }
        }
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the kernel's list has no end",
        ))
    }

    /// The next datagram that waits; `None` when none does.
    pub(crate) fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; BUFFER];
        let read = self.receive_into(&mut buffer)?;
        Ok(read.map(|read| {
            buffer.truncate(read);
            buffer
        }))
    }

    /// The same into `buffer`: its length, at most as much as there is room for.
    pub(crate) fn receive_into(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(&self.fd, buffer, RecvFlags::DONTWAIT) {
            Ok((read, _)) => Ok(Some(read)),
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
