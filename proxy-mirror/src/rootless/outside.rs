//! The agent's side: it sees a daemon come and go, has its network listened in, and hands on who
//! connects there.

use std::io::{self, Read as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use proxy_engine::descriptor;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::LISTEN;
use crate::target::{Daemon, clusters};
use crate::world::{ContainerNetwork, Relay};

/// Whether a daemon has come or gone is looked at so often: nobody tells when one has begun.
const LOOK: Duration = Duration::from_secs(1);
/// Connections at a time; more wait.
const MOST: usize = 4096;
/// Out of descriptors, mostly: it passes, and must not spin meanwhile.
const RETRY: Duration = Duration::from_millis(200);
/// The process inside does nothing that takes time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Docker has told of a new network within this time.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// Bytes of its complaint that are read.
const LONGEST: u64 = 4096;

/// Keeps the relay where the daemon behind `socket` finds it, as long as that runs, and again when
/// another does. Ends with the sender of the relay's addresses.
pub(crate) async fn keep(socket: PathBuf, mut relay: watch::Receiver<Option<Relay>>) {
    let mut told = None;
    loop {
        let Some(now) = *relay.borrow_and_update() else {
            // Nothing is known before the first look.
            if relay.changed().await.is_err() {
                return;
            }
            continue;
        };
        let Some(daemon) = RunsInside::behind(&socket) else {
            tokio::time::sleep(LOOK).await;
            continue;
        };
        match daemon.serve(now).await {
            Ok(serving) => {
                told = None;
                let pid = daemon.pid.as_raw_nonzero().get();
                tracing::info!(pid, "the relay is in the network of the rootless daemon");
                let changed = tokio::select! {
                    () = daemon.ended() => Ok(()),
                    changed = relay.changed() => changed,
                };
                drop(serving);
                if changed.is_err() {
                    return;
                }
            }
            Err(error) => {
                // Said once, not every few seconds.
                if told.as_ref() != Some(&error.to_string()) {
                    tracing::warn!(%error, "the relay cannot be brought to the rootless daemon");
                    told = Some(error.to_string());
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// A daemon of this user's that runs in a network of its own.
struct RunsInside {
    socket: PathBuf,
    pid: Pid,
    /// It, and no other process that gets its number later.
    process: OwnedFd,
}

impl RunsInside {
    /// Whoever listens at the socket, if it is this user's and lives in another network than this
    /// process.
    fn behind(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        let network = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let process = pidfd_open(peer.pid, PidfdFlags::empty()).ok()?;
        let theirs = network(&peer.pid.as_raw_nonzero().to_string())?;
        let is_ours = peer.uid == rustix::process::geteuid();
        (is_ours && network("self")? != theirs).then_some(Self {
            socket: socket.to_owned(),
            pid: peer.pid,
            process,
        })
    }

    async fn ended(&self) {
        while self.runs() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn runs(&self) -> bool {
        // Readable once it has ended (pidfd_open(2)).
        let mut ends = [PollFd::new(&self.process, PollFlags::IN)];
        rustix::event::poll(&mut ends, Some(&Timespec::default())) == Ok(0)
    }

    /// Hands on whoever connects inside, until it is dropped.
    async fn serve(&self, relay: Relay) -> io::Result<JoinSet<()>> {
        let addresses: Vec<SocketAddr> = [Some(relay.loopback()), relay.for_containers()]
            .into_iter()
            .flatten()
            .collect();
        let pid = self.pid.as_raw_nonzero().get();
        let listeners = tokio::task::spawn_blocking(move || listen_inside(pid, &addresses));
        let mut serving = JoinSet::new();
        let (tell, told) = watch::channel(Vec::new());
        let mut networks = Box::pin(clusters::watch(Daemon::Socket(self.socket.clone())));
        serving.spawn(async move {
            while let Some(networks) = networks.next().await {
                tell.send_replace(clusters::container_networks(&networks));
            }
        });
        let to = To {
            relay: relay.loopback(),
            networks: told,
            room: Arc::new(Semaphore::new(MOST)),
        };
        for listener in listeners.await?? {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            serving.spawn(hand_on(listener, to.clone()));
        }
        Ok(serving)
    }
}

/// Where connections are handed on to, and whose.
#[derive(Clone)]
struct To {
    relay: SocketAddr,
    /// The relay sees this process alone: the daemon's networks are told apart here.
    networks: watch::Receiver<Vec<ContainerNetwork>>,
    room: Arc<Semaphore>,
}

impl To {
    /// All but containers of networks that were made without a way out (`--internal`).
    async fn admits(&mut self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        if peer.is_loopback() {
            return true;
        }
        let on = |network: &ContainerNetwork| network.subnets.iter().any(|net| net.contains(&peer));
        let known = |networks: &Vec<ContainerNetwork>| networks.iter().any(on);
        // A network that was made just now is heard of in a moment; an address of none is the
        // daemon's own.
        match tokio::time::timeout(HEARD_WITHIN, self.networks.wait_for(known)).await {
            Ok(Ok(networks)) => !networks
                .iter()
                .any(|network| on(network) && network.internal),
            Ok(Err(_)) => false,
            Err(_late) => true,
        }
    }
}

/// Each connection in turn to the relay, and the bytes of both to each other.
async fn hand_on(listener: tokio::net::TcpListener, to: To) {
    // Ends with this task, and all that it hands on.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&to.room).acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((mut inside, peer)) => {
                let mut to = to.clone();
                connections.spawn(async move {
                    let _place = place;
                    if !to.admits(peer.ip()).await {
                        tracing::debug!(%peer, "a network without a way out gets none here");
                        return;
                    }
                    // A relay that does not run refuses; so does this.
                    if let Ok(mut relay) = TcpStream::connect(to.relay).await {
                        // Either end may break off: the other is told.
                        let _ = tokio::io::copy_bidirectional(&mut inside, &mut relay).await;
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, "a connection of the rootless daemon is not taken");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Has another process listen inside, which alone may go there.
fn listen_inside(pid: i32, addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg(LISTEN)
        .arg(pid.to_string())
        .args(addresses.iter().map(ToString::to_string))
        .stdin(Stdio::null())
        .stdout(OwnedFd::from(theirs))
        .stderr(Stdio::piped())
        .spawn()?;
    let listeners = { addresses.iter() }.map(|_| descriptor::receive(&ours).map(TcpListener::from));
    let listeners: io::Result<Vec<TcpListener>> = listeners.collect();
    if listeners.is_err() {
        // Ended already, mostly.
        let _ = child.kill();
    }
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(LONGEST).read_to_string(&mut said)?;
    }
    child.wait()?;
    listeners.map_err(|error| match said.trim() {
        "" => error,
        said => io::Error::other(said.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_daemon_and_networks_with_a_way_out_are_handed_on_and_no_others() {
        let network = |subnet: &str, internal| ContainerNetwork {
            interface: "br-1".into(),
            subnets: vec![subnet.parse().unwrap()],
            internal,
        };
        let networks = vec![
            network("172.17.0.0/16", false),
            network("172.18.0.0/16", true),
        ];
        let (tell, told) = watch::channel(networks.clone());
        let mut to = To {
            relay: SocketAddr::from(([127, 0, 0, 1], 1)),
            networks: told,
            room: Arc::new(Semaphore::new(1)),
        };
        for (peer, admits) in [
            ("127.0.0.1", true),
            ("172.17.0.9", true),
            ("172.18.0.9", false),
            // The daemon's own address.
            ("10.0.2.100", true),
        ] {
            assert_eq!(to.admits(peer.parse().unwrap()).await, admits, "{peer}");
        }
        // One that was made just now.
        let asked = tokio::spawn(async move { to.admits("172.19.0.9".parse().unwrap()).await });
        tokio::task::yield_now().await;
        tell.send_replace([networks, vec![network("172.19.0.0/16", true)]].concat());
        assert!(!asked.await.unwrap());
    }
}
