//! On whose behalf a request is made: lent credentials serve their owner, not whoever is logged in.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use super::interfaces::attached;
use crate::route::World;

/// Whoever a connection is served for.
#[derive(Debug)]
pub struct Asker {
    /// The client's end of the connection and ours.
    ends: (SocketAddr, SocketAddr),
    known: OnceLock<User>,
    world: World,
}

/// What is known of the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// A client of a world that is served here: a container, a pod, a network of the policy.
    Guest,
    /// A user of this machine, by number.
    Local(u32),
    /// Somebody of this machine, and it cannot be told who.
    Unknown,
}

impl Asker {
    /// The client at one end of a connection, we at the other. Nothing is asked yet.
    pub fn new(client: SocketAddr, ours: SocketAddr) -> Self {
        Self {
            ends: (client, ours),
            known: OnceLock::new(),
            world: World::Own,
        }
    }

    /// A client that interception brought here: it came over a captured interface.
    pub fn captured(client: SocketAddr, original_dst: SocketAddr) -> Self {
        Self {
            ends: (client, original_dst),
            known: User::Guest.into(),
            world: World::Own,
        }
    }

    /// A client of another world: the engine that passes its connection on knew this address of
    /// it. Whose user it is there says nothing here: it is a guest, as a captured one is.
    pub fn chained(client: SocketAddr, ours: SocketAddr) -> Self {
        Self {
            ends: (client, ours),
            known: User::Guest.into(),
            world: World::Another,
        }
    }

    /// Whose private networks it means.
    pub fn world(&self) -> World {
        self.world
    }

    /// The client's end of the connection, as its world has it.
    pub fn client(&self) -> SocketAddr {
        self.ends.0
    }

    /// Who it is. The kernel is asked once for each connection, and only for one that needs to be
    /// told apart.
    pub fn user(&self) -> User {
        *self.known.get_or_init(|| {
            let (client, ours) = self.ends;
            if !is_here(client.ip()) {
                return User::Guest;
            }
            match super::owner::held(client, ours) {
                Ok(Some(held)) => User::Local(held.uid),
                Ok(None) => User::Unknown,
                Err(error) => {
                    tracing::warn!(%client, %error, "whose connection it is cannot be asked");
                    User::Unknown
                }
            }
        })
    }
}

/// Whether the address is this machine's own; where that cannot be known, it may be.
pub(super) fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || attached().map_or(true, |all| all.iter().any(|a| a.net.addr() == ip))
}
