use bytes::BytesMut;

use super::{HeadError, Limits, RequestHead, ResponseHead, take_trailers};

fn request(text: &str) -> Result<Option<RequestHead>, HeadError> {
    RequestHead::parse(&mut BytesMut::from(text), &Limits::default())
}

#[test]
fn a_head_is_incomplete_until_its_empty_line_and_what_follows_stays() {
    let text = b"\r\nPURGE http://a/ HTTP/1.1\r\nhOst: a\r\nX: \t y \r\n\r\nrest";
    let whole = text.len() - 4;
    for end in 0..whole {
        let mut read = BytesMut::from(&text[..end]);
        assert!(
            RequestHead::parse(&mut read, &Limits::default())
                .expect("prefix")
                .is_none(),
            "{end}"
        );
    }
    let mut read = BytesMut::from(&text[..]);
    let head = RequestHead::parse(&mut read, &Limits::default())
        .expect("valid")
        .expect("complete");
    assert_eq!(&read[..], b"rest");
    assert!(head.is("PURGE") && !head.is_1_0);
    assert!(head.write().ends_with(b"hOst: a\r\nX: y\r\n\r\n"));
}

#[test]
fn what_two_parsers_could_read_in_two_ways_is_refused() {
    for text in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHo st: a\r\n\r\n",
    ] {
        assert!(request(text).is_err(), "{text:?}");
    }
    assert_eq!(
        request("GET / HTTP/1.1\n").err(),
        Some(HeadError::BareLineEnd)
    );
}

#[test]
fn a_head_has_bounds_and_one_byte_decides() {
    let limits = Limits {
        request_line: 40,
        head: 100,
        fields: 70,
        ..Limits::default()
    };
    let parse = |text: &str| RequestHead::parse(&mut BytesMut::from(text), &limits);
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length - 16));
    assert!(parse(&format!("{}\r\n", line(40))).expect("fits").is_some());
    assert_eq!(parse(&line(41)).err(), Some(HeadError::LineTooLong(40)));
    assert_eq!(
        parse(&"x".repeat(41)).err(),
        Some(HeadError::LineTooLong(40))
    );
    let head = |length: usize| format!("{}X: {}\r\n\r\n", line(40), "y".repeat(length - 47));
    assert!(parse(&head(100)).expect("fits").is_some());
    assert_eq!(parse(&head(101)).err(), Some(HeadError::TooLong(100)));
    let long = Limits {
        head: 1000,
        ..limits
    };
    let fields = |count: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(count));
    let parse = |text: &str| RequestHead::parse(&mut BytesMut::from(text), &long);
    assert!(parse(&fields(70)).expect("fits").is_some());
    assert_eq!(parse(&fields(71)).err(), Some(HeadError::TooMany(70)));
}

#[test]
fn a_response_keeps_its_reason() {
    let mut read = BytesMut::from("HTTP/1.0 299 Odd But True\r\nA: b\r\n\r\n");
    let head = ResponseHead::parse(&mut read, &Limits::default())
        .expect("valid")
        .expect("complete");
    assert!(head.is_1_0);
    assert_eq!(head.write(), b"HTTP/1.1 299 Odd But True\r\nA: b\r\n\r\n");
    for text in [
        "HTTP/1.1 99 x\r\n\r\n",
        "HTTP/3 200 x\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        assert!(
            ResponseHead::parse(&mut BytesMut::from(text), &Limits::default()).is_err(),
            "{text:?}"
        );
    }
}

#[test]
fn a_trailer_section_may_be_empty() {
    let mut read = BytesMut::from("\r\nnext");
    assert_eq!(
        take_trailers(&mut read, &Limits::default(), false).expect("valid"),
        Some(super::Fields::default())
    );
    assert_eq!(&read[..], b"next");
    let mut read = BytesMut::from("A: b\r\n\r\nnext");
    let trailers = take_trailers(&mut read, &Limits::default(), false)
        .expect("valid")
        .expect("complete");
    assert_eq!(trailers.first("a"), Some(&b"b"[..]));
    assert_eq!(&read[..], b"next");
}

#[test]
fn whitespace_before_a_colon_is_removed_from_responses_and_refused_in_requests() {
    let text = "HTTP/1.1 200 OK\r\nA : b\r\nC \t: d\r\n\r\n";
    let head = ResponseHead::parse(&mut BytesMut::from(text), &Limits::default())
        .expect("valid")
        .expect("complete");
    assert_eq!(head.write(), b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n");
    let trailers = |is_response| {
        let mut read = BytesMut::from("X: y\r\nA : b\r\n\r\nnext");
        take_trailers(&mut read, &Limits::default(), is_response)
    };
    let malformed = HeadError::Malformed(httparse::Error::HeaderName);
    assert_eq!(trailers(false), Err(malformed.clone()));
    let taken = trailers(true).expect("valid").expect("complete");
    let mut written = Vec::new();
    taken.write(&mut written);
    assert_eq!(written, b"X: y\r\nA: b\r\n");
    for bad in [
        " A: b\r\n\r\n",
        ": b\r\n\r\n",
        "A b: c\r\n\r\n",
        "A\r\n\r\n",
    ] {
        let taken = take_trailers(&mut BytesMut::from(bad), &Limits::default(), true);
        assert!(taken.is_err(), "{bad:?}");
    }
}
