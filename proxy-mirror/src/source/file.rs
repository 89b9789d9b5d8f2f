//! Reading other programs' files: bounded, and honest about what was not there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::position::position;

/// A settings file over this size is not one: 4 MiB.
const LARGEST: u64 = 4 << 20;

/// The file's text; `None` where there is none.
///
/// # Errors
/// A sentence: it cannot be read, is larger than 4 MiB, or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > LARGEST {
        return Err("is larger than 4 MiB: it is left alone".to_owned());
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let (line, column) = position(error.as_bytes(), error.utf8_error().valid_up_to());
        format!("is not UTF-8 at line {line}, column {column}")
    })
}
