//! A listening socket that outlives bad moments.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::holder::holder;
use super::room::{self, PAUSE};
use crate::intercept::{Families, open_listener};

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else does.
    #[error("{address} is in use by {holder}; stop it or choose another port")]
    InUse {
        /// The address.
        address: SocketAddr,
        /// `name (pid)`, or that it is not known.
        holder: String,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on an address that this machine need not have yet (`IP_FREEBIND`: the bridge of the
    /// containers may come later).
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn open(address: SocketAddr, families: Families) -> Result<Self, ListenError> {
        let socket = open_listener(address, families).map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                let unknown = || "another process (root can see which)".into();
                let holder = holder(address).unwrap_or_else(unknown);
                ListenError::InUse { address, holder }
            } else {
                ListenError::Other { address, source }
            }
        })?;
        Self::passed(socket, address)
    }

    /// A non-blocking socket that listens already: opened here, or by the broker.
    ///
    /// # Errors
    /// [`ListenError::Other`] outside of a runtime, or without a free descriptor.
    pub fn passed(socket: std::net::TcpListener, address: SocketAddr) -> Result<Self, ListenError> {
        crate::dial::tune(&socket);
        crate::dial::keep_alive(&socket);
        let socket = TcpListener::from_std(socket)
            .map_err(|source| ListenError::Other { address, source })?;
        let address = socket.local_addr().unwrap_or(address);
        Ok(Self { socket, address })
    }

    /// Where it listens; the port that the kernel chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A second descriptor of the socket, for another process.
    ///
    /// # Errors
    /// No descriptor is free.
    #[cfg(unix)]
    pub fn second(&self) -> io::Result<std::net::TcpListener> {
        use std::os::fd::AsFd;
        self.socket.as_fd().try_clone_to_owned().map(Into::into)
    }

    /// The next connection, with canonical addresses of the client and of our side. No error ends
    /// the listener: without room for another connection it waits for some, and goes on.
    pub async fn accept(&self) -> (TcpStream, SocketAddr, SocketAddr) {
        loop {
            while room::lack().is_some() {
                tokio::time::sleep(PAUSE).await;
            }
            let error = match self.socket.accept().await {
                Ok((stream, client)) => match stream.local_addr() {
                    Ok(local) => {
                        room::taken(&stream);
                        return (stream, canonical(client), canonical(local));
                    }
                    Err(error) => error,
                },
                Err(error) => error,
            };
            // The one connection failed before we had it.
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
            ) {
                continue;
            }
            if !room::is_lack(&error) {
                tracing::warn!(address = %self.address, %error, "accept failed");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use socket2::SockRef;

    use super::Listener;
    use crate::intercept::Families;

    #[tokio::test]
    async fn what_is_accepted_sends_at_once_and_notices_dead_peers() {
        let address = "127.0.0.1:0".parse().expect("address");
        let listener = Listener::open(address, Families::Own).expect("listens");
        let client = tokio::net::TcpStream::connect(listener.address());
        let (_client, (served, _, _)) = tokio::join!(client, listener.accept());
        let served = SockRef::from(&served);
        assert!(served.tcp_nodelay().expect("asked"));
        assert!(served.keepalive().expect("asked"));
        let idle = served.tcp_keepalive_time().expect("asked");
        assert_eq!(idle, Duration::from_mins(1));
    }
}
