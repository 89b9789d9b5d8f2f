//! The flags that the service runs the engine with: its unit's, or those of a drop-in.

use std::path::Path;

use crate::change::dropin::{assignments, is_drop_in};
use crate::change::host::{Command, Host, Output};
use crate::change::{ChangeError, FileId, UnitId};

/// The variable of the unit that holds them.
const VARIABLE: &str = "FLAGS=";

/// A program that does not understand the service's flags is not installed: systemd would start it
/// again and again, in the place of one that serves.
///
/// # Errors
/// [`ChangeError::Service`] where it does not.
pub(super) fn must_be_understood(host: &dyn Host, program: &Path) -> Result<(), ChangeError> {
    let unit = super::carried(&FileId::EngineUnit)?;
    let cat = host.run(Command::Cat(UnitId::Engine))?;
    // A unit that systemd does not know yet has no drop-ins.
    let cat = if cat.success() {
        cat.stdout
    } else {
        String::new()
    };
    let flags = in_force(&String::from_utf8_lossy(&unit), &cat);
    let path = program.display().to_string();
    let command = Command::Understands {
        program: &path,
        flags: &flags,
    };
    let said = match host.run(command)? {
        Output {
            status: Some(0), ..
        } => return Ok(()),
        output => output.stderr,
    };
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    // Others may have complained before: a shell, a loader.
    let wrong = lines().find_map(|line| line.strip_prefix("error: "));
    let said = wrong.or_else(|| lines().next());
    Err(ChangeError::Service {
        reason: format!(
            "{path} does not understand the flags that the service runs with ({}). Nothing was changed, and an engine that runs goes on: put a `proxy-engine` there that knows them, or correct FLAGS (`systemctl edit gangway-engine`)",
            said.unwrap_or("it does not say which")
        ),
    })
}

/// The flags once `unit` is written, with the drop-ins that `cat` shows (`systemctl cat`).
fn in_force(unit: &str, cat: &str) -> String {
    let drop_ins = assignments(cat);
    let drop_ins = drop_ins.into_iter().filter(|said| is_drop_in(&said.file));
    let mut flags = String::new();
    for said in assignments(unit).into_iter().chain(drop_ins) {
        if said.words.is_empty() {
            flags.clear();
        }
        for word in &said.words {
            if let Some(value) = word.strip_prefix(VARIABLE) {
                value.clone_into(&mut flags);
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::in_force;

    const UNIT: &str = "[Service]\nEnvironment=\"FLAGS=--listen 127.0.0.1:3182\"\n";

    #[test]
    fn the_flags_are_those_of_the_new_unit_and_of_the_drop_ins_that_stay() {
        let cat = |drop_in: &str| {
            format!(
                "# /etc/systemd/system/gangway-engine.service\n[Service]\n\
                 Environment=\"FLAGS=--old\"\n\n\
                 # /etc/systemd/system/gangway-engine.service.d/override.conf\n{drop_in}"
            )
        };
        for (cat, flags) in [
            (String::new(), "--listen 127.0.0.1:3182"),
            (cat("[Service]\nLimitNOFILE=9\n"), "--listen 127.0.0.1:3182"),
            (
                cat("[Service]\nEnvironment=\"FLAGS=--listen [::1]:3182 \\\n  --wildcard\"\n"),
                "--listen [::1]:3182    --wildcard",
            ),
            (cat("[Service]\nEnvironment=\n"), ""),
        ] {
            assert_eq!(in_force(UNIT, &cat), flags, "{cat}");
        }
    }
}
