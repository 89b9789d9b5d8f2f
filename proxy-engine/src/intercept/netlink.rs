//! Netlink: how a program tells the kernel about routes and rules (netlink(7)).
//!
//! [`Message`] writes one message, [`Parsed`] and [`attributes`] read what comes back,
//! [`NetlinkSocket`] carries both.

mod message;
mod read;
mod socket;

pub(crate) use message::Message;
pub(crate) use read::{Ack, Parsed, attributes, messages};
pub(crate) use socket::NetlinkSocket;

/// `NLM_F_REQUEST`: every message to the kernel.
pub(super) const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: answer also when it went well.
pub(super) const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: list everything.
pub(super) const DUMP: u16 = 0x300;
/// `NLM_F_CREATE`.
pub(super) const CREATE: u16 = 0x400;
/// `NLM_F_EXCL`: fail when it is there already.
pub(super) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_APPEND`: behind the rules that are there.
pub(super) const APPEND: u16 = 0x800;

/// `NLMSG_ERROR`: an error, or with number 0 an acknowledgement.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a list.
const DONE: u16 = 3;

/// Attributes begin at multiples of four bytes.
const fn aligned(length: usize) -> usize {
    (length + 3) & !3
}
