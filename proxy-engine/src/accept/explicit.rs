//! Clients that know they speak to a proxy.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::admission::admits;
use crate::control::Via;
use crate::engine::Core;
use crate::http::{Asked, Client, serve};

/// Serves one connection of an explicit listener, where the client may use it.
pub async fn explicit(core: Arc<Core>, stream: TcpStream, client: SocketAddr, local: SocketAddr) {
    let router = core.router();
    if !admits(client.ip(), local.ip(), router.clients()) {
        tracing::info!(%client, %local, "client from elsewhere refused");
        core.table.turned_away();
        return;
    }
    crate::dial::tune(&stream);
    let record = core.table.open(client, Via::Explicit, None);
    let client = Client {
        stream,
        read: BytesMut::new(),
        address: client,
        asked: Asked::Proxy,
    };
    serve(&core, &router, client, &record).await;
}
