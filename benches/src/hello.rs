//! A TLS ClientHello that tells the origin what to do.
//!
//! It is what a TLS 1.3 client sends, and a relay reads the server's name in it. The 32 bytes of
//! its session id, which nobody but the origin looks at, hold a [`Command`]. No handshake follows:
//! both ends would do the same cryptography on every way, and it would hide what is measured.

/// Where the session id stands: after the record's and the message's head, version and random.
const SESSION_ID: usize = 5 + 4 + 2 + 32 + 1;
/// The whole record's bytes, as clients without post-quantum keys pad it (RFC 7685).
pub(crate) const LENGTH: usize = 517;

/// What the origin does with a connection. Its first byte is always the one that tells how the
/// connection came ([`crate::origin`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// One byte; then the origin closes.
    Close,
    /// One byte, and one more for each piece that comes, until the client closes.
    Echo,
    /// Bytes without end, until the client closes.
    Stream,
    /// So many bytes both ways, summed at both ends ([`crate::sums`]).
    Sums,
}

impl Command {
    /// Each with its letter in the session id.
    pub(crate) const ALL: [(u8, Self); 4] = [
        (b'c', Self::Close),
        (b'e', Self::Echo),
        (b's', Self::Stream),
        (b'#', Self::Sums),
    ];

    /// The ClientHello that bears this command, for the server `name`.
    pub(crate) fn hello(self, name: &str) -> Vec<u8> {
        let mut session_id = [0x5a; 32];
        for (letter, command) in Self::ALL {
            if command == self {
                session_id[0] = letter;
            }
        }
        record(name, &session_id)
    }

    /// The command in a ClientHello's record; `None` where there is none.
    pub(crate) fn read(record: &[u8]) -> Option<Self> {
        let letter = *record.get(SESSION_ID)?;
        Self::ALL
            .into_iter()
            .find(|(known, _)| *known == letter)
            .map(|(_, command)| command)
    }
}

/// RFC 8446, 4.1.2, in one record.
fn record(name: &str, session_id: &[u8; 32]) -> Vec<u8> {
    let server = prefixed(&[&[0][..], &prefixed(name.as_bytes())].concat());
    let mut extensions = [
        extension(0, &server),
        extension(23, &[]),
        extension(0xff01, &[0]),
        extension(10, &[0, 6, 0, 29, 0, 23, 0, 24]),
        extension(11, &[1, 0]),
        extension(35, &[]),
        extension(16, b"\x00\x0c\x02h2\x08http/1.1"),
        extension(5, &[1, 0, 0, 0, 0]),
        extension(13, &[0, 8, 4, 3, 8, 4, 4, 1, 8, 5]),
        extension(51, &[&[0, 36, 0, 29, 0, 32][..], &[0x29; 32]].concat()),
        extension(45, &[1, 1]),
        extension(43, &[4, 3, 4, 3, 3]),
    ]
    .concat();
    let mut body = [&[3, 3][..], &[0x7d; 32], &[32], session_id].concat();
    body.extend(prefixed(&[
        0x13, 1, 0x13, 2, 0x13, 3, 0xc0, 0x2b, 0xc0, 0x2f,
    ]));
    body.extend([1, 0]);
    let so_far = 5 + 4 + body.len() + 2 + extensions.len() + 4;
    extensions.extend(extension(21, &vec![0; LENGTH.saturating_sub(so_far)]));
    body.extend(prefixed(&extensions));
    let message = [&[1, 0][..], &prefixed(&body)].concat();
    [&[22, 3, 1][..], &prefixed(&message)].concat()
}

fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &prefixed(value)].concat()
}

/// With a length of two bytes before it.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a hello is shorter than 64 KiB");
    [&length.to_be_bytes()[..], bytes].concat()
}

#[cfg(test)]
mod tests {
    use proxy_engine::sniff::client_hello::{Sniffed, sniff};

    use super::{Command, LENGTH};

    #[test]
    fn the_engine_reads_the_name_and_the_origin_the_command() {
        for (_, command) in Command::ALL {
            let hello = command.hello("web.example.test");
            assert_eq!(hello.len(), LENGTH);
            assert_eq!(Command::read(&hello), Some(command));
            let Sniffed::Hello(read) = sniff(&hello) else {
                panic!("no ClientHello for {command:?}");
            };
            assert_eq!(read.server_name.as_deref(), Some("web.example.test"));
        }
    }
}
