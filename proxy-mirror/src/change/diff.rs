//! A plan's files as one unified diff that `patch -p1 -d /` accepts.

use std::path::Path;

use similar::TextDiff;

use super::FileId;
use super::host::Machine;

/// One file's part of the diff.
pub(super) fn diff(
    machine: &Machine,
    file: &FileId,
    path: &Path,
    before: Option<&[u8]>,
    after: &[u8],
) -> String {
    let name = match machine {
        Machine::Local => path.display().to_string(),
        // As Windows shows the distro's files.
        Machine::Wsl(distro) => format!("/wsl.localhost/{distro}{}", path.display()),
    };
    if let FileId::EngineBinary = file {
        return format!("Binary file b{name}: {} bytes\n", after.len());
    }
    let old = String::from_utf8_lossy(before.unwrap_or_default());
    let new = String::from_utf8_lossy(after);
    // The docker CLI keeps registry passwords in its file: no line is shown that does not change.
    let context = if matches!(file, FileId::DockerCliConfig { .. }) {
        0
    } else {
        3
    };
    let from = before.map_or_else(|| "/dev/null".to_owned(), |_| format!("a{name}"));
    TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(context)
        .header(&from, &format!("b{name}"))
        .to_string()
}
