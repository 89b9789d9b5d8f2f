//! Copies of packets from the kernel (nfnetlink_log; `linux/netfilter/nfnetlink_log.h`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::intercept::InterceptError;
use crate::intercept::netlink::{ACK, Message, NetlinkSocket, Parsed, attributes, messages};

/// `NFNL_SUBSYS_ULOG`.
const SUBSYSTEM: u16 = 4 << 8;
/// `NFULNL_MSG_PACKET`.
const PACKET: u16 = SUBSYSTEM;
/// `NFULNL_MSG_CONFIG`.
const CONFIG: u16 = SUBSYSTEM | 1;

/// An opening segment, with all the data that one may carry, and what the kernel says about it.
const LONGEST: usize = 4096;
/// More of a packet is not copied.
const SNAP: u32 = 2048;
/// Groups that others choose are small numbers.
const FIRST_GROUP: u16 = 0x6700;
/// So many holders in one network namespace are more than there will ever be.
const GROUPS: u16 = 0x100;

/// A socket that hears of the packets of one group, each at once.
#[derive(Debug)]
pub(super) struct PacketLog {
    socket: NetlinkSocket,
    group: u16,
    buffer: Vec<u8>,
}

impl PacketLog {
    /// Takes a group that nobody else in this network namespace has.
    pub(super) fn open() -> Result<Self, InterceptError> {
        let failed = |source| InterceptError::Netlink {
            what: "opening a netlink socket for packets",
            source,
        };
        let socket =
            NetlinkSocket::open(Some(rustix::net::netlink::NETFILTER), 0).map_err(failed)?;
        let mut taken = None;
        for group in FIRST_GROUP..FIRST_GROUP + GROUPS {
            match configure(&socket, group) {
                Ok(()) => {
                    return Ok(Self {
                        socket,
                        group,
                        buffer: vec![0; LONGEST],
                    });
                }
                // The kernel's word for another's group, and for a process without privilege.
                Err(error) if error.raw_os_error() == Some(libc::EPERM) => taken = Some(error),
                Err(error) => return Err(refusal(error)),
            }
        }
        Err(refusal(taken.unwrap_or(io::ErrorKind::AddrInUse.into())))
    }

    pub(super) fn group(&self) -> u16 {
        self.group
    }

    /// The next packet, from its network header on.
    ///
    /// # Errors
    /// `ENOBUFS` when some were lost; what the kernel says else.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        /// `NFULA_PAYLOAD`.
        const PAYLOAD: u16 = 9;
        while let Some(read) = self.socket.receive_into(&mut self.buffer)? {
            let mut packets = messages(&self.buffer[..read]).filter_map(|message| match message {
                // Behind `struct nfgenmsg`.
                Parsed::Data { kind: PACKET, body } => attributes(body.get(4..)?)
                    .find(|(kind, _)| *kind == PAYLOAD)
                    .map(|(_, payload)| payload.to_vec()),
                _ => None,
            });
            // One a datagram: none waits for the next.
            if let Some(packet) = packets.next() {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}

impl AsFd for PacketLog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Binds the group to this socket: packets whole, and each at once.
fn configure(socket: &NetlinkSocket, group: u16) -> io::Result<()> {
    /// `NFULA_CFG_CMD`, `NFULNL_CFG_CMD_BIND`.
    const COMMAND: (u16, u8) = (1, 1);
    /// `NFULA_CFG_MODE`: how much to copy, and `NFULNL_COPY_PACKET`.
    const MODE: (u16, u8) = (2, 2);
    /// `NFULA_CFG_QTHRESH`.
    const THRESHOLD: u16 = 5;
    // `struct nfgenmsg`: no family, version 0, the group.
    let [high, low] = group.to_be_bytes();
    let head = [0, 0, high, low];
    let mut bind = Message::new(CONFIG, ACK, &head, "a log group");
    bind.put(COMMAND.0, &[COMMAND.1]);
    order(socket, bind)?;
    let mut mode = Message::new(CONFIG, ACK, &head, "a log group");
    let [a, b, c, d] = SNAP.to_be_bytes();
    mode.put(MODE.0, &[a, b, c, d, MODE.1, 0]);
    mode.put_u32(THRESHOLD, 1);
    order(socket, mode)
}

fn order(socket: &NetlinkSocket, mut message: Message) -> io::Result<()> {
    socket.send(message.finish(1))?;
    while let Some(answer) = socket.receive()? {
        for message in messages(&answer) {
            if let Parsed::Ack(ack) = message {
                return ack.error.map_or(Ok(()), Err);
            }
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn refusal(errno: io::Error) -> InterceptError {
    match errno.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => InterceptError::NotPermitted,
        Some(libc::EINVAL | libc::EOPNOTSUPP) => InterceptError::MissingFeature {
            feature: "packet logging (module nfnetlink_log)".to_owned(),
            what: "capturing behind the rules of forwarding".to_owned(),
            errno,
        },
        _ => InterceptError::Netlink {
            what: "asking for packets",
            source: errno,
        },
    }
}
