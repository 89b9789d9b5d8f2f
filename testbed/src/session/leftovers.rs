//! Programs of a session that nobody else ends.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Ends every process whose environment names `runtime`, this session's own runtime folder.
pub(super) fn end(runtime: &Path) {
    let ours = format!("XDG_RUNTIME_DIR={}", runtime.display());
    // Without /proc there is nothing to find; what is left then ends with the machine.
    let Ok(entries) = fs::read_dir("/proc") else {
        return;
    };
    for entry in entries.flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            continue;
        };
        // Gone between two looks, or not a process of ours.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|word| word == ours.as_bytes())
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
