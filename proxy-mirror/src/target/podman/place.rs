//! The files that Podman is configured by (containers.conf(5)), and where it is itself.

use std::path::{Path, PathBuf};

use super::{Memory, Overruled};
use crate::change::FileId;
use crate::change::engine_conf::foreign_variables;
use crate::change::host;
use crate::places::Places;
use crate::regular_file;

/// What Podman's distributors configure.
const SHARED: &str = "/usr/share/containers/containers.conf";

/// Where a user's Podman is configured, and what it said of it.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file that Gangway writes.
    pub conf: FileId,
    /// The user's folder of such files: `$XDG_CONFIG_HOME/containers`.
    pub folder: PathBuf,
    /// The machine's folder of such files: `/etc/containers`.
    pub system: PathBuf,
    /// What it said when it was asked.
    pub memory: Memory,
}

impl Place {
    /// `$CONTAINERS_CONF`, which Podman reads alone; else the machine's for root, since Podman before
    /// 5.0 reads no file of root's own; else the user's.
    pub fn of(places: &Places, memory: Memory) -> Self {
        let chosen = std::env::var_os("CONTAINERS_CONF").map(PathBuf::from);
        let root = rustix::process::geteuid().is_root();
        Self {
            conf: conf(chosen, root, &places.containers),
            folder: places.containers.clone(),
            system: places.etc.join("containers"),
            memory,
        }
    }

    /// Whether somebody has configured it.
    pub(super) fn is_there(&self) -> bool {
        self.folder.is_dir() || self.conf.path().is_file()
    }

    /// Every file and folder by which what it says may change.
    pub(super) fn watched(&self, program: &Path) -> Vec<PathBuf> {
        let mut watched = vec![
            program.to_owned(),
            self.conf.path().to_owned(),
            PathBuf::from(SHARED),
        ];
        watched.extend(std::env::var_os("CONTAINERS_CONF_OVERRIDE").map(PathBuf::from));
        for folder in [&self.system, &self.folder] {
            for name in ["containers", "containers.rootless", "containers.rootful"] {
                watched.push(folder.join(format!("{name}.conf")));
                let drop_ins = folder.join(format!("{name}.conf.d"));
                watched.extend(within(&drop_ins));
                watched.push(drop_ins);
            }
        }
        watched
    }

    /// A list of variables in a file that is read before ours, with others than proxies: a list of
    /// ours would take its place, whole. There is nothing to lose where ours has one already.
    pub(super) fn would_replace(&self) -> Option<Overruled> {
        let before = match &self.conf {
            FileId::PodmanSystemConf => vec![PathBuf::from(SHARED)],
            FileId::PodmanConf { path } if *path != self.folder.join("containers.conf") => {
                return None;
            }
            _ => {
                let mut files = vec![PathBuf::from(SHARED), self.system.join("containers.conf")];
                files.extend(within(&self.system.join("containers.conf.d")));
                files
            }
        };
        let variables = |file: &Path| foreign_variables(file, &read(file)?);
        if variables(self.conf.path()).is_some() {
            return None;
        }
        // The last list holds.
        let (by, names) = before
            .into_iter()
            .rev()
            .find_map(|file| Some((file.clone(), variables(&file)?)))?;
        (!names.is_empty()).then(|| Overruled {
            variable: names.join(", "),
            by,
        })
    }
}

fn conf(chosen: Option<PathBuf>, root: bool, folder: &Path) -> FileId {
    match chosen.filter(|path| path.is_absolute()) {
        Some(path) => FileId::PodmanConf { path },
        None if root => FileId::PodmanSystemConf,
        None => FileId::PodmanConf {
            path: folder.join("containers.conf"),
        },
    }
}

/// `podman` on the `PATH`.
pub(super) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path).map(|folder| folder.join("podman"));
    files.find(|file| file.is_file())
}

/// The `.conf` files of a folder, in the order in which they are read.
fn within(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "conf")
    });
    files.sort();
    files
}

/// What is not there, or cannot be read, sets nothing.
fn read(file: &Path) -> Option<Vec<u8>> {
    regular_file::read(file, host::Place::SETTINGS_LIMIT).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &Path) -> FileId {
        FileId::PodmanConf {
            path: path.to_owned(),
        }
    }

    #[test]
    fn podman_is_configured_by_the_file_that_it_reads() {
        let folder = Path::new("/home/ann/.config/containers");
        let own = at(&folder.join("containers.conf"));
        assert_eq!(conf(None, false, folder), own);
        assert_eq!(conf(None, true, folder), FileId::PodmanSystemConf);
        let chosen = |path: &str, root| conf(Some(path.into()), root, folder);
        assert_eq!(chosen("/x/c.conf", true), at(Path::new("/x/c.conf")));
        assert_eq!(
            chosen("c.conf", false),
            own,
            "of which folder, nobody knows"
        );
        assert_eq!(chosen("", true), FileId::PodmanSystemConf);
    }

    #[test]
    fn variables_that_a_list_of_ours_would_replace_are_named() {
        let house = tempfile::tempdir().unwrap();
        let (folder, system) = (house.path().join("user"), house.path().join("etc"));
        let place = |conf: &Path| Place {
            conf: at(conf),
            folder: folder.clone(),
            system: system.clone(),
            memory: Memory::default(),
        };
        let ours = folder.join("containers.conf");
        let write = |file: &Path, text: &str| {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let found = || {
            let found = place(&ours).would_replace()?;
            Some((found.variable, found.by))
        };
        assert_eq!(found(), None);
        let (first, last) = (
            system.join("containers.conf"),
            system.join("containers.conf.d/9.conf"),
        );
        write(
            &first,
            "[engine]\nenv = ['TMPDIR=/big', 'https_proxy=http://a:1', 'A=b']\n",
        );
        assert_eq!(found(), Some(("TMPDIR, A".into(), first)));
        write(&last, "[engine]\nenv = ['HTTPS_PROXY=http://a:1']\n");
        assert_eq!(found(), None, "proxies are what we set");
        write(&last, "[engine]\nenv = ['C=d']\n");
        assert_eq!(found(), Some(("C".into(), last.clone())));
        assert!(place(&folder.join("chosen.conf")).would_replace().is_none());
        write(&ours, "[engine]\nenv = []\n");
        assert_eq!(found(), None, "it takes their place already");
    }
}
