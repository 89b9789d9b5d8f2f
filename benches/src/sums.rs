//! Bytes that are known to be right: a length, so many bytes, and their SHA-256, both ways at once.

use std::io;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const BLOCK: usize = 1 << 20;
const PIECE: usize = 256 * 1024;
/// What an end says of the bytes that it got.
const WHOLE: u8 = 1;

/// Sends `length` bytes that begin at the place `seed` of the pattern, and gets as many of the
/// origin's; both ends sum what they sent and what they got, and both have closed when it returns.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] where what arrived at one end is not what the other sent.
pub(crate) async fn exchange(mut stream: TcpStream, length: u64, seed: u64) -> io::Result<()> {
    let (mut read, mut write) = stream.split();
    write.write_u64(length).await?;
    let (sent, got) = tokio::join!(send(&mut write, length, seed), receive(&mut read, length));
    sent?;
    let is_whole = got?;
    if read.read_u8().await? != WHOLE {
        return Err(wrong("the origin got other bytes than were sent"));
    }
    if !is_whole {
        return Err(wrong("other bytes came than the origin sent"));
    }
    write.shutdown().await?;
    match read.read(&mut [0]).await? {
        0 => Ok(()),
        _ => Err(wrong("more came than the origin sent")),
    }
}

/// The origin's part.
pub(crate) async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let (mut read, mut write) = stream.split();
    let length = read.read_u64().await?;
    let (sent, got) = tokio::join!(
        send(&mut write, length, !length),
        receive(&mut read, length)
    );
    sent?;
    write.write_all(&[u8::from(got?)]).await?;
    // The client's end comes first, and then ours.
    while read.read(&mut [0]).await? > 0 {}
    Ok(())
}

async fn send(to: &mut (impl AsyncWrite + Unpin), length: u64, seed: u64) -> io::Result<()> {
    let pattern = pattern();
    let mut sum = Sha256::new();
    let mut at = usize::try_from(seed % BLOCK as u64).unwrap_or(0);
    let mut left = length;
    while left > 0 {
        let most = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
        let piece = &pattern[at..(at + most).min(BLOCK)];
        sum.update(piece);
        to.write_all(piece).await?;
        left -= piece.len() as u64;
        at = (at + piece.len()) % BLOCK;
    }
    to.write_all(&sum.finalize()).await
}

/// Whether what comes has the sum that comes behind it.
async fn receive(from: &mut (impl AsyncRead + Unpin), length: u64) -> io::Result<bool> {
    let mut sum = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut left = length;
    while left > 0 {
        let most = PIECE.min(usize::try_from(left).unwrap_or(PIECE));
        let read = from.read(&mut piece[..most]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        sum.update(&piece[..read]);
        left -= read as u64;
    }
    let mut said = [0; 32];
    from.read_exact(&mut said).await?;
    Ok(sum.finalize()[..] == said)
}

/// Bytes that differ from place to place (xorshift).
fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let words = (0..BLOCK / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        words.collect()
    })
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    /// Through a middle that changes the byte at `place` on its way up, if any.
    async fn through(place: Option<usize>) -> io::Result<()> {
        let origin = TcpListener::bind("127.0.0.1:0").await?;
        let middle = TcpListener::bind("127.0.0.1:0").await?;
        let (to, by) = (origin.local_addr()?, middle.local_addr()?);
        tokio::spawn(async move { super::answer(origin.accept().await?.0).await });
        tokio::spawn(async move {
            let mut client = middle.accept().await?.0;
            let mut origin = TcpStream::connect(to).await?;
            let (mut from, mut back) = client.split();
            let (mut down, mut up) = origin.split();
            let changed = async {
                let mut at = 0;
                let mut piece = vec![0; 4096];
                loop {
                    let read = from.read(&mut piece).await?;
                    if read == 0 {
                        return up.shutdown().await;
                    }
                    if let Some(place) = place.filter(|place| (at..at + read).contains(place)) {
                        piece[place - at] ^= 1;
                    }
                    at += read;
                    up.write_all(&piece[..read]).await?;
                }
            };
            tokio::join!(changed, tokio::io::copy(&mut down, &mut back)).0
        });
        super::exchange(TcpStream::connect(by).await?, 3 << 20, 77).await
    }

    #[tokio::test]
    async fn one_wrong_bit_of_megabytes_is_noticed() {
        through(None).await.expect("whole");
        let error = through(Some(2_000_000)).await.expect_err("a wrong bit");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
