//! A Kerberos token as Negotiate wants it (RFC 4178, section 4.2).

/// SPNEGO and Kerberos as object identifiers in DER, with tag and length.
const SPNEGO: &[u8] = b"\x06\x06\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

/// The first and only message: Kerberos is what is meant, and this is its token.
pub(super) fn wrap(token: &[u8]) -> Vec<u8> {
    let kinds = tagged(0xa0, &tagged(0x30, KERBEROS));
    let token = tagged(0xa2, &tagged(0x04, token));
    let init = tagged(0xa0, &tagged(0x30, &[kinds, token].concat()));
    tagged(0x60, &[SPNEGO, &init].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|b| **b == 0).count()..];
    let mut out = vec![tag];
    match digits {
        [] => out.push(0),
        [short @ 0..=0x7f] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).expect("eight at most"));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::tagged;

    #[test]
    fn lengths_are_written_as_der_has_them() {
        for (length, written) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
        ] {
            let out = tagged(4, &vec![7; length]);
            assert_eq!(out[..written.len()], *written, "{length}");
            assert_eq!(out.len(), written.len() + length);
        }
    }
}
