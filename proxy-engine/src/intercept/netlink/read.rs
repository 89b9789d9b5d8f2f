//! Reading what the kernel answers. It is trusted, but never past the end of the buffer.

use std::io;

use super::{DONE, ERROR, aligned};

/// One received message.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// The end of a list.
    Done,
    /// An error or an acknowledgement.
    Ack(Ack),
    /// Anything else.
    Data {
        /// Its type.
        kind: u16,
        /// What follows the header of 16 bytes.
        body: &'a [u8],
    },
}

/// An error or an acknowledgement.
#[derive(Debug)]
pub(crate) struct Ack {
    /// The sequence number of the message that it answers.
    pub(crate) sequence: u32,
    /// `None`: it went well.
    pub(crate) error: Option<io::Error>,
    /// Where in that message the fault lies, in bytes from its start.
    pub(crate) offset: Option<usize>,
    /// The kernel's explanation.
    pub(crate) text: Option<String>,
}

/// The messages of one datagram.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Parsed<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let message = bytes.get(..length).filter(|_| length >= 16)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        let kind = u16_at(message, 4)?;
        let body = &message[16..];
        Some(match kind {
            DONE => Parsed::Done,
            ERROR => Parsed::Ack(ack(body)?),
            _ => Parsed::Data { kind, body },
        })
    })
}

/// The attributes in `bytes`: type without flags, value.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let attribute = bytes.get(..length).filter(|_| length >= 4)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((u16_at(attribute, 2)? & 0x3fff, &attribute[4..]))
    })
}

/// `struct nlmsgerr`: number, the refused header (without its payload: `NETLINK_CAP_ACK`), then
/// with `NETLINK_EXT_ACK` attributes that explain.
fn ack(body: &[u8]) -> Option<Ack> {
    const MESSAGE: u16 = 1;
    const OFFSET: u16 = 2;
    let number = i32::from_ne_bytes(body.get(0..4)?.try_into().ok()?);
    let mut ack = Ack {
        sequence: u32_at(body, 12)?,
        error: (number != 0).then(|| io::Error::from_raw_os_error(number.saturating_neg())),
        offset: None,
        text: None,
    };
    for (kind, value) in attributes(body.get(20..).unwrap_or_default()) {
        match kind {
            MESSAGE => {
                let text = value.split(|b| *b == 0).next().unwrap_or_default();
                ack.text = Some(String::from_utf8_lossy(text).into_owned());
            }
            OFFSET => ack.offset = u32_at(value, 0).and_then(|o| usize::try_from(o).ok()),
            _ => {}
        }
    }
    Some(ack)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
