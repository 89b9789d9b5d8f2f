//! Bodies, streamed: never held whole, their framing checked on the way.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

use super::Framing;
use super::head::take_trailers;

/// One read.
const READ: usize = 16 * 1024;
/// A chunk's size line with its extensions, which are dropped.
const SIZE_LINE_LIMIT: usize = 4096;

/// Why a body did not get through whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum PumpError {
    /// The sender's connection broke.
    #[error("the sender's connection broke: {0}")]
    Source(io::Error),
    /// The sender hung up in the middle.
    #[error("the body ends before its end")]
    Truncated,
    /// It is not framed as it must be.
    #[error("the body is malformed: {0}")]
    Malformed(&'static str),
    /// The receiver's connection broke.
    #[error("the receiver's connection broke: {0}")]
    Sink(io::Error),
}

/// A connection's reading side, with what was read already.
pub(super) struct Source<'a> {
    pub(super) half: ReadHalf<'a>,
    pub(super) read: &'a mut BytesMut,
    pub(super) count: &'a AtomicU64,
}

impl Source<'_> {
    /// Reads some more; 0 at the end. Memory is taken once bytes are there.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        loop {
            self.half.readable().await?;
            self.read.reserve(READ);
            match self.half.try_read_buf(self.read) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.count.fetch_add(read as u64, Relaxed);
                    return Ok(read);
                }
            }
        }
    }

    async fn more(&mut self) -> Result<(), PumpError> {
        match self.fill().await {
            Ok(0) => Err(PumpError::Truncated),
            Ok(_) => Ok(()),
            Err(error) => Err(PumpError::Source(error)),
        }
    }
}

/// Passes one body on. Chunks are framed anew (sizes checked, extensions dropped, trailers
/// filtered); with `unchunk`, for a client that speaks HTTP/1.0, only their content is written.
pub(super) async fn pump(
    framing: Framing,
    source: &mut Source<'_>,
    sink: &mut WriteHalf<'_>,
    unchunk: bool,
) -> Result<(), PumpError> {
    match framing {
        Framing::Empty => Ok(()),
        Framing::Length(length) => exactly(length, source, sink).await,
        Framing::Chunked => chunks(source, sink, unchunk).await,
        Framing::UntilClose => loop {
            write(sink, source.read).await?;
            source.read.clear();
            match source.fill().await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(PumpError::Source(error)),
            }
        },
    }
}

async fn exactly(
    mut left: u64,
    source: &mut Source<'_>,
    sink: &mut WriteHalf<'_>,
) -> Result<(), PumpError> {
    while left > 0 {
        if source.read.is_empty() {
            source.more().await?;
        }
        let part = take(source.read, left);
        left -= part.len() as u64;
        write(sink, &part).await?;
    }
    Ok(())
}

async fn chunks(
    source: &mut Source<'_>,
    sink: &mut WriteHalf<'_>,
    unchunk: bool,
) -> Result<(), PumpError> {
    let mut out = Vec::new();
    loop {
        let mut left = size_line(source).await?;
        if left == 0 {
            break;
        }
        while left > 0 {
            if source.read.is_empty() {
                source.more().await?;
            }
            // What is there now goes on as a chunk of its own: nobody waits for a large one.
            let part = take(source.read, left);
            left -= part.len() as u64;
            if unchunk {
                write(sink, &part).await?;
                continue;
            }
            out.clear();
            out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            out.extend_from_slice(&part);
            out.extend_from_slice(b"\r\n");
            write(sink, &out).await?;
        }
        while source.read.len() < 2 {
            source.more().await?;
        }
        if source.read.split_to(2) != b"\r\n"[..] {
            return Err(PumpError::Malformed("a chunk is longer than its size"));
        }
    }
    let mut trailers = loop {
        match take_trailers(source.read) {
            Ok(Some(trailers)) => break trailers,
            Ok(None) => source.more().await?,
            Err(_) => return Err(PumpError::Malformed("the trailers are malformed")),
        }
    };
    if unchunk {
        return Ok(());
    }
    trailers.keep_trailers();
    out.clear();
    out.extend_from_slice(b"0\r\n");
    trailers.write(&mut out);
    out.extend_from_slice(b"\r\n");
    write(sink, &out).await
}

/// `1*HEXDIG [chunk-ext] CRLF`.
async fn size_line(source: &mut Source<'_>) -> Result<u64, PumpError> {
    let end = loop {
        if let Some(end) = source.read.iter().position(|b| *b == b'\n') {
            break end;
        }
        if source.read.len() > SIZE_LINE_LIMIT {
            return Err(PumpError::Malformed("a chunk's size line is too long"));
        }
        source.more().await?;
    };
    let line = source.read.split_to(end + 1);
    parse_size(&line[..end]).ok_or(PumpError::Malformed("a chunk's size is not a number"))
}

/// `line` is without its LF.
fn parse_size(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    let allowed = |b: &u8| *b == b'\t' || (b' '..=b'~').contains(b) || *b >= 0x80;
    let well_formed = extensions.is_empty()
        || (extensions.trim_ascii_start().starts_with(b";") && extensions.iter().all(allowed));
    // 16 digits are 64 bits.
    if !(1..=16).contains(&digits) || !well_formed {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()
}

/// At most `most` bytes from the front.
fn take(read: &mut BytesMut, most: u64) -> BytesMut {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    read.split_to(read.len().min(most))
}

async fn write(sink: &mut WriteHalf<'_>, bytes: &[u8]) -> Result<(), PumpError> {
    sink.write_all(bytes).await.map_err(PumpError::Sink)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn a_chunk_size_is_hex_digits_and_nothing_else() {
        for (line, size) in [
            ("0\r", Some(0)),
            ("1f\r", Some(31)),
            ("000A\r", Some(10)),
            ("5;name=value\r", Some(5)),
            ("5 ;name=\"v\"\r", Some(5)),
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
            ("5;a\0\r", None),
            ("5;a\rb\r", None),
        ] {
            assert_eq!(parse_size(line.as_bytes()), size, "{line:?}");
        }
    }
}
