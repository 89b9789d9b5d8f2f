//! One connection at a time: what a single client waits for.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Client;
use crate::error::{BenchError, Result};
use crate::hello::Command;
use crate::statistics::median;

/// Median microseconds from the first SYN to the answer's first byte, over `times` connections.
pub(crate) async fn first_byte(client: Client, times: usize) -> Result<f64> {
    let mut waits = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        let stream = client.open(Command::Close).await;
        waits.push(micros(began));
        drop(stream.map_err(BenchError::io("first byte"))?);
    }
    Ok(median(&waits))
}

/// Median microseconds of one small request and answer on a connection that stands, over `times`.
pub(crate) async fn exchange(client: Client, times: usize) -> Result<f64> {
    let failed = || BenchError::io("exchange");
    let mut stream = client.open(Command::Echo).await.map_err(failed())?;
    stream.set_nodelay(true).map_err(failed())?;
    let mut waits = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        stream.write_all(&[0]).await.map_err(failed())?;
        stream.read_u8().await.map_err(failed())?;
        waits.push(micros(began));
    }
    Ok(median(&waits))
}

fn micros(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e6
}
