//! Clients that connect and say nothing, or half of a request, or are intercepted and say nothing.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::office::RELAY;
use super::{Extent, Tally};
use crate::error::Result;
use crate::origin::{TLS, addresses};

/// The engine takes every connection; it is stopped for seconds at times, and the kernel repeats
/// an opening segment after 1, 3, 7 and 15 s.
const PATIENCE: Duration = Duration::from_mins(1);
/// Each hangs up by itself after a time between this and twice as much.
const LIFE: Duration = Duration::from_secs(45);
/// Whoever is hung up on comes back after that.
const PAUSE: Duration = Duration::from_secs(1);
/// Of so many, two are intercepted: each of these takes a second descriptor of the engine, for
/// its upstream.
const TURN: usize = 5;

/// Holds as many as are asked for, until the end.
pub(super) fn run(extent: &Extent, tally: &Tally, ended: &watch::Receiver<bool>) -> Result<()> {
    let runtime = super::runtime()?;
    let (count, rate) = (extent.silent, extent.rate);
    runtime.block_on(async {
        let all = (0..count).map(|number| {
            let mut ended = ended.clone();
            async move {
                let late = Duration::from_secs(number as u64) / rate;
                let life = LIFE + LIFE * u32::try_from(number % 100).unwrap_or(0) / 100;
                let again = async {
                    tokio::time::sleep(late).await;
                    loop {
                        if let Err(error) = one(number, life, tally).await {
                            tally.wrong(format!("a silent client is not let in: {error}"));
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                };
                tokio::select! {
                    // The sender lives longer than this.
                    _ = ended.wait_for(|ended| *ended) => {}
                    () = again => {}
                }
            }
        });
        futures_util::future::join_all(all).await;
    });
    Ok(())
}

async fn one(number: usize, life: Duration, tally: &Tally) -> io::Result<()> {
    let origins = addresses();
    let is_intercepted = number % TURN < 2;
    let to = if is_intercepted {
        (origins[number % origins.len()], TLS).into()
    } else {
        RELAY
    };
    let mut stream = tokio::time::timeout(PATIENCE, TcpStream::connect(to)).await??;
    let _silent = Silent::new(tally);
    if number % TURN == 2 {
        let half = b"GET http://web.example.test/ HTTP/1.1\r\nHost: web.exam";
        // Hung up on already: that may be.
        let _ = stream.write_all(half).await;
    }
    // However it ends is right: an answer that it waited too long, an end, a reset.
    let _ = tokio::time::timeout(life, stream.read(&mut [0])).await;
    Ok(())
}

/// Counted for as long as it lives.
struct Silent<'a>(&'a Tally);

impl<'a> Silent<'a> {
    fn new(tally: &'a Tally) -> Self {
        tally.falls_silent();
        Self(tally)
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        self.0.silent.fetch_sub(1, Relaxed);
    }
}
