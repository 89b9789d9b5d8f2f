//! One descriptor from a process to another, with a byte that carries it (`SCM_RIGHTS`, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The byte says nothing: the kernel passes no descriptor without one.
const CARRIER: [u8; 1] = [b's'];

/// Sends it over a stream of Unix. It stays open here, too.
///
/// # Errors
/// What the kernel says; `WouldBlock` of a socket that does not wait.
pub fn send(stream: impl AsFd, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    // There is space for one.
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let carrier = [IoSlice::new(&CARRIER)];
    sendmsg(stream, &carrier, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes the next one.
///
/// # Errors
/// As [`send`], and where something else came, or nothing any more.
pub fn receive(stream: impl AsFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut carried = [IoSliceMut::new(&mut byte)];
    let received = recvmsg(stream, &mut carried, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    match descriptor {
        Some(descriptor) if received.bytes == 1 => Ok(descriptor),
        // Without room for another descriptor here, the kernel drops it.
        _ => Err(io::Error::other("a socket did not come through")),
    }
}
