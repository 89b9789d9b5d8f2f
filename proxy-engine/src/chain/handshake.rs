//! Two engines prove to each other who they are.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    EngineId, EngineName, Facts, FactsError, Frame, FrameError, Key, Keys, Nonce, Verdict,
};

/// Four frames over a link of this machine: whoever needs longer is stuck, or holds us up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a proof is for, so that none of one side serves the other.
const DECIDES: &[u8] = b"gangway chain 1: the engine that decides";
const PASSES_ON: &[u8] = b"gangway chain 1: the engine that passes on";

/// Why a connection is not chained.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side left in the middle.
    #[error(
        "it closed the connection: it may not know the name or the key of this engine; its log says why"
    )]
    Closed,
    /// It needed longer than 5 s.
    #[error("it says nothing")]
    Late,
    /// It speaks something else.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// It speaks out of turn.
    #[error("it speaks out of turn")]
    OutOfTurn,
    /// Nobody has a key for this name.
    #[error("no key is known for the engine {0}")]
    Unknown(EngineName),
    /// The proof is not one of the key that both should hold.
    #[error("it does not hold the key of {0}")]
    Proof(EngineName),
    /// Facts that cannot be.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// It has been here before.
    #[error("the connection has been at this engine before: engines pass it on in a circle")]
    Loop,
    /// The deciding engine does not want it.
    #[error("{0}")]
    Refused(String),
    /// The operating system gives no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
}

/// The deciding engine, once it takes the connection.
#[derive(Debug)]
pub struct Called {
    /// What it calls itself.
    pub id: EngineId,
    /// What it said behind the verdict: bytes for the client.
    pub early: BytesMut,
}

/// The first engine, once it has proved who it is.
#[derive(Debug)]
pub struct Caller {
    /// The name of its key.
    pub engine: EngineName,
    /// What it knows of the connection.
    pub facts: Facts,
}

/// Passes a connection on, as the engine of this key. When it returns well, the client's bytes go
/// over the stream. `proven` hears that the other side is the engine that decides, before that
/// engine learns of the connection.
///
/// # Errors
/// See [`HandshakeError`].
pub async fn call(
    stream: &mut TcpStream,
    key: &Key,
    facts: &Facts,
    proven: impl FnOnce(),
) -> Result<Called, HandshakeError> {
    in_time(async {
        let mut read = BytesMut::new();
        let mine = nonce()?;
        let hello = Frame::Hello {
            nonce: mine,
            engine: key.name.clone(),
        };
        stream.write_all(&hello.write()).await?;
        let Frame::Challenge { nonce, proof, id } = next(stream, &mut read).await? else {
            return Err(HandshakeError::OutOfTurn);
        };
        let name = key.name.as_str().as_bytes();
        let said = [name, &mine, &nonce, id.as_str().as_bytes()];
        if !key.made(&proof, &with(DECIDES, &said, &[])) {
            return Err(HandshakeError::Proof(key.name.clone()));
        }
        proven();
        // Only now: a stranger learns nothing of the client.
        let json = facts.write();
        let facts = Frame::Facts {
            proof: key.prove(&with(PASSES_ON, &said, &json)),
            json: json.into(),
        };
        stream.write_all(&facts.write()).await?;
        match next(stream, &mut read).await? {
            Frame::Verdict(Verdict::GoesOn) => Ok(Called {
                id,
                early: kept(read),
            }),
            Frame::Verdict(Verdict::Refused(why)) => Err(HandshakeError::Refused(why)),
            _ => Err(HandshakeError::OutOfTurn),
        }
    })
    .await
}

/// Takes a connection that an engine passes on to the engine `own`. Whoever proves nothing is told
/// nothing.
///
/// # Errors
/// See [`HandshakeError`].
pub async fn answer(
    stream: &mut TcpStream,
    keys: &Keys,
    own: &EngineId,
) -> Result<Caller, HandshakeError> {
    in_time(async {
        let mut read = BytesMut::new();
        let Frame::Hello { nonce: its, engine } = next(stream, &mut read).await? else {
            return Err(HandshakeError::OutOfTurn);
        };
        let Some(key) = keys.of(&engine) else {
            return Err(HandshakeError::Unknown(engine));
        };
        let mine = nonce()?;
        let name = engine.as_str().as_bytes();
        let said = [name, &its, &mine, own.as_str().as_bytes()];
        let challenge = Frame::Challenge {
            nonce: mine,
            proof: key.prove(&with(DECIDES, &said, &[])),
            id: own.clone(),
        };
        stream.write_all(&challenge.write()).await?;
        let Frame::Facts { proof, json } = next(stream, &mut read).await? else {
            return Err(HandshakeError::OutOfTurn);
        };
        if !key.made(&proof, &with(PASSES_ON, &said, &json)) {
            return Err(HandshakeError::Proof(engine));
        }
        // The client's bytes come after the verdict.
        if !read.is_empty() {
            return Err(HandshakeError::OutOfTurn);
        }
        match judge(&json, own) {
            Ok(facts) => {
                let goes_on = Frame::Verdict(Verdict::GoesOn);
                stream.write_all(&goes_on.write()).await?;
                Ok(Caller { engine, facts })
            }
            Err(error) => {
                let refused = Frame::Verdict(Verdict::Refused(error.to_string()));
                stream.write_all(&refused.write()).await?;
                Err(error)
            }
        }
    })
    .await
}

fn judge(json: &Bytes, own: &EngineId) -> Result<Facts, HandshakeError> {
    let facts = Facts::read(json)?;
    if facts.path.contains(own) {
        return Err(HandshakeError::Loop);
    }
    Ok(facts)
}

/// All that a proof is over: both nonces, both engines, the facts.
fn with<'a>(purpose: &'a [u8], said: &[&'a [u8]; 4], facts: &'a [u8]) -> [&'a [u8]; 6] {
    let [name, its, mine, id] = *said;
    [purpose, name, its, mine, id, facts]
}

async fn next(stream: &mut TcpStream, read: &mut BytesMut) -> Result<Frame, HandshakeError> {
    loop {
        if let Some(frame) = Frame::parse(read)? {
            return Ok(frame);
        }
        if stream.read_buf(read).await? == 0 {
            return Err(HandshakeError::Closed);
        }
    }
}

/// A connection may be silent for hours: it keeps no empty room.
fn kept(read: BytesMut) -> BytesMut {
    if read.is_empty() {
        BytesMut::new()
    } else {
        read
    }
}

fn nonce() -> Result<Nonce, HandshakeError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| HandshakeError::Random(error.to_string()))?;
    Ok(bytes)
}

async fn in_time<T>(
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    let ended = tokio::time::timeout(PATIENCE, handshake).await;
    ended.unwrap_or(Err(HandshakeError::Late))
}
