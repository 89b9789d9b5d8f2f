//! The frames in front of a chained connection.
//!
//! Each is the eight bytes `GANGWAY` and the version, a byte for its kind, two for the length of
//! what follows (big-endian), and that.

use bytes::{Buf, Bytes, BytesMut};

use super::{EngineId, EngineName};

/// The version that this engine speaks. Another one is refused before anything is said.
pub const VERSION: u8 = 1;

/// What every frame begins with: whoever speaks something else is known by his first byte.
const MAGIC: &[u8; 7] = b"GANGWAY";
/// Magic, version, kind, length.
const HEAD: usize = MAGIC.len() + 4;
/// The longest content: eight engines and two addresses fit in well.
const MOST: usize = 1024;
/// The longest sentence of a verdict.
const MOST_TEXT: usize = 200;

/// Chosen anew for each connection, by either side.
pub type Nonce = [u8; 32];
/// HMAC-SHA-256.
pub type Proof = [u8; 32];

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first engine begins.
    Hello {
        /// Its nonce.
        nonce: Nonce,
        /// The name that its key is filed under.
        engine: EngineName,
    },
    /// The deciding engine proves that it holds the key of that name.
    Challenge {
        /// Its nonce.
        nonce: Nonce,
        /// Its proof.
        proof: Proof,
        /// What it calls itself.
        id: EngineId,
    },
    /// The first engine proves the same, and says what it knows.
    Facts {
        /// Its proof, over the facts too.
        proof: Proof,
        /// [`super::Facts`] as they were written.
        json: Bytes,
    },
    /// Whether the connection goes on.
    Verdict(Verdict),
}

/// What becomes of a connection whose engine proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The client's bytes follow.
    GoesOn,
    /// Not this one: a sentence of printable ASCII.
    Refused(String),
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another protocol.
    #[error("it does not speak as a chained engine does")]
    Foreign,
    /// Another version of this one.
    #[error(
        "it speaks version {0} of the chain, and this engine version {VERSION}: update the older one"
    )]
    Version(u8),
    /// Too long for what it is, too short, or of a kind that there is none of.
    #[error("it sent a malformed {0}")]
    Malformed(&'static str),
}

impl Frame {
    /// Takes a frame from the front of `read`; `None` while it is not complete, then nothing is
    /// taken. What follows it stays.
    ///
    /// # Errors
    /// See [`FrameError`]; it is known as soon as the first wrong byte is there.
    pub fn parse(read: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let common = read.iter().zip(MAGIC).all(|(read, magic)| read == magic);
        if !common {
            return Err(FrameError::Foreign);
        }
        if let Some(version) = read.get(MAGIC.len()).filter(|v| **v != VERSION) {
            return Err(FrameError::Version(*version));
        }
        let Some(&[kind, high, low]) = read.get(MAGIC.len() + 1..HEAD) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MOST {
            return Err(FrameError::Malformed("frame: it is too long"));
        }
        if read.len() < HEAD + length {
            return Ok(None);
        }
        // Copied, so that no connection holds its buffer through these few bytes.
        let content = Bytes::copy_from_slice(&read[HEAD..HEAD + length]);
        let frame = Self::of(kind, content)?;
        read.advance(HEAD + length);
        Ok(Some(frame))
    }

    fn of(kind: u8, mut content: Bytes) -> Result<Self, FrameError> {
        use FrameError::Malformed;
        match kind {
            1 => {
                let nonce = array(&mut content).ok_or(Malformed("hello"))?;
                let engine = text(&content).and_then(|name| name.parse().ok());
                Ok(Self::Hello {
                    nonce,
                    engine: engine.ok_or(Malformed("hello"))?,
                })
            }
            2 => {
                let nonce = array(&mut content).ok_or(Malformed("challenge"))?;
                let proof = array(&mut content).ok_or(Malformed("challenge"))?;
                let id = text(&content).and_then(|id| id.parse().ok());
                Ok(Self::Challenge {
                    nonce,
                    proof,
                    id: id.ok_or(Malformed("challenge"))?,
                })
            }
            3 => {
                let proof = array(&mut content).ok_or(Malformed("statement of facts"))?;
                Ok(Self::Facts {
                    proof,
                    json: content,
                })
            }
            4 => match content.split_first() {
                Some((0, [])) => Ok(Self::Verdict(Verdict::GoesOn)),
                Some((1, why))
                    if why.len() <= MOST_TEXT && why.iter().all(|b| matches!(b, b' '..=b'~')) =>
                {
                    let why = text(why).unwrap_or_default().to_owned();
                    Ok(Self::Verdict(Verdict::Refused(why)))
                }
                _ => Err(Malformed("verdict")),
            },
            _ => Err(Malformed("frame: there is none of its kind")),
        }
    }

