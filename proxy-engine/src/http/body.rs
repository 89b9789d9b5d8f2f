//! Bodies, streamed: never held whole, their framing checked on the way.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Framing;
use super::chunked::{ChunkError, Chunked, Part, take};
use super::fields::Listed;
use super::long::{NoRoom, Share};
use super::pace::Pace;
use crate::config::Limits;
use crate::relay::{ReadHalf, WriteHalf};

/// One read.
pub(super) const READ: usize = 16 * 1024;

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
    Malformed(#[from] ChunkError),
    /// Its trailer section is a long one, and there are too many.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
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
    /// Reads some more; 0 at the end. Memory is taken once bytes are there. Nothing is lost where
    /// this is dropped half-way.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        loop {
            // Whoever always has something to say must not keep others from being heard.
            tokio::task::consume_budget().await;
            let half = match &mut self.half {
                ReadHalf::Plain(half) => half,
                ReadHalf::Tls(half, _) => {
                    self.read.reserve(READ);
                    let read = half.read_buf(self.read).await?;
                    self.count.fetch_add(read as u64, Relaxed);
                    return Ok(read);
                }
            };
            half.readable().await?;
            self.read.reserve(READ);
            match half.try_read_buf(self.read) {
                // A false alarm: a client that says nothing holds nothing.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.read.is_empty() {
                        *self.read = BytesMut::new();
                    }
                }
                Err(error) => return Err(error),
                Ok(read) => {
                    self.count.fetch_add(read as u64, Relaxed);
                    return Ok(read);
                }
            }
        }
    }
}

/// One body, and how it goes on.
pub(super) struct Body<'a> {
    pub(super) framing: Framing,
    /// For a receiver that speaks HTTP/1.0: only the content of chunks is written.
    pub(super) unchunk: bool,
    /// What `Connection` listed in the head is no trailer either (RFC 9110, section 7.6.1).
    pub(super) listed: Listed,
    /// Told of every wait for the sender of a request.
    pub(super) pace: Option<&'a Pace>,
    pub(super) limits: Limits,
    /// The client's, of trailer sections that are longer than usual.
    pub(super) share: Share<'a>,
}

impl Body<'_> {
    /// Passes the body on. Chunks are framed anew: sizes checked, extensions dropped, trailers
    /// filtered.
    pub(super) async fn pump(
        mut self,
        source: &mut Source<'_>,
        sink: &mut WriteHalf<'_>,
    ) -> Result<(), PumpError> {
        match self.framing {
            Framing::Empty => Ok(()),
            Framing::Length(length) => self.exactly(length, source, sink).await,
            Framing::Chunked => self.chunks(source, sink).await,
            Framing::UntilClose => loop {
                write(sink, source.read).await?;
                source.read.clear();
                match self.more(source, sink).await {
                    Ok(()) => {}
                    Err(PumpError::Truncated) => return Ok(()),
                    Err(error) => return Err(error),
                }
            },
        }
    }

    async fn exactly(
        &mut self,
        mut left: u64,
        source: &mut Source<'_>,
        sink: &mut WriteHalf<'_>,
    ) -> Result<(), PumpError> {
        while left > 0 {
            if source.read.is_empty() {
                self.more(source, sink).await?;
            }
            let part = take(source.read, left);
            left -= part.len() as u64;
            write(sink, &part).await?;
        }
        Ok(())
    }

    async fn chunks(
        &mut self,
        source: &mut Source<'_>,
        sink: &mut WriteHalf<'_>,
    ) -> Result<(), PumpError> {
        // Only a request has a pace.
        let mut chunked = match self.pace {
            Some(_) => Chunked::of_request(self.limits),
            None => Chunked::of_response(self.limits),
        };
        let mut out = Vec::new();
        let mut long = None;
        loop {
            let there = source.read.len();
            let part = chunked.next(source.read)?;
            let left = source.read.len();
            match &part {
                // All that may be long and is not passed on at once are trailers.
                Part::Incomplete => self.share.hold(left, &mut long)?,
                Part::End(_) => self.share.hold(there - left, &mut long)?,
                Part::Content(_) => {}
            }
            match part {
                // What is there now goes on at once: nobody waits for a large chunk.
                Part::Content(part) => {
                    if self.unchunk {
                        out.extend_from_slice(&part);
                    } else {
                        out.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
                        out.extend_from_slice(&part);
                        out.extend_from_slice(b"\r\n");
                    }
                }
                Part::Incomplete => {
                    write(sink, &out).await?;
                    out.clear();
                    self.more(source, sink).await?;
                }
                Part::End(mut trailers) => {
                    if !self.unchunk {
                        trailers.keep_trailers(&self.listed);
                        out.extend_from_slice(b"0\r\n");
                        trailers.write(&mut out);
                        out.extend_from_slice(b"\r\n");
                    }
                    return write(sink, &out).await;
                }
            }
        }
    }

    async fn more(&self, source: &mut Source<'_>, sink: &WriteHalf<'_>) -> Result<(), PumpError> {
        if let Some(pace) = self.pace {
            pace.waits_for_the_client();
        }
        let read = tokio::select! {
            biased;
            read = source.fill() => read,
            // Nobody writes to the receiver meanwhile, who may be gone.
            () = sink.lost() => {
                let error = io::ErrorKind::ConnectionReset.into();
                return Err(PumpError::Sink(error));
            }
        };
        if let Some(pace) = self.pace {
            pace.goes_on();
        }
        match read {
            Ok(0) => Err(PumpError::Truncated),
            Ok(_) => Ok(()),
            Err(error) => Err(PumpError::Source(error)),
        }
    }
}

async fn write(sink: &mut WriteHalf<'_>, bytes: &[u8]) -> Result<(), PumpError> {
    sink.write_all(bytes).await.map_err(PumpError::Sink)?;
    sink.flush().await.map_err(PumpError::Sink)
}
