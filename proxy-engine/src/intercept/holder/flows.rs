//! Whether connections to the transparent listener live.

use std::fs;

/// Whether a TCP connection to the local port `port` is alive in this thread's network namespace.
/// Where the kernel cannot be asked, the answer is yes: the table stays, which harms nobody.
pub(super) fn any(port: u16) -> bool {
    ["tcp", "tcp6"].iter().any(|family| {
        match fs::read_to_string(format!("/proc/thread-self/net/{family}")) {
            Ok(table) => lives(&table, port),
            // A kernel without IPv6 has no such table.
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    })
}

/// Reads the columns `sl local_address rem_address st … inode` of proc_net_tcp. A socket whose
/// process closed it and that only waits for the other side's end (`FIN_WAIT2`, no inode) has
/// nothing more to say: after a killed engine it would keep the table for a minute.
fn lives(table: &str, port: u16) -> bool {
    const FIN_WAIT2: &str = "05";
    const TIME_WAIT: &str = "06";
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (local, state, inode) = (columns.next(), columns.nth(1), columns.nth(5));
        local.is_some_and(|local| local.ends_with(&port))
            && match (state, inode) {
                (Some(TIME_WAIT | LISTEN) | None, _) | (Some(FIN_WAIT2), Some("0")) => false,
                (Some(_), _) => true,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::lives;

    /// From Linux 6.18, `cat /proc/net/tcp`.
    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0C6F 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3157 1
   1: 010012AC:0C6F 020012AC:9C40 01 00000000:00000000 00:00000000 00000000     0        0 3158 1
   2: 010012AC:0C70 020012AC:9C41 06 00000000:00000000 00:00000000 00000000     0        0 0 3
   3: 010012AC:0C71 020012AC:9C42 05 00000000:00000000 00:00000000 00000000     0        0 0 3
   4: 010012AC:0C72 020012AC:9C43 05 00000000:00000000 00:00000000 00000000     0        0 3159 1
";

    #[test]
    fn only_connections_count_not_listeners_and_leftovers() {
        assert!(lives(TABLE, 3183), "an established connection");
        assert!(!lives(TABLE, 3184), "TIME_WAIT");
        assert!(!lives(TABLE, 3185), "closed by a process that is gone");
        assert!(lives(TABLE, 3186), "half closed by one that still reads");
        assert!(!lives(TABLE, 9), "nothing");
        let listening: String = TABLE.lines().take(2).collect::<Vec<_>>().join("\n");
        assert!(!lives(&listening, 3183), "a listener");
    }
}
