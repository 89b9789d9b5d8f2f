//! Bytes as a server or a file gave them become text.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::Script;

/// Why bytes are no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// They are not of the encoding that they say they are of.
    #[error("it is said to be {0}, and is not")]
    NotAsSaid(&'static str),
}

/// Bytes of a file or an answer that may be a script: each letter may take two. Whoever gives more
/// is not read to the end.
pub const MOST_BYTES: usize = 2 * Script::MOST + 4;

/// The bytes of a file, of at most [`MOST_BYTES`].
///
/// # Errors
/// What the system says, and [`io::ErrorKind::FileTooLarge`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MOST_BYTES {
        let error = "it is longer than a PAC script may be (1 MiB)";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, error));
    }
    Ok(bytes)
}

/// The text of a script. A byte order mark says its encoding, else `charset` (of a `Content-Type`),
/// else it is UTF-8 where it can be, and the encoding of old Windows servers (code page 1252), which
/// every byte is valid in, where it cannot.
///
/// A `charset` that nobody knows, or that a server says of everything although the text is UTF-8,
/// does not matter as long as the text can be read.
///
/// # Errors
/// See [`TextError`].
pub fn decode(bytes: &[u8], charset: Option<&str>) -> Result<String, TextError> {
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return strictly(encoding, &bytes[length..]).ok_or(TextError::NotAsSaid(encoding.name()));
    }
    let said = charset.and_then(|label| Encoding::for_label(label.trim().as_bytes()));
    if let Some(encoding) = said
        && let Some(text) = strictly(encoding, bytes)
    {
        return Ok(text);
    }
    let guessed = strictly(UTF_8, bytes);
    Ok(guessed.unwrap_or_else(|| {
        WINDOWS_1252
            .decode_without_bom_handling(bytes)
            .0
            .into_owned()
    }))
}

fn strictly(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::{TextError, decode};

    const TEXT: &str = "// Büro – Köln\nfunction FindProxyForURL";

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = std::iter::once(0xFEFF).chain(text.encode_utf16());
        marked.flat_map(order).collect()
    }

    fn cp1252(text: &str) -> Vec<u8> {
        encoding_rs::WINDOWS_1252.encode(text).0.into_owned()
    }

    #[test]
    fn a_byte_order_mark_says_the_encoding_whatever_the_server_says() {
        let mut utf8 = b"\xEF\xBB\xBF".to_vec();
        utf8.extend_from_slice(TEXT.as_bytes());
        for bytes in [
            utf8,
            utf16(TEXT, u16::to_le_bytes),
            utf16(TEXT, u16::to_be_bytes),
        ] {
            for charset in [None, Some("windows-1252"), Some("nonsense")] {
                assert_eq!(decode(&bytes, charset).expect("text"), TEXT);
            }
        }
        assert_eq!(
            decode(b"\xEF\xBB\xBF\xFF", None),
            Err(TextError::NotAsSaid("UTF-8"))
        );
    }

    #[test]
    fn without_a_mark_the_charset_counts_where_the_text_is_of_it() {
        let bytes = cp1252(TEXT);
        for charset in [
            None,
            Some("windows-1252"),
            Some("ISO-8859-1"),
            Some("utf-8"),
            Some("nonsense"),
        ] {
            assert_eq!(decode(&bytes, charset).expect("text"), TEXT, "{charset:?}");
        }
        let cyrillic = encoding_rs::WINDOWS_1251.encode("// офис").0.into_owned();
        assert_eq!(
            decode(&cyrillic, Some("windows-1251")).expect("text"),
            "// офис"
        );
        assert_eq!(decode(TEXT.as_bytes(), None).expect("text"), TEXT);
    }
}
