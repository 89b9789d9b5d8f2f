//! What the two readers are given.

use proptest::prelude::*;

/// Pieces of requests, right and wrong.
pub(super) fn requests() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "GET http://a.test/ HTTP/1.1",
        "POST http://a.test/p?q HTTP/1.1",
        "POST http://a.test:8080/ HTTP/1.1",
        "PUT http://b.test HTTP/1.1",
        "HEAD http://a.test/h HTTP/1.1",
        "OPTIONS http://a.test HTTP/1.1",
        "DELETE http://a.test?d HTTP/1.0",
    ]);
    let field = prop::sample::select(vec![
        "Content-Length: 5",
        "Content-Length: 0",
        "Content-Length: 05",
        "content-length : 5",
        "Transfer-Encoding: chunked",
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding:\tchunked ",
        "Connection: close",
        "Connection: Content-Length, Transfer-Encoding, X",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Expect: 100-continue",
        "TE: trailers",
        "X: y",
        "X:",
        " folded: x",
        "Host: b.test",
    ]);
    let body = prop::sample::select(vec![
        "",
        "",
        "hello",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "0\r\n\r\n",
        "05\r\nhello\r\n00\r\nContent-Length: 5\r\n\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\nGET http://c.test/ HTTP/1.1\r\nHost: c.test\r\n\r\n",
    ]);
    let one = (line, prop::collection::vec(field, 0..4), body).prop_map(|(line, fields, body)| {
        let fields: Vec<String> = fields.iter().map(|field| format!("{field}\r\n")).collect();
        format!("{line}\r\nHost: a.test\r\n{}\r\n{body}", fields.concat())
    });
    let all = prop::collection::vec(one, 1..4).prop_map(|all| all.concat().into_bytes());
    (all, edits()).prop_map(edited)
}

/// Pieces of responses to a GET, right and wrong.
pub(super) fn responses() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec![
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 404 Not Here",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 304 Not Modified",
        "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 299 Odd",
    ]);
    let field = prop::sample::select(vec![
        "Content-Length: 5",
        "Content-Length: 0",
        "Content-Length : 5",
        "Content-Length: 5, 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding : CHUNKED",
        "Transfer-Encoding: gzip",
        "Connection: close",
        "Connection: Content-Length, X",
        "X: y",
        "X : y",
        "X:",
        " folded: x",
    ]);
    let body = prop::sample::select(vec![
        "",
        "hell",
        "hello",
        "hello, and more",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b\"\r\nhello\r\n0\r\nX : y\r\nHost: z\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "helloHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "5\r\nhello\r\n",
    ]);
    let one = (line, prop::collection::vec(field, 0..4), body);
    let one = one.prop_map(|(line, fields, body)| {
        let fields: Vec<String> = fields.iter().map(|field| format!("{field}\r\n")).collect();
        format!("{line}\r\n{}\r\n{body}", fields.concat()).into_bytes()
    });
    (one, edits()).prop_map(edited)
}

/// What is put where: most of it means something to a parser.
fn edits() -> impl Strategy<Value = Vec<(usize, u8, bool)>> {
    let byte =
        prop::sample::select(b"\r\n\0\t ,;:\"\\#@/0159aAfFxX+-_=\x0b\x0c\x7f\x80\xff".to_vec());
    prop::collection::vec((any::<usize>(), byte, any::<bool>()), 0..3)
}

fn edited((mut bytes, edits): (Vec<u8>, Vec<(usize, u8, bool)>)) -> Vec<u8> {
    for (at, byte, insert) in edits {
        let at = at % bytes.len();
        if insert {
            bytes.insert(at, byte);
        } else {
            bytes[at] = byte;
        }
    }
    bytes
}
