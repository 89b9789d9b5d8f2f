//! One way, set up from nothing: a row of machines, the origins, and the way's relay.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use testbed::Row;

use crate::error::{BenchError, Result};
use crate::hello::Command;
use crate::load::Client;
use crate::origin::{self, BY_CONNECT, Origin};
use crate::peer::{NODE_INSIDE, PORT, Peer};
use crate::process::Process;
use crate::way::{Style, Way};

/// Longest wait for a relay to serve.
const READY: Duration = Duration::from_secs(20);

/// Everything of one way. New machines each time: no way inherits another's connections, nor its
/// own of an earlier round, in the kernel's tables.
#[derive(Debug)]
pub(crate) struct Rig {
    way: Way,
    style: Style,
    // Dropped in this order: what runs in the machines before the machines.
    peer: Option<Peer>,
    _origin: Origin,
    row: Row,
}

impl Rig {
    /// Sets the way up, and makes sure that connections go by it.
    pub(crate) fn open(way: Way, style: Style) -> Result<Self> {
        let row = Row::new(&origin::addresses())?;
        let rig = Self {
            way,
            style,
            _origin: Origin::start(&row)?,
            peer: Peer::start(way, style, &row)?,
            row,
        };
        rig.ready()?;
        Ok(rig)
    }

    /// The relay's process; `None` for a way without a relay.
    pub(crate) fn process(&self) -> Option<Process> {
        self.peer.as_ref().map(|peer| Process::new(peer.pid()))
    }

    /// Runs a load in the pod to its end.
    pub(crate) fn load<T: Send, F: Future<Output = Result<T>>>(
        &self,
        load: impl FnOnce(Client) -> F + Send,
    ) -> Result<T> {
        let client = Client::new(self.proxy(), self.expected());
        self.row.pod.enter(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(BenchError::io("start a runtime in the pod"))?
                .block_on(load(client))
        })?
    }

    /// The explicit proxy that clients ask.
    fn proxy(&self) -> Option<SocketAddr> {
        match (self.style, self.way) {
            (Style::Transparent, _) | (_, Way::Routed) => None,
            _ => Some((NODE_INSIDE, PORT).into()),
        }
    }

    /// What an answer's first byte is for a connection to this address, when it came by this way.
    fn expected(&self) -> fn(Ipv4Addr) -> u8 {
        match (self.style, self.way) {
            (Style::Transparent, Way::Redsocks | Way::Gangway) => |_| BY_CONNECT,
            (Style::Transparent, Way::HaProxy) => |_| match origin::UPSTREAM.ip() {
                IpAddr::V4(ip) => ip.octets()[3],
                IpAddr::V6(_) => 0,
            },
            _ => |to| to.octets()[3],
        }
    }

    fn ready(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            let tried = self.load(|client| async move {
                Ok::<Result<(), io::Error>, _>(client.exchange(Command::Close).await)
            })?;
            let Err(error) = tried else {
                return Ok(());
            };
            if began.elapsed() > READY {
                return Err(BenchError::NotReady {
                    way: self.way.name(),
                    seconds: READY.as_secs(),
                    last: error.to_string(),
                    words: self.peer.as_ref().map(Peer::words).unwrap_or_default(),
                });
            }
        }
    }
}
