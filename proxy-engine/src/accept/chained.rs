//! Connections that other engines pass on to this one.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Asker;
use super::admission::admits;
use super::onward::onward;
use super::served::Served;
use super::transparent::intercepted;
use crate::chain::{Caller, HandshakeError, Kept, KeyError, answer};
use crate::control::ChainedFrom;
use crate::engine::Core;
use crate::http::{Asked, Client, serve};
use crate::relay::Tunnel;

/// Serves one connection of a listener for chained engines, once the engine has proved which it
/// is: as an intercepted one where it was going somewhere, else as one of a client that knows that
/// it speaks to a proxy. Whoever proves nothing is closed, and nothing is dialled for him.
pub fn chained(core: Arc<Core>, stream: TcpStream, peer: SocketAddr, local: SocketAddr) -> Served {
    Served::new(open(core, stream, peer, local))
}

pub(super) async fn open(
    core: Arc<Core>,
    mut stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) -> Option<Tunnel> {
    let caller = match Box::pin(caller(&core, &mut stream, peer, local)).await {
        Ok(caller) => caller,
        Err(why) => {
            tracing::info!(engine = %peer, %local, "not taken: {why}");
            core.table.turned_away();
            return None;
        }
    };
    let Caller { engine, facts } = caller;
    let from = ChainedFrom {
        engine: engine.to_string(),
        client: facts.client,
        path: facts.path.iter().map(ToString::to_string).collect(),
    };
    let record = core.table.open_chained(peer, local, facts.original, from);
    let client = Client {
        stream,
        read: BytesMut::new(),
        asker: Asker::chained(facts.client, facts.original.unwrap_or(local)),
        asked: facts.original.map_or(Asked::Proxy, Asked::Origin),
    };
    let pair = match (&core.chain, facts.original) {
        (Some(chain), _) => Box::pin(onward(&core, chain, client, facts.path, &record)).await,
        (None, Some(original)) => Box::pin(intercepted(&core, client, original, &record)).await,
        (None, None) => {
            let router = core.router();
            Box::pin(serve(&core, &router, client, &record)).await
        }
    };
    Some(Tunnel::new(pair?, record, core.idle))
}

/// Why nothing is taken from somebody.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    #[error("the listener serves this machine, its containers, and the networks of --clients")]
    Elsewhere,
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    #[error(transparent)]
    Keys(#[from] Arc<KeyError>),
}

async fn caller(
    core: &Core,
    stream: &mut TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
) -> Result<Caller, NotTaken> {
    if !admits(peer.ip(), local.ip(), core.router().clients()) {
        return Err(NotTaken::Elsewhere);
    }
    let keys = core.keys.as_ref().map(Kept::now).transpose()?;
    Ok(answer(stream, &keys.unwrap_or_default(), &core.id).await?)
}
