//! Clients that know they speak to a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::Asker;
use super::admission::admits;
use crate::control::Via;
use crate::engine::Core;
use crate::http::{Asked, Client, serve, turn_away};

/// Serves one connection of an explicit listener, where the client may use it.
pub async fn explicit(core: Arc<Core>, stream: TcpStream, client: SocketAddr, local: SocketAddr) {
    let router = core.router();
    if !admits(client.ip(), local.ip(), router.clients()) {
        tracing::info!(%client, %local, "client from elsewhere refused");
        core.table.turned_away();
        let why = format!(
            "{} is refused: the relay at {local} serves this machine, its containers, and the \
             networks that --clients names",
            client.ip()
        );
        return Box::pin(turn_away(stream, why)).await;
    }
    crate::dial::tune(&stream);
    let record = core.table.open(client, Via::Explicit, None);
    let client = Client {
        stream,
        read: BytesMut::new(),
        asker: Asker::new(client, local),
        asked: Asked::Proxy,
    };
    serve(&core, &router, client, &record).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::config::{EngineConfig, Policy};
    use crate::engine::Core;

    #[tokio::test]
    async fn an_idle_connection_costs_little_memory() {
        let core = Core::new(Policy::direct("test"), &EngineConfig::default()).expect("core");
        let core = Arc::new(core);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind");
        let address = listener.local_addr().expect("address");
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("connected");
        let served = super::explicit(Arc::clone(&core), stream, address, address);
        let explicit = size_of_val(&served);
        let stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("connected");
        let served = crate::accept::transparent(core, stream, address, address);
        let transparent = size_of_val(&served);
        assert!(
            explicit <= 3200 && transparent <= 3200,
            "{explicit} {transparent} bytes"
        );
    }
}
