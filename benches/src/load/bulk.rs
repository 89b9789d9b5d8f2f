//! Bulk through one connection, origin to client.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;

use super::Client;
use crate::error::{BenchError, Result};
use crate::hello::Command;

const BLOCK: usize = 256 * 1024;
/// Before the time that counts: windows and pipes grow to their size.
pub(crate) const WARM_UP: Duration = Duration::from_millis(300);

/// What came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bulk {
    /// Gbit, those of the warm-up included.
    pub(crate) all: f64,
    /// Gbit a second after the warm-up.
    pub(crate) rate: f64,
}

/// Reads for `time` after the warm-up.
pub(crate) async fn run(client: Client, time: Duration) -> Result<Bulk> {
    let broken = || BenchError::io("bulk");
    let mut stream = client.open(Command::Stream).await.map_err(broken())?;
    let mut block = vec![0; BLOCK];
    let mut bytes = 0_u64;
    let began = Instant::now();
    let mut counted_from = None;
    loop {
        match stream.read(&mut block).await.map_err(broken())? {
            0 => return Err(BenchError::Unexpected("bulk: an early end".into())),
            read => bytes += read as u64,
        }
        match counted_from {
            None if began.elapsed() >= WARM_UP => counted_from = Some((Instant::now(), bytes)),
            Some((from, before)) if from.elapsed() >= time => {
                return Ok(Bulk {
                    all: gbit(bytes),
                    rate: gbit(bytes - before) / from.elapsed().as_secs_f64(),
                });
            }
            _ => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn gbit(bytes: u64) -> f64 {
    bytes as f64 * 8.0 / 1e9
}
