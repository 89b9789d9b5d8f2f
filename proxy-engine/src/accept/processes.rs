//! Which processes hold which sockets.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::control::Process;

/// Who holds what was asked for.
pub(super) struct Found {
    /// The processes, by the number (inode) of the socket.
    pub(super) holders: HashMap<u32, Process>,
    /// Whether every process was looked at that may be.
    pub(super) complete: bool,
}

/// The processes that hold these sockets, where that can be known: a process of another user shows
/// its descriptors to root alone. Given up after `within`: a machine may run very many processes.
pub(super) fn holders(sockets: &HashSet<u32>, within: Duration) -> Found {
    let until = Instant::now() + within;
    let mut found = Found {
        holders: HashMap::new(),
        complete: true,
    };
    // Without /proc nothing is known.
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        if found.holders.len() == sockets.len() {
            break;
        }
        if Instant::now() > until {
            found.complete = false;
            break;
        }
        if let Some(pid) = number(process.file_name().to_str()) {
            look(pid, &process.path(), sockets, &mut found, until);
        }
    }
    found
}

fn look(pid: u32, folder: &Path, sockets: &HashSet<u32>, found: &mut Found, until: Instant) {
    let Ok(descriptors) = fs::read_dir(folder.join("fd")) else {
        return;
    };
    for (count, descriptor) in descriptors.flatten().enumerate() {
        // One process may have a million.
        if count % 1024 == 1023 && Instant::now() > until {
            found.complete = false;
            return;
        }
        let Ok(link) = fs::read_link(descriptor.path()) else {
            continue;
        };
        let socket = link.to_str().and_then(|link| {
            let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
            number(Some(inode)).filter(|inode| sockets.contains(inode))
        });
        if let Some(socket) = socket {
            let process = || Process {
                pid,
                program: program(folder),
            };
            found.holders.entry(socket).or_insert_with(process);
        }
    }
}

/// A process calls itself what it likes (`PR_SET_NAME`, prctl(2)).
fn program(folder: &Path) -> String {
    let comm = fs::read(folder.join("comm")).unwrap_or_default();
    let comm = String::from_utf8_lossy(comm.strip_suffix(b"\n").unwrap_or(&comm));
    comm.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

fn number(text: Option<&str>) -> Option<u32> {
    text?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    use super::program;

    #[test]
    fn a_programs_name_cannot_drive_a_terminal() {
        let mut child = Command::new("sh")
            .args(["-c", "printf 'a\\033[2Jb' >/proc/$$/comm; echo; read _"])
            .arg0("sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut said = [0];
        let out = child.stdout.as_mut().expect("stdout");
        std::io::Read::read_exact(out, &mut said).expect("it renamed itself");
        let folder = std::path::PathBuf::from(format!("/proc/{}", child.id()));
        assert_eq!(program(&folder), "a\u{fffd}[2Jb");
        drop(child.stdin.take());
        child.wait().expect("it ends");
    }
}
