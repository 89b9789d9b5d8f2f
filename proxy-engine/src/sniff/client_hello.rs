//! The server name of a TLS ClientHello (RFC 8446, section 4.1.2; RFC 6066, section 3).
//!
//! `tls-parser` reads a whole handshake message, so the records are put together here first: a
//! ClientHello with post-quantum keys is longer than one segment, and may be cut into as many
//! records as its sender likes.

use tls_parser::{TlsMessage, TlsMessageHandshake, parse_tls_message_handshake};

/// A hello that is not whole after so many bytes, records and all, is not waited for.
pub const HELLO_LIMIT: usize = 64 * 1024;
/// Most bytes of one record (RFC 8446, section 5.2).
const RECORD_LIMIT: usize = 16_640;
const RECORD_HEADER: usize = 5;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

/// What the first bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sniffed {
    /// So far they could be a ClientHello.
    Incomplete,
    /// They are none, whatever follows.
    NotTls,
    /// A whole ClientHello.
    Hello(ClientHello),
}

/// What a ClientHello says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The server name: lower case, no trailing dot, valid by [`super::is_host_name`], no IP
    /// address. `None` where there is none, or several that differ.
    pub server_name: Option<String>,
    /// It carries an encrypted hello (or, more often, greases): the name outside may be a front.
    pub encrypted_hello: bool,
}

/// Reads the first bytes of a connection. For growing prefixes of the same bytes the answer is
/// [`Sniffed::Incomplete`] until it is decided, and then stays the same.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    Sniffer::default().look(bytes)
}

/// The same for bytes that come little by little: none is looked at twice.
#[derive(Debug, Default)]
pub struct Sniffer {
    /// The handshake message so far, without the records around it.
    message: Vec<u8>,
    /// Where the record begins that is being read.
    record: usize,
    /// How much of its content stands in `message`.
    taken: usize,
}

impl Sniffer {
    /// Looks at all bytes so far; each time the same ones and some more, until it is decided.
    pub fn look(&mut self, bytes: &[u8]) -> Sniffed {
        let seen = &bytes[..bytes.len().min(HELLO_LIMIT)];
        match self.records(seen) {
            Sniffed::Incomplete if seen.len() == HELLO_LIMIT => Sniffed::NotTls,
            sniffed => sniffed,
        }
    }

    fn records(&mut self, bytes: &[u8]) -> Sniffed {
        loop {
            let rest = bytes.get(self.record..).unwrap_or_default();
            match rest {
                [] => return Sniffed::Incomplete,
                [kind, ..] if *kind != HANDSHAKE => return Sniffed::NotTls,
                [_, major, ..] if *major != 3 => return Sniffed::NotTls,
                [_, _, minor, ..] if *minor > 4 => return Sniffed::NotTls,
                _ if rest.len() < RECORD_HEADER => return Sniffed::Incomplete,
                _ => {}
            }
            let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
            // Handshake records are never empty (RFC 8446, section 5.1).
            if length == 0 || length > RECORD_LIMIT {
                return Sniffed::NotTls;
            }
            let content = &rest[RECORD_HEADER..rest.len().min(RECORD_HEADER + length)];
            self.message
                .extend_from_slice(content.get(self.taken..).unwrap_or_default());
            self.taken = content.len();
            match message_length(&self.message) {
                Length::NotHello => return Sniffed::NotTls,
                Length::Known(whole) if self.message.len() >= whole => {
                    return read(&self.message[..whole]);
                }
                Length::Known(_) | Length::Unknown => {}
            }
            if content.len() < length {
                return Sniffed::Incomplete;
            }
            self.record += RECORD_HEADER + length;
            self.taken = 0;
        }
    }
}

enum Length {
    Unknown,
    NotHello,
    Known(usize),
}

/// The length of the handshake message with its header.
fn message_length(message: &[u8]) -> Length {
    match message {
        [kind, ..] if *kind != CLIENT_HELLO => Length::NotHello,
        [_, a, b, c, ..] => {
            let length = 4 + u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if length > HELLO_LIMIT {
                Length::NotHello
            } else {
                Length::Known(length)
            }
        }
        _ => Length::Unknown,
    }
}

fn read(message: &[u8]) -> Sniffed {
    let Ok((_, TlsMessage::Handshake(TlsMessageHandshake::ClientHello(hello)))) =
        parse_tls_message_handshake(message)
    else {
        return Sniffed::NotTls;
    };
    Sniffed::Hello(extensions(hello.ext.unwrap_or_default()))
}

/// Walks the extensions by their lengths alone, so that a malformed one hides no other.
fn extensions(mut rest: &[u8]) -> ClientHello {
    let mut hello = ClientHello::default();
    let mut names = Names::None;
    while let [t1, t2, l1, l2, tail @ ..] = rest {
        let kind = u16::from_be_bytes([*t1, *t2]);
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        let Some((body, next)) = tail.split_at_checked(length) else {
            break;
        };
        match kind {
            SERVER_NAME => names = names.and(server_names(body)),
            ENCRYPTED_CLIENT_HELLO => hello.encrypted_hello = true,
            _ => {}
        }
        rest = next;
    }
    if let Names::One(name) = names {
        hello.server_name = Some(name);
    }
    hello
}

enum Names {
    None,
    One(String),
    /// Invalid, or several that differ: nobody can tell which one the server takes.
    Unclear,
}

impl Names {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) | (other, Self::None) => other,
            (Self::One(a), Self::One(b)) if a == b => Self::One(a),
            _ => Self::Unclear,
        }
    }
}

/// `ServerNameList`: a length, then entries of type, length and name.
fn server_names(body: &[u8]) -> Names {
    let Some((_, mut rest)) = body.split_at_checked(2) else {
        return Names::Unclear;
    };
    let mut names = Names::None;
    while let [kind, l1, l2, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        let Some((name, next)) = tail.split_at_checked(length) else {
            return Names::Unclear;
        };
        if *kind == 0 {
            names = names.and(valid(name).map_or(Names::Unclear, Names::One));
        }
        rest = next;
    }
    names
}

fn valid(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    match crate::route::Host::parse(name)? {
        crate::route::Host::Name(name) => Some(name),
        crate::route::Host::Ip(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
