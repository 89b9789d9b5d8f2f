//! Which process holds a port.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::processes::holders;
use crate::control::Process;

/// Whoever starts an engine waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// `name (process pid)` of the process that listens on the port, where it can be known: a process
/// of another user shows its sockets to root only.
pub(super) fn holder(address: SocketAddr) -> Option<String> {
    let found = holders(&listening(address.port()), PATIENCE);
    let Process { pid, program } = found.holders.into_values().next()?;
    Some(format!("{program} (process {pid})"))
}

/// Inodes of the sockets that listen on the port (proc(5), `/proc/net/tcp`).
fn listening(port: u16) -> HashSet<u32> {
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    let mut inodes = HashSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = columns[..]
                && local.rsplit_once(':').is_some_and(|(_, p)| p == port)
            {
                inodes.extend(inode.parse::<u32>());
            }
        }
    }
    inodes
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_held_port_names_its_holder() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let holder = super::holder(address).expect("holder");
        assert!(
            holder.ends_with(&format!("(process {})", std::process::id())),
            "{holder}"
        );
        drop(listener);
        assert_eq!(super::holder(address), None);
    }
}
