//! Clients that know they speak to a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Asker;
use super::admission::admits;
use super::onward::onward;
use super::served::Served;
use crate::control::Via;
use crate::engine::Core;
use crate::http::{Answer, Asked, Client, serve, turn_away};
use crate::relay::Tunnel;

/// Serves one connection of an explicit listener, where the client may use it.
pub fn explicit(
    core: Arc<Core>,
    stream: TcpStream,
    client: SocketAddr,
    local: SocketAddr,
) -> Served {
    Served::new(open(core, stream, client, local))
}

async fn open(
    core: Arc<Core>,
    stream: TcpStream,
    client: SocketAddr,
    local: SocketAddr,
) -> Option<Tunnel> {
    let router = core.router();
    if !admits(client.ip(), local.ip(), router.clients()) {
        tracing::info!(%client, %local, "client from elsewhere refused");
        core.table.turned_away();
        let why = format!(
            "{} is refused: the relay at {local} serves this machine, its containers, and the \
             networks that --clients names",
            client.ip()
        );
        Box::pin(turn_away(stream, Answer::new(403, why))).await;
        return None;
    }
    let record = core.table.open(client, Via::Explicit, local, None);
    let client = Client {
        stream,
        read: BytesMut::new(),
        asker: Asker::new(client, local),
        asked: Asked::Proxy,
    };
    let pair = match &core.chain {
        Some(chain) => Box::pin(onward(&core, chain, client, Vec::new(), &record)).await,
        None => serve(&core, &router, client, &record).await,
    };
    Some(Tunnel::new(pair?, record, core.idle))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::accept::Served;
    use crate::config::{EngineConfig, Policy};
    use crate::engine::Core;
    use crate::relay::Tunnel;

    #[tokio::test]
    async fn a_silent_client_and_an_idle_tunnel_cost_little_memory() {
        let core = Core::new(Policy::direct("test"), &EngineConfig::default()).expect("core");
        let core = Arc::new(core);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind");
        let address = listener.local_addr().expect("address");
        let stream = async || {
            let stream = tokio::net::TcpStream::connect(address).await;
            stream.expect("connected")
        };
        let served = super::open(Arc::clone(&core), stream().await, address, address);
        let explicit = size_of_val(&served);
        let core_too = Arc::clone(&core);
        let served = crate::accept::transparent::open(core_too, stream().await, address, address);
        let transparent = size_of_val(&served);
        let served = crate::accept::chained::open(core, stream().await, address, address);
        let chained = size_of_val(&served);
        let tunnel = (size_of::<Served>(), size_of::<Tunnel>());
        assert!(
            explicit.max(transparent).max(chained) <= 1400 && tunnel <= (224, 224),
            "{explicit} {transparent} {chained} {tunnel:?} bytes"
        );
    }
}
