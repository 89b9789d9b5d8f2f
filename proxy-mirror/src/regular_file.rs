//! Reading other people's files: no more than is reasonable, and never waiting for a pipe that lies in
//! a file's place.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// The file's bytes; `None` where there is none.
///
/// # Errors
/// It cannot be read, is no regular file, or has more than `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let what = format!("it is larger than {} KiB", limit >> 10);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_is_no_file_or_has_no_end_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        assert_eq!(read(&path("file"), 4).unwrap().unwrap(), b"text");
        let error = read(&path("file"), 3).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
        assert_eq!(read(&path("none"), 4).unwrap(), None);
        assert_eq!(read(&path("file/none"), 4).unwrap(), None);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), kind, mode, 0).unwrap();
        for (path, what) in [
            (path("pipe"), "no file"),
            (folder.path().to_owned(), "no file"),
            ("/dev/zero".into(), "no file"),
        ] {
            let error = read(&path, 4).unwrap_err().to_string();
            assert!(error.contains(what), "{}: {error}", path.display());
        }
    }
}