    /// The frame's bytes.
    pub fn write(&self) -> Vec<u8> {
        let (kind, content) = match self {
            Self::Hello { nonce, engine } => (1, [nonce, engine.as_str().as_bytes()].concat()),
            Self::Challenge { nonce, proof, id } => {
                (2, [&nonce[..], proof, id.as_str().as_bytes()].concat())
            }
            Self::Facts { proof, json } => (3, [proof, &json[..]].concat()),
            Self::Verdict(Verdict::GoesOn) => (4, vec![0]),
            Self::Verdict(Verdict::Refused(why)) => {
                let why = crate::http::printable(why.as_bytes());
                (4, [&[1], why.as_bytes()].concat())
            }
        };
        // What is written here is short; more would be refused on the other side.
        let length = u16::try_from(content.len()).unwrap_or(u16::MAX);
        let mut bytes = MAGIC.to_vec();
        bytes.extend([VERSION, kind]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(content);
        bytes
    }
}

fn array(content: &mut Bytes) -> Option<[u8; 32]> {
    let first = content.first_chunk().copied()?;
    content.advance(first.len());
    Some(first)
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::{Frame, FrameError, Verdict};

    fn frames() -> impl Strategy<Value = Frame> {
        let array = || prop::array::uniform32(any::<u8>());
        let name = "[A-Za-z0-9._-]{1,64}";
        prop_oneof![
            (array(), name).prop_map(|(nonce, name)| Frame::Hello {
                nonce,
                engine: name.parse().expect("a name"),
            }),
            (array(), array(), name).prop_map(|(nonce, proof, id)| Frame::Challenge {
                nonce,
                proof,
                id: id.parse().expect("an id"),
            }),
            (array(), prop::collection::vec(any::<u8>(), 0..900)).prop_map(|(proof, json)| {
                Frame::Facts {
                    proof,
                    json: json.into(),
                }
            }),
            Just(Frame::Verdict(Verdict::GoesOn)),
            "[ -~]{0,200}".prop_map(|why| Frame::Verdict(Verdict::Refused(why))),
        ]
    }

    proptest! {
        #[test]
        fn a_frame_is_incomplete_until_it_is_there_and_what_follows_stays(
            frame in frames(),
            rest in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let bytes = frame.write();
            for end in 0..bytes.len() {
                let mut read = BytesMut::from(&bytes[..end]);
                prop_assert_eq!(Frame::parse(&mut read), Ok(None));
                prop_assert_eq!(&read[..], &bytes[..end], "nothing is taken");
            }
            let mut read = BytesMut::from(&[&bytes[..], &rest].concat()[..]);
            prop_assert_eq!(Frame::parse(&mut read), Ok(Some(frame)));
            prop_assert_eq!(&read[..], &rest[..]);
        }

        #[test]
        fn what_is_refused_stays_refused_whatever_follows(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            begins_well in any::<bool>(),
        ) {
            let bytes = if begins_well {
                [b"GANGWAY\x01", &bytes[..]].concat()
            } else {
                bytes
            };
            let mut decided = None;
            for end in 0..=bytes.len() {
                let now = Frame::parse(&mut BytesMut::from(&bytes[..end]));
                match &decided {
                    Some(before) => prop_assert_eq!(before, &now),
                    None if now != Ok(None) => decided = Some(now),
                    None => {}
                }
            }
        }
    }

    #[test]
    fn other_protocols_and_versions_are_known_at_once() {
        let parse = |bytes: &[u8]| Frame::parse(&mut BytesMut::from(bytes));
        assert_eq!(parse(b"GET / HTTP/1.1"), Err(FrameError::Foreign));
        assert_eq!(parse(b"C"), Err(FrameError::Foreign));
        assert_eq!(parse(b"\x16"), Err(FrameError::Foreign));
        assert_eq!(parse(b"GANGWAY\x02"), Err(FrameError::Version(2)));
        for bytes in [
            &b"GANGWAY\x01\x01\x04\x01"[..],
            b"GANGWAY\x01\x01\0\x03abc",
            b"GANGWAY\x01\x05\0\0",
            b"GANGWAY\x01\x04\0\0",
            b"GANGWAY\x01\x04\0\x02\0x",
            b"GANGWAY\x01\x04\0\x02\x01\n",
        ] {
            let refused = matches!(parse(bytes), Err(FrameError::Malformed(_)));
            assert!(refused, "{bytes:?}");
        }
        let hello = [b"GANGWAY\x01\x01\0\x23", &[7; 32][..], b"a\nb"].concat();
        assert_eq!(parse(&hello), Err(FrameError::Malformed("hello")));
    }
}
