//! To the engine that decides for this one.

use bytes::BytesMut;
use tokio::net::TcpStream;

use super::{DialError, Dialer, connect_any, resolve};
use crate::chain::{Facts, HandshakeError, Kept, Key, KeyError, call};
use crate::config::{ChainTo, EngineAddress};

/// The engine that decides for this one, and how to prove who calls.
#[derive(Debug)]
pub struct Chain {
    /// Where it is.
    pub engine: EngineAddress,
    /// This engine's own key.
    pub key: Kept<Key>,
}

impl Chain {
    /// As it is configured, with the key in memory.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(to: &ChainTo) -> Result<Self, KeyError> {
        Ok(Self {
            engine: to.engine.clone(),
            key: Kept::read(&to.key, Key::read)?,
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
        let called = self.call_engine(chain, facts).await;
        match &called {
            Ok(_) => self.health.succeeded(&chain.authority()),
            Err(error) => {
                tracing::warn!(engine = %chain.engine, %error, "not passed on");
                self.health.failed(&chain.authority(), error.problem());
                // Whoever has this address now may be somebody else.
                self.health.forget(&chain.authority());
            }
        }
        called
    }

    async fn call_engine(
        &self,
        chain: &Chain,
        facts: &Facts,
    ) -> Result<(TcpStream, BytesMut), DialError> {
        let unreachable = |source| DialError::EngineUnreachable {
            engine: chain.engine.clone(),
            source,
        };
        let key = chain.key.now().map_err(DialError::ChainKey)?;
        let to = &chain.engine.0;
        let addrs = resolve(&to.host, to.port).await.map_err(unreachable)?;
        let mut stream = connect_any(&addrs).await.map_err(unreachable)?;
        let at = stream.peer_addr().map_err(unreachable)?.ip().to_canonical();
        // Known before it can call back by a bridge that is captured, and not before it has proved
        // which engine it is: what comes from there goes directly.
        let proven = || self.health.reached(&chain.authority(), at);
        let called = call(&mut stream, &key, facts, proven).await;
        let called = called.map_err(|source: HandshakeError| DialError::EngineRefused {
            engine: chain.engine.clone(),
            source: Box::new(source),
        })?;
        Ok((stream, called.early))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{IpAddr, TcpListener};

    use testbed::Row;

    use super::Chain;
    use crate::chain::{Facts, Kept, Key};
    use crate::config::EngineConfig;
    use crate::dial::Dialer;
    use crate::observe::Changes;

    #[test]
    fn an_address_that_does_not_prove_to_be_the_deciding_engine_is_given_no_way_of_its_own() {
        let row = Row::new(&[]).expect("namespaces");
        let at: IpAddr = "10.66.0.2".parse().expect("an address");
        let listener = row.corp.enter(|| TcpListener::bind("0.0.0.0:3184"));
        let listener = listener.expect("entered").expect("listens");
        let false_one = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("called");
            let read = stream.read(&mut [0; 512]).expect("said something");
            assert!(read > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("sent");
        });
        let dialer = Dialer::new(
            &Changes::default(),
            "gangway-test".into(),
            &EngineConfig::default(),
        )
        .expect("a dialer");
        // Nobody else's, as every file of its kind.
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let key = b"vm-1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
        file.write_all(key).expect("written");
        // It was the deciding engine's until now.
        let chain = Chain {
            engine: format!("{at}:3184").parse().expect("an engine"),
            key: Kept::read(file.path(), Key::read).expect("a key"),
        };
        dialer.health.reached(&chain.authority(), at);
        let facts = Facts {
            path: vec!["gangway-first".parse().expect("an id")],
            client: "10.244.0.2:41000".parse().expect("an address"),
            original: None,
        };
        let called = row.node.enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("runtime");
            let called = runtime.block_on(dialer.chain(&chain, &facts));
            called.map(|_| ())
        });
        assert!(called.expect("entered").is_err());
        false_one.join().expect("called");
        assert!(!dialer.health.is_one(at), "an address of its own way");
    }
}
