//! Which process holds a port.

use std::net::SocketAddr;

/// `name (pid)` of the process that listens on the port, where it can be known: a process of
/// another user shows its sockets to root only.
pub(super) fn holder(address: SocketAddr) -> Option<String> {
    let inodes = listening(address.port());
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let descriptors = std::fs::read_dir(process.path().join("fd")).ok()?;
        let holds = descriptors.flatten().any(|descriptor| {
            let link = std::fs::read_link(descriptor.path()).unwrap_or_default();
            let link = link.to_string_lossy();
            let inode = link
                .strip_prefix("socket:[")
                .and_then(|l| l.strip_suffix(']'));
            inode.is_some_and(|inode| inodes.iter().any(|known| known == inode))
        });
        let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
        holds.then(|| format!("{} (process {pid})", name.trim_end()))
    })
}

/// Inodes of the sockets that listen on the port (proc(5), `/proc/net/tcp`).
fn listening(port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let port = format!("{port:04X}");
    let mut inodes = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_ascii_whitespace().collect();
            if let [_, local, _, LISTEN, _, _, _, _, _, inode, ..] = columns[..]
                && local.rsplit_once(':').is_some_and(|(_, p)| p == port)
            {
                inodes.push(inode.to_owned());
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
