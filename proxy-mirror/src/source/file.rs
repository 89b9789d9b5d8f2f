//! Reading other programs' files: bounded, and honest about what was not there.

use std::io;
use std::path::Path;

use crate::position::position;
use crate::regular_file;

/// A settings file over this size is not one: 4 MiB.
const LARGEST: u64 = 4 << 20;

/// The file's text; `None` where there is none.
///
/// # Errors
/// A sentence: it cannot be read, is larger than 4 MiB, or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<Option<String>, String> {
    let read = regular_file::read(path, LARGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => "is larger than 4 MiB: it is left alone".to_owned(),
        _ => format!("cannot be read: {error}"),
    });
    let Some(bytes) = read? else {
        return Ok(None);
    };
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let (line, column) = position(error.as_bytes(), error.utf8_error().valid_up_to());
        format!("is not UTF-8 at line {line}, column {column}")
    })
}
