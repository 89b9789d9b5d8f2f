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

/// Reads the columns `sl local_address rem_address st …` of proc_net_tcp.
fn lives(table: &str, port: u16) -> bool {
    const TIME_WAIT: &str = "06";
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (local, state) = (columns.next(), columns.nth(1));
        local.is_some_and(|local| local.ends_with(&port))
            && state.is_some_and(|state| state != TIME_WAIT && state != LISTEN)
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
";

    #[test]
    fn only_connections_count_not_listeners_and_leftovers() {
        assert!(lives(TABLE, 3183), "an established connection");
        assert!(!lives(TABLE, 3184), "TIME_WAIT");
        assert!(!lives(TABLE, 9), "nothing");
        let listening: String = TABLE.lines().take(2).collect::<Vec<_>>().join("\n");
        assert!(!lives(&listening, 3183), "a listener");
    }
}
