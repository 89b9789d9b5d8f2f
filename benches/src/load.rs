//! New tunnels and bulk over loopback: straight to the origin, and by CONNECT through the relay.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use proxy_engine::config::{EngineConfig, Policy};
use proxy_engine::engine::Engine;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::results::Measure;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Tunnels a round: far below the ephemeral ports that a round may leave behind.
const TUNNELS: u32 = 1_000;
/// Bytes a round.
const BULK: u64 = 1 << 30;

/// Every measure, both ways.
pub(crate) async fn measure() -> Result<Vec<Measure>, Box<dyn Error>> {
    let origin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let to = origin.local_addr()?;
    tokio::spawn(serve(origin));
    let relay = free_address()?;
    let config = EngineConfig {
        listen: vec![relay],
        policy: Some(Policy::direct("bench")),
        ..EngineConfig::default()
    };
    let engine = Engine::start(config).await?;
    if let Some(error) = engine
        .status()
        .listeners
        .into_iter()
        .find_map(|listener| listener.error)
    {
        return Err(error.into());
    }
    let ways = [("direct", None), ("relay", Some(relay))];
    let mut measures: Vec<Measure> = Vec::new();
    for (what, bytes) in [
        ("new connections/s, one byte each way", 1),
        ("bulk (Gbit/s)", BULK),
    ] {
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..crate::ROUNDS {
            for (way, rounds) in ways.iter().zip(&mut rounds) {
                rounds.push(
                    round(way.1, to, bytes)
                        .await
                        .map_err(|error| error.to_string())?,
                );
            }
        }
        for ((way, _), rounds) in ways.into_iter().zip(rounds) {
            measures.push(Measure {
                what: what.to_owned(),
                way,
                rounds,
            });
        }
    }
    engine.drain(std::time::Duration::from_secs(1)).await;
    Ok(measures)
}

/// One round: many connections of one byte, or one of many.
async fn round(relay: Option<SocketAddr>, to: SocketAddr, bytes: u64) -> Outcome<f64> {
    let began = Instant::now();
    if bytes == 1 {
        for _ in 0..TUNNELS {
            exchange(relay, to, 1).await?;
        }
        return Ok(f64::from(TUNNELS) / began.elapsed().as_secs_f64());
    }
    exchange(relay, to, bytes).await?;
    #[expect(clippy::cast_precision_loss, reason = "a gibibyte is far below 2^52")]
    let bits = (bytes * 8) as f64;
    Ok(bits / 1e9 / began.elapsed().as_secs_f64())
}

/// Asks the origin for `bytes` bytes and reads them all.
async fn exchange(relay: Option<SocketAddr>, to: SocketAddr, bytes: u64) -> Outcome<()> {
    let mut stream = TcpStream::connect(relay.unwrap_or(to)).await?;
    stream.set_nodelay(true)?;
    if relay.is_some() {
        let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        stream.write_all(connect.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&head).into_owned().into());
        }
    }
    stream.write_u64(bytes).await?;
    let mut buffer = vec![0; 256 * 1024];
    let mut left = bytes;
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => return Err(format!("{left} bytes are missing").into()),
            read => left -= read as u64,
        }
    }
    Ok(())
}

/// Answers each number with as many bytes.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let block = vec![0; 256 * 1024];
            let Ok(mut left) = stream.read_u64().await else {
                return;
            };
            while left > 0 {
                let next = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                if stream.write_all(&block[..next]).await.is_err() {
                    return;
                }
                left -= next as u64;
            }
        });
    }
}

/// An address that nothing listens on at this moment.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
