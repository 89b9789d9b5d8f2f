//! One message, and with it perhaps one descriptor, over a `SOCK_SEQPACKET` socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::protocol::MOST;

/// What came.
#[derive(Debug)]
pub(super) enum Packet {
    /// A message.
    Whole(Vec<u8>, Option<OwnedFd>),
    /// A message over [`MOST`] bytes, whose rest is lost.
    TooLong,
    /// The other side is gone.
    End,
}

/// Sends one message without waiting.
///
/// # Errors
/// `WouldBlock` when the other side does not read; what the kernel says else.
pub(super) fn send(
    socket: impl AsFd,
    message: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|fd| [fd]);
    if let Some(descriptors) = &descriptors {
        // There is space for one.
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    sendmsg(
        socket,
        &[IoSlice::new(message)],
        &mut control,
        SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    )?;
    Ok(())
}

/// Takes the next message without waiting.
///
/// # Errors
/// `WouldBlock` when there is none; what the kernel says else.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Packet> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; MOST];
    let received = match recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
    ) {
        Ok(received) => received,
        Err(rustix::io::Errno::CONNRESET) => return Ok(Packet::End),
        Err(error) => return Err(error.into()),
    };
    // Descriptors beyond the one there is space for are closed by the kernel, the rest here.
    let mut descriptor = None;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            descriptor = descriptors.next().or(descriptor);
        }
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Ok(Packet::TooLong);
    }
    if received.bytes == 0 {
        return Ok(Packet::End);
    }
    bytes.truncate(received.bytes);
    Ok(Packet::Whole(bytes, descriptor))
}
