//! To the engine that decides for this one.

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::{DialError, Dialer, connect_any, resolve};
use crate::chain::{Facts, HandshakeError, Key, KeyError, call};
use crate::config::{ChainTo, EngineAddress};

/// The engine that decides for this one, and how to prove who calls.
#[derive(Debug)]
pub struct Chain {
    /// Where it is.
    pub engine: EngineAddress,
    /// This engine's own key.
    pub key: Key,
}

impl Chain {
    /// As it is configured, with the key in memory.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(to: &ChainTo) -> Result<Self, KeyError> {
        Ok(Self {
            engine: to.engine.clone(),
            key: Key::read(&to.key)?,
        })
    }

    /// Under which its health is known.
    pub fn authority(&self) -> String {
        self.engine.to_string()
    }
}

impl Dialer {
    /// A connection to the deciding engine that carries the client's bytes from here on, and what
    /// it has already said to the client.
    ///
    /// # Errors
    /// [`DialError::EngineUnreachable`], [`DialError::EngineRefused`].
    pub async fn chain(
        &self,
        chain: &Chain,
        facts: &Facts,
    ) -> Result<(TcpStream, BytesMut), DialError> {
        let called = self.call(chain, facts).await;
        match &called {
            Ok(_) => self.health.succeeded(&chain.authority()),
            Err(error) => {
                tracing::warn!(engine = %chain.engine, %error, "not passed on");
                self.health.failed(&chain.authority(), error.problem());
            }
        }
        called
    }

    async fn call(&self, chain: &Chain, facts: &Facts) -> Result<(TcpStream, BytesMut), DialError> {
        let unreachable = |source| DialError::EngineUnreachable {
            engine: chain.engine.clone(),
            source,
        };
        let to = &chain.engine.0;
        let addrs = resolve(&to.host, to.port).await.map_err(unreachable)?;
        let mut stream = connect_any(&addrs).await.map_err(unreachable)?;
        // Known before it can call back by a bridge that is captured.
        if let Ok(at) = stream.peer_addr() {
            let ip = at.ip().to_canonical();
            self.health.reached(&chain.authority(), ip);
        }
        let called = call(&mut stream, &chain.key, facts).await;
        let called = called.map_err(|source: HandshakeError| DialError::EngineRefused {
            engine: chain.engine.clone(),
            source: Box::new(source),
        })?;
        Ok((stream, called.early))
    }
}
