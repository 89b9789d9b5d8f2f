//! What a SOCKS proxy answers. Each answer says how long it is: nothing behind it is taken.

use std::fmt;

use bytes::{Buf as _, BytesMut};

/// The proxy's answer to a request for a connection.
pub type Reply = Result<(), Refusal>;

/// Why a proxy did not connect us, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It gives no reason.
    Failed,
    /// Its rules forbid the destination.
    NotAllowed,
    /// It has no route to the network.
    NetworkUnreachable,
    /// It does not reach the host.
    HostUnreachable,
    /// The host has no such port.
    ConnectionRefused,
    /// Its packets die on the way.
    Expired,
    /// It connects nobody.
    CommandUnknown,
    /// It knows no such addresses.
    AddressUnknown,
    /// It asks this machine's identd who we are.
    Identity,
    /// A number that no document explains.
    Other(u8),
}

/// How the proxy wants to know who asks (RFC 1928, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// It does not.
    NoneNeeded,
    /// By user and password.
    Password,
    /// By nothing that was offered.
    None,
}

/// What the proxy says to user and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// They are right.
    Accepted,
    /// They are not.
    Refused,
}

/// Takes version 4's answer from the front of `read`; `None` while it is not whole.
///
/// # Errors
/// Why it is none.
pub fn reply_v4(read: &mut BytesMut) -> Result<Option<Reply>, &'static str> {
    if read.first().is_some_and(|version| *version != 0) {
        return Err("it does not speak SOCKS 4");
    }
    if read.len() < 8 {
        return Ok(None);
    }
    let reply = match read[1] {
        90 => Ok(()),
        91 => Err(Refusal::Failed),
        92 | 93 => Err(Refusal::Identity),
        other => Err(Refusal::Other(other)),
    };
    read.advance(8);
    Ok(Some(reply))
}

/// Takes the method that version 5 chose.
///
/// # Errors
/// Why it is none.
pub fn method(read: &mut BytesMut) -> Result<Option<Method>, &'static str> {
    let Some([version, chosen]) = pair(read) else {
        return not_yet(read, 5, "it does not speak SOCKS 5");
    };
    let method = match (version, chosen) {
        (5, 0) => Method::NoneNeeded,
        (5, 2) => Method::Password,
        (5, 0xff) => Method::None,
        (5, _) => return Err("it chose a method that was not offered"),
        _ => return Err("it does not speak SOCKS 5"),
    };
    read.advance(2);
    Ok(Some(method))
}

/// Takes the answer to user and password (RFC 1929, section 2).
///
/// # Errors
/// Why it is none.
pub fn login(read: &mut BytesMut) -> Result<Option<Login>, &'static str> {
    const NONE: &str = "its answer to user and password is none";
    let Some([version, status]) = pair(read) else {
        return not_yet(read, 1, NONE);
    };
    // Some repeat the protocol's version instead of the method's.
    let login = match (version, status) {
        (1 | 5, 0) => Login::Accepted,
        (1 | 5, _) => Login::Refused,
        _ => return Err(NONE),
    };
    read.advance(2);
    Ok(Some(login))
}

/// Takes version 5's answer (RFC 1928, section 6).
///
/// # Errors
/// Why it is none.
pub fn reply_v5(read: &mut BytesMut) -> Result<Option<Reply>, &'static str> {
    if read.first().is_some_and(|version| *version != 5) {
        return Err("it does not speak SOCKS 5");
    }
    // Version, reply, reserved, kind of address; the address, and a port of two bytes.
    let address = match (read.get(3), read.get(4)) {
        (Some(1), _) => 4,
        (Some(4), _) => 16,
        (Some(3), Some(length)) => 1 + usize::from(*length),
        (None | Some(3), _) => return Ok(None),
        (Some(_), _) => return Err("its answer names no address that SOCKS 5 knows"),
    };
    let length = 4 + address + 2;
    if read.len() < length {
        return Ok(None);
    }
    let reply = match read[1] {
        0 => Ok(()),
        1 => Err(Refusal::Failed),
        2 => Err(Refusal::NotAllowed),
        3 => Err(Refusal::NetworkUnreachable),
        4 => Err(Refusal::HostUnreachable),
        5 => Err(Refusal::ConnectionRefused),
        6 => Err(Refusal::Expired),
        7 => Err(Refusal::CommandUnknown),
        8 => Err(Refusal::AddressUnknown),
        other => Err(Refusal::Other(other)),
    };
    read.advance(length);
    Ok(Some(reply))
}

fn pair(read: &BytesMut) -> Option<[u8; 2]> {
    read.first_chunk().copied()
}

fn not_yet<T>(
    read: &BytesMut,
    version: u8,
    error: &'static str,
) -> Result<Option<T>, &'static str> {
    match read.first() {
        // What is no version is none however it goes on.
        Some(first) if *first != version && *first != 5 => Err(error),
        _ => Ok(None),
    }
}

impl Refusal {
    /// The HTTP status that says about the same.
    pub fn status(self) -> u16 {
        match self {
            Self::NotAllowed => 403,
            Self::Expired => 504,
            _ => 502,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed => "it failed or is refused, and the proxy says no more",
            Self::NotAllowed => "its rules do not allow it",
            Self::NetworkUnreachable => "it does not reach the network",
            Self::HostUnreachable => "it does not reach the host",
            Self::ConnectionRefused => "the host refused the connection",
            Self::Expired => "the way there is too long",
            Self::CommandUnknown => "it does not connect anybody",
            Self::AddressUnknown => "it knows no addresses of that kind",
            Self::Identity => "it wants to know from this machine's identd who asks",
            Self::Other(number) => return write!(f, "it answered {number}"),
        })
    }
}

#[cfg(test)]
mod tests;
