//! Whether somebody serves where a target is told to go.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A relay on this machine answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether a proxy speaks HTTP at this address.
pub(super) async fn answers(proxy: &str) -> std::io::Result<()> {
    let address = proxy.trim_start_matches("http://");
    let ask = async {
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        // Nobody's proxy carries this out: port 0 is none. Any answer shows who is there.
        stream
            .write_all(b"CONNECT gangway.invalid:0 HTTP/1.1\r\nHost: gangway.invalid:0\r\n\r\n")
            .await?;
        let mut head = [0; 7];
        stream.read_exact(&mut head).await?;
        if &head == b"HTTP/1." {
            Ok(())
        } else {
            Err(std::io::Error::other("it does not speak HTTP"))
        }
    };
    tokio::time::timeout(PATIENCE, ask)
        .await
        .unwrap_or_else(|_| {
            Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "no answer",
            ))
        })
}
