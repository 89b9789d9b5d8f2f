//! Whose connections are, for people who look.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::asker::is_here;
use super::owner::{Held, held};
use super::processes::{Found, holders};
use crate::control::{Who, users};

/// All processes of a usual machine are looked at in some ten milliseconds.
const PATIENCE: Duration = Duration::from_millis(200);

/// What was found of some connections.
#[derive(Debug)]
pub struct Whose {
    /// Of each, in the order in which they were asked for; `None` where it is no user's of this
    /// machine, or nobody's any more.
    pub who: Vec<Option<Who>>,
    /// Whether looking again would tell no more.
    pub complete: bool,
}

/// Whose these connections are, each given as the client's end and ours: the user, and the process
/// where it may be known. Blocks, up to a fifth of a second.
pub fn whose(ends: &[(SocketAddr, SocketAddr)]) -> Whose {
    let held: Vec<Option<Held>> = ends.iter().map(|ends| socket(ends.0, ends.1)).collect();
    let sockets: HashSet<u32> = held.iter().flatten().map(|held| held.inode).collect();
    let Found {
        mut holders,
        complete,
    } = holders(&sockets, PATIENCE);
    let passwd = passwd();
    let mut who = |held: Held| Who::Local {
        uid: held.uid,
        user: name(&passwd, held.uid),
        process: holders.remove(&held.inode),
    };
    Whose {
        who: held.into_iter().map(|held| held.map(&mut who)).collect(),
        complete,
    }
}

/// The user alone, who is known at once.
pub fn user_of(client: SocketAddr, ours: SocketAddr) -> Option<Who> {
    let Held { uid, .. } = socket(client, ours)?;
    Some(Who::Local {
        uid,
        user: name(&passwd(), uid),
        process: None,
    })
}

fn socket(client: SocketAddr, ours: SocketAddr) -> Option<Held> {
    if !is_here(client.ip()) {
        return None;
    }
    held(client, ours).unwrap_or_else(|error| {
        tracing::debug!(%client, %error, "whose connection it is cannot be asked");
        None
    })
}

fn passwd() -> String {
    std::fs::read_to_string("/etc/passwd").unwrap_or_default()
}

fn name(passwd: &str, uid: u32) -> Option<String> {
    let user = users(passwd).find(|user| user.uid == uid)?;
    (!user.name.chars().any(char::is_control)).then(|| user.name.to_owned())
}
