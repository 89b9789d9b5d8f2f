use bytes::BytesMut;

use super::{ChunkError, Chunked, Part, parse_size};
use crate::config::Limits;
use crate::http::HeadError;

/// Content, trailers, and what follows.
type Read = (Vec<u8>, String, Vec<u8>);

/// The whole content and the trailers, fed in pieces of `piece` bytes; and what is left.
fn read(body: &[u8], piece: usize) -> Result<Option<Read>, ChunkError> {
    let mut chunked = Chunked::of_request(Limits::default());
    let mut buffer = BytesMut::new();
    let mut content = Vec::new();
    let mut pieces = body.chunks(piece);
    loop {
        match chunked.next(&mut buffer)? {
            Part::Content(part) => content.extend_from_slice(&part),
            Part::End(fields) => {
                let mut trailers = Vec::new();
                fields.write(&mut trailers);
                buffer.extend(pieces.flatten());
                let trailers = String::from_utf8(trailers).expect("text");
                return Ok(Some((content, trailers, buffer.to_vec())));
            }
            Part::Incomplete => match pieces.next() {
                Some(piece) => buffer.extend_from_slice(piece),
                None => return Ok(None),
            },
        }
    }
}

#[test]
fn a_chunk_size_is_hex_digits_and_nothing_else() {
    for (line, size) in [
        ("0\r", Some(0)),
        ("1f\r", Some(31)),
        ("000A\r", Some(10)),
        ("5;name=value\r", Some(5)),
        ("5 ;name=\"v\"\r", Some(5)),
        ("5;name=\"a;\\\"b\"\r", Some(5)),
        ("5;name=\"v\r", None),
        ("5;name=\"v\\\"\r", None),
        ("5;\"\r", None),
        ("100000001\r", Some(4_294_967_297)),
        ("ffffffffffffffff\r", Some(u64::MAX)),
        ("10000000000000000\r", None),
        ("", None),
        ("\r", None),
        ("5", None),
        ("0x5\r", None),
        ("+5\r", None),
        ("-5\r", None),
        ("5_0\r", None),
        (" 5\r", None),
        ("5 5\r", None),
        ("5 \r", None),
        ("5\t\r", None),
        ("5,5\r", None),
        ("5.\r", None),
        ("0000000000000005\r", Some(5)),
        ("00000000000000005\r", None),
        ("5;a\0\r", None),
        ("5;a\rb\r", None),
    ] {
        assert_eq!(parse_size(line.as_bytes()), size, "{line:?}");
    }
}

#[test]
fn a_body_is_the_same_however_it_is_cut() {
    let body = b"5;x=y\r\nhello\r\n00c\r\n to\r\nyou all\r\n0;last\r\nX-Sum: 1\r\nY: 2\r\n\r\nNEXT";
    for piece in 1..=body.len() {
        let (content, trailers, rest) = read(body, piece).expect("valid").expect("whole");
        assert_eq!(content, b"hello to\r\nyou all");
        assert_eq!(trailers, "X-Sum: 1\r\nY: 2\r\n");
        assert_eq!(rest, b"NEXT");
    }
    for end in 0..body.len() - 4 {
        assert_eq!(read(&body[..end], 7), Ok(None), "{end}");
    }
}

#[test]
fn a_trailer_section_of_nothing_is_whole() {
    let (content, trailers, rest) = read(b"0\r\n\r\nNEXT", 1).expect("valid").expect("whole");
    assert!(content.is_empty() && trailers.is_empty());
    assert_eq!(rest, b"NEXT");
}

#[test]
fn what_cannot_be_told_from_its_neighbours_is_refused() {
    for (body, error) in [
        (&b"0x1\r\na\r\n"[..], ChunkError::Size),
        (b"1\na\r\n", ChunkError::Size),
        (b"1\r\nab\r\n", ChunkError::End),
        (b"1\r\na\n0\r\n\r\n", ChunkError::End),
        (
            b"0\r\nX : y\r\n\r\n",
            ChunkError::Trailers(HeadError::Malformed(httparse::Error::HeaderName)),
        ),
        (
            b"0\r\nX: y\n\r\n",
            ChunkError::Trailers(HeadError::BareLineEnd),
        ),
        (b"0\r\n\n", ChunkError::Trailers(HeadError::BareLineEnd)),
    ] {
        for piece in [1, 3, body.len()] {
            assert_eq!(read(body, piece), Err(error.clone()), "{body:?}");
        }
    }
}

#[test]
fn a_size_line_and_trailers_have_bounds() {
    let extension = |length: usize| format!("1;{}\r\na\r\n", "x".repeat(length - 4));
    let most = Limits::default().chunk_line;
    assert_eq!(read(extension(most).as_bytes(), 100), Ok(None));
    let error = Err(ChunkError::LineTooLong(most));
    assert_eq!(read(extension(most + 1).as_bytes(), 100), error);
    assert_eq!(read("1".repeat(most).as_bytes(), most), error);
    let most = Limits::default().trailers;
    let trailers = format!("0\r\nX: {}", "y".repeat(most));
    let error = ChunkError::Trailers(HeadError::TooLong(most));
    assert_eq!(error.status(), 431);
    assert_eq!(read(trailers.as_bytes(), 1000), Err(error));
}

#[test]
fn a_chunk_of_more_than_four_gibibytes_is_counted_to_its_last_byte() {
    let mut chunked = Chunked::of_request(Limits::default());
    let size = (1_u64 << 32) + 3;
    let mut read = BytesMut::from(format!("{size:x}\r\n").as_str());
    let block = vec![7; 1 << 20];
    let mut seen = 0;
    while seen < size {
        read.extend_from_slice(&block);
        let before = read.len();
        let Part::Content(part) = chunked.next(&mut read).expect("valid") else {
            panic!("no content at {seen} of {before}");
        };
        seen += part.len() as u64;
    }
    assert_eq!(seen, size);
    read.clear();
    read.extend_from_slice(b"\r\n0\r\n\r\n");
    assert!(matches!(chunked.next(&mut read), Ok(Part::End(_))));
}
