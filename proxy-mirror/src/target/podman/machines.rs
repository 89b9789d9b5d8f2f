//! Podman's virtual machines (`podman machine`): one takes the variables over when it starts.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::ask;

/// A virtual machine of Podman's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Whether it runs.
    #[serde(rename = "Running", default)]
    pub runs: bool,
}

/// Those of the user; none where there cannot be any: what asks for them makes folders for them.
pub(super) async fn list(program: &Path, folder: &Path) -> Vec<Machine> {
    if !has_any(&folder.join("podman/machine")) {
        return Vec::new();
    }
    let arguments = ["machine", "list", "--format", "json"];
    match ask::words_of(program, &arguments).await {
        Ok(said) => parsed(&said),
        Err(error) => {
            tracing::debug!(%error, "podman's machines are not known");
            Vec::new()
        }
    }
}

/// Each kind of them has a folder, with a file for each machine.
fn has_any(folder: &Path) -> bool {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    entries(folder).any(|kind| {
        entries(&kind.path()).any(|file| file.path().extension().is_some_and(|e| e == "json"))
    })
}

fn parsed(said: &str) -> Vec<Machine> {
    let mut machines: Vec<Machine> = serde_json::from_str(said).unwrap_or_default();
    for machine in &mut machines {
        // The default one is marked in some versions.
        let name = machine.name.trim_end_matches('*').escape_debug();
        machine.name = name.take(80).collect();
    }
    machines.truncate(32);
    machines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_read_as_podman_lists_them() {
        // As Podman 4.3.1 and 5.2 print them, shortened.
        let said = r#"[
            {"Name": "podman-machine-default*", "Default": true, "Running": true, "CPUs": 1},
            {"Name": "dev", "Default": false, "Running": false, "VMType": "qemu"}
        ]"#;
        let machine = |name: &str, runs| Machine {
            name: name.to_owned(),
            runs,
        };
        assert_eq!(
            parsed(said),
            [
                machine("podman-machine-default", true),
                machine("dev", false)
            ]
        );
        for none in ["", "[]", "null", "{}", "Error: cannot run as root"] {
            assert_eq!(parsed(none), []);
        }
        let odd = parsed(r#"[{"Name": "a\u001b[2Jb"}]"#);
        assert!(!odd[0].name.contains('\u{1b}'));
    }

    #[tokio::test]
    async fn nothing_is_asked_where_there_is_no_machine() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_any(&folder.path().join("podman/machine")));
        let kind = folder.path().join("podman/machine/qemu");
        fs::create_dir_all(&kind).unwrap();
        assert!(!has_any(&folder.path().join("podman/machine")));
        fs::write(kind.join("dev.json"), "{}").unwrap();
        assert!(has_any(&folder.path().join("podman/machine")));
    }
}
