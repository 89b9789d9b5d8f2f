//! ClientHellos as tests want them.

/// A TLS extension.
pub(crate) fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short");
    [&kind.to_be_bytes(), &length.to_be_bytes(), body].concat()
}

pub(crate) fn names(names: &[&[u8]]) -> Vec<u8> {
    let mut list = Vec::new();
    for name in names {
        list.push(0);
        list.extend_from_slice(&u16::try_from(name.len()).expect("short").to_be_bytes());
        list.extend_from_slice(name);
    }
    let length = u16::try_from(list.len()).expect("short");
    extension(0, &[&length.to_be_bytes(), list.as_slice()].concat())
}

/// A handshake message with these extensions, the way OpenSSL lays it out.
pub(crate) fn message(extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = extensions.concat();
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.push(32);
    body.extend_from_slice(&[9; 32]);
    body.extend_from_slice(&[0, 4, 0x13, 0x01, 0x13, 0x02, 1, 0]);
    body.extend_from_slice(
        &u16::try_from(extensions.len())
            .expect("short")
            .to_be_bytes(),
    );
    body.extend_from_slice(&extensions);
    let length = u32::try_from(body.len()).expect("short").to_be_bytes();
    [&[1, length[1], length[2], length[3]], body.as_slice()].concat()
}

/// The message in records of at most `size` bytes.
pub(crate) fn records(message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(size) {
        out.extend_from_slice(&[22, 3, 1]);
        out.extend_from_slice(&u16::try_from(part.len()).expect("short").to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// As long as OpenSSL's with a key share for X25519MLKEM768: 1,720 bytes in one record. It names
/// `web.example.test`, in its own spelling.
pub(crate) fn post_quantum() -> Vec<u8> {
    let with = |padding: usize| {
        message(&[
            extension(0x2a2a, &[]),
            extension(51, &[5; 1220]),
            extension(16, &[0, 3, 2, b'h', b'2']),
            names(&[b"Web.Example.Test."]),
            extension(0x3a3a, &[0]),
            extension(21, &vec![0; padding]),
        ])
    };
    with(1715 - with(0).len())
}
