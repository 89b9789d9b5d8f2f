//! A web server on "the internet": what containers and pods want to reach.
//!
//! | target | answer |
//! |---|---|
//! | `/hello` | `hello from SCHEME://HOST` |
//! | `/bytes/N` | N bytes, all `g` |
//! | `/slow/N` | N chunks of 1 KiB, one every 50 ms |
//! | `/held` | chunks of 16 KiB, one every 20 ms, until [`Origin::release`]; then it ends well |
//! | all others | 404 |

mod answer;
mod serve;

pub(crate) use serve::{head, header};

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ca::Ca;
use crate::net::{CorpNet, Netns, ORIGIN, ORIGIN_V6, OTHER_NAME, WEB_NAME, WEB6_NAME};
use crate::{Result, TestbedError};

/// One request as the origin saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who connected.
    pub peer: SocketAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The request line and headers, as they came, lines ended by `\r\n`.
    pub head: String,
}

/// HTTP on port 80 and HTTPS on 443, for as long as this value lives.
#[derive(Debug)]
pub struct Origin {
    addresses: Vec<SocketAddr>,
    state: Arc<State>,
}

/// What the connections of one origin share.
#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    released: AtomicBool,
    seen: Mutex<Vec<Seen>>,
}

impl Origin {
    /// Serves every name of the corporate network's internet, IPv4 and IPv6, certificates by `ca`.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when a port cannot be had.
    pub fn start(corp: &CorpNet, ca: &Ca) -> Result<Self> {
        let addresses = [IpAddr::V4(ORIGIN), IpAddr::V6(ORIGIN_V6)];
        Self::inside(
            &corp.inet,
            &addresses,
            &[WEB_NAME, OTHER_NAME, WEB6_NAME],
            ca,
        )
    }

    /// Serves at addresses that `host` has, with a certificate for them and for `names`.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when a port cannot be had.
    pub fn inside(host: &Netns, addresses: &[IpAddr], names: &[&str], ca: &Ca) -> Result<Self> {
        let bound = host.enter(|| {
            let sockets = addresses
                .iter()
                .flat_map(|ip| [80, 443].map(|port| (*ip, port).into()));
            sockets
                .map(|at: SocketAddr| TcpListener::bind(at))
                .collect::<std::io::Result<Vec<_>>>()
        })?;
        let listeners = bound.map_err(TestbedError::io("listen as the origin"))?;
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = names
            .iter()
            .copied()
            .chain(texts.iter().map(String::as_str))
            .collect();
        Self::serve(listeners, &ca.issue(&names)?)
    }

    /// Serves on loopback ports of this machine, without any namespace: the first address speaks
    /// HTTP, the second HTTPS for `localhost` and `127.0.0.1`.
    ///
    /// # Errors
    /// [`TestbedError::Io`] when a port cannot be had.
    pub fn on_loopback(ca: &Ca) -> Result<Self> {
        let plain = TcpListener::bind("127.0.0.1:0").map_err(TestbedError::io("listen"))?;
        let tls = TcpListener::bind("127.0.0.1:0").map_err(TestbedError::io("listen"))?;
        let certificate = ca
            .issue(&["localhost", "127.0.0.1", WEB_NAME, OTHER_NAME])?
            .server()?;
        let state = Arc::new(State::default());
        let addresses = [&plain, &tls]
            .map(TcpListener::local_addr)
            .into_iter()
            .collect::<Result<_, _>>();
        serve::accept(plain, None, &state);
        serve::accept(tls, Some(certificate), &state);
        Ok(Self {
            addresses: addresses.map_err(TestbedError::io("name a socket"))?,
            state,
        })
    }

    fn serve(listeners: Vec<TcpListener>, certificate: &crate::ca::Certificate) -> Result<Self> {
        let tls = certificate.server()?;
        let state = Arc::new(State::default());
        let mut addresses = Vec::new();
        for listener in listeners {
            let address = listener
                .local_addr()
                .map_err(TestbedError::io("name a socket"))?;
            addresses.push(address);
            serve::accept(
                listener,
                (address.port() == 443).then(|| Arc::clone(&tls)),
                &state,
            );
        }
        Ok(Self { addresses, state })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets every `/held` download end.
    pub fn release(&self) {
        self.state.released.store(true, Ordering::Release);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
    }
}
