//! A listening socket that outlives bad moments.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::holder::holder;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;
/// Out of descriptors or memory, the next connection waits this long.
const PAUSE: Duration = Duration::from_millis(100);

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
    /// containers may come later). `[::]` takes IPv4 too.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn open(address: SocketAddr) -> Result<Self, ListenError> {
        let also_v4 = address.ip().is_unspecified();
        Self::open_for(address, !also_v4)
    }

    /// As [`Listener::open`], but `[::]` leaves IPv4 to a listener of its own at `0.0.0.0`.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub fn open_beside_v4(address: SocketAddr) -> Result<Self, ListenError> {
        Self::open_for(address, true)
    }

    fn open_for(address: SocketAddr, only_v6: bool) -> Result<Self, ListenError> {
        let socket = bind(address, only_v6).map_err(|source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                let unknown = || "another process (root can see which)".into();
                let holder = holder(address).unwrap_or_else(unknown);
                ListenError::InUse { address, holder }
            } else {
                ListenError::Other { address, source }
            }
        })?;
        let address = socket.local_addr().unwrap_or(address);
        Ok(Self { socket, address })
    }

    /// Where it listens; the port that the kernel chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, with canonical addresses of the client and of our side. No error ends
    /// the listener: it pauses, and goes on.
    pub async fn accept(&self) -> (TcpStream, SocketAddr, SocketAddr) {
        loop {
            let error = match self.socket.accept().await {
                Ok((stream, client)) => match stream.local_addr() {
                    Ok(local) => return (stream, canonical(client), canonical(local)),
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
            tracing::warn!(address = %self.address, %error, "accept failed");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // A port in TIME_WAIT must not keep a restarted engine out. (On Windows it means sharing.)
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(target_os = "linux")]
    if address.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_freebind_v6(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
