//! A machine's files below a folder of the test's own.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use proxy_mirror::change::host::{Local, Machine};
use proxy_mirror::change::plan::{PlannedChanges, Proposal, build};
use proxy_mirror::change::{Asking, Change, ChangeError, Desks, FileId, execute};
use proxy_mirror::target::TargetId;

/// A `daemon.json` as people write it: CRLF, tabs, a comment, no newline at its end.
pub(crate) const DAEMON_JSON: &str = "{\r\n\t\"log-driver\": \"local\" // mine\r\n}";

pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
    pub(crate) desks: Desks,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let root = rustix::process::geteuid().is_root();
        assert!(root, "this test writes files as root does: run it as root");
        let folder = tempfile::tempdir().unwrap();
        let desks = Desks {
            local: Arc::new(Local::at(folder.path().join("root"))),
            user_journal: folder.path().join("user-journal"),
            machine_journal: folder.path().join("journal"),
            root: true,
            asking: Asking::Aside,
        };
        std::fs::create_dir_all(folder.path().join("root/etc/systemd/system")).unwrap();
        Self { folder, desks }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn journal(&self) -> &Path {
        &self.desks.machine_journal
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A `systemctl` that notes what it is told to do: no systemd runs below this root.
    pub(crate) fn stand_in_for_systemctl(&self) {
        let bin = self.root().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::copy("/bin/busybox", bin.join("sh"))
            .expect("a static busybox must be installed: apt-get install busybox-static");
        let systemctl = bin.join("systemctl");
        let script = "#!/bin/sh\n[ $1 = show ] && echo ActiveState=active || echo $* >>/told\n";
        std::fs::write(&systemctl, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&systemctl, mode).unwrap();
    }

    /// A `dockerd` that runs these lines of a shell: none is installed below this root.
    pub(crate) fn stand_in_for_dockerd(&self, lines: &str) {
        let dockerd = self.root().join("bin/dockerd");
        std::fs::write(&dockerd, format!("#!/bin/sh\n{lines}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&dockerd, mode).unwrap();
    }

    pub(crate) fn without_dockerd(&self) {
        std::fs::remove_file(self.root().join("bin/dockerd")).unwrap();
    }

    /// What it was told since this was last asked.
    pub(crate) fn systemctl_was_told(&self) -> String {
        let told = self.root().join("told");
        let text = std::fs::read_to_string(&told).unwrap();
        std::fs::remove_file(told).unwrap();
        text
    }

    /// The plan of one target.
    pub(crate) fn plan(&self, changes: &[Change]) -> PlannedChanges {
        build(&self.desks, vec![proposal("docker-daemon", changes)])
    }

    pub(crate) fn apply(&self, changes: &[Change]) -> Result<(), ChangeError> {
        let mut planned = self.plan(changes);
        if let Some((_, error)) = planned.refused.pop() {
            return Err(error);
        }
        execute(&self.desks, &planned, &mut |_| {}).map(drop)
    }

    /// Every file and folder with content, mode and owner.
    pub(crate) fn picture(&self) -> BTreeMap<PathBuf, (u32, u32, u32, Vec<u8>)> {
        let mut picture = BTreeMap::new();
        walk(&self.root(), &mut |path, meta| {
            let bytes = if meta.is_file() {
                std::fs::read(path).unwrap()
            } else {
                Vec::new()
            };
            let relative = path.strip_prefix(self.root()).unwrap().to_owned();
            picture.insert(relative, (meta.mode(), meta.uid(), meta.gid(), bytes));
        });
        picture
    }

    /// Every file's content.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, String> {
        let picture = self.picture().into_iter();
        picture
            .filter(|(path, _)| self.root().join(path).is_file())
            .map(|(path, (.., bytes))| (path, String::from_utf8(bytes).unwrap()))
            .collect()
    }

    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        let done = Command::new("cp")
            .arg("-a")
            .arg(self.root().join("."))
            .arg(copy.root())
            .status();
        assert!(done.unwrap().success());
        copy
    }

    pub(crate) fn patch(&self, diff: &str) {
        let mut patch = Command::new("patch")
            .args(["-p1", "-d"])
            .arg(self.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`patch` must be installed: apt-get install patch");
        std::io::Write::write_all(&mut patch.stdin.take().unwrap(), diff.as_bytes()).unwrap();
        let output = patch.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}\n{diff}");
        // Neither fuzz nor offset: the diff fits exactly.
        assert!(
            !said.contains("fuzz") && !said.contains("offset"),
            "{said}\n{diff}"
        );
    }
}

fn walk(path: &Path, see: &mut impl FnMut(&Path, &std::fs::Metadata)) {
    let meta = path.symlink_metadata().unwrap();
    see(path, &meta);
    if meta.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            walk(&entry.unwrap().path(), see);
        }
    }
}

pub(crate) fn proposal(target: &str, changes: &[Change]) -> Proposal {
    Proposal {
        effect: None,
        target: TargetId(target.into()),
        machine: Machine::Local,
        changes: changes.to_vec(),
    }
}

pub(crate) fn daemon_json() -> Change {
    daemon_json_to("http://127.0.0.1:3182")
}

pub(crate) fn daemon_json_to(proxy: &str) -> Change {
    let key = |name: &str, value: &str| (vec!["proxies".to_owned(), name.to_owned()], value.into());
    Change::SetJsonKeys {
        file: FileId::DockerDaemonJson,
        keys: vec![
            key("http-proxy", proxy),
            key("https-proxy", proxy),
            key("no-proxy", "localhost,127.0.0.0/8,::1,.corp.example"),
        ],
    }
}

pub(crate) fn drop_in(proxy: &str) -> Change {
    Change::WriteEnvironmentDropIn {
        file: FileId::DockerDropIn,
        environment: vec![("HTTP_PROXY".to_owned(), proxy.to_owned())],
    }
}

pub(crate) fn containers_conf(path: &Path) -> Change {
    let variable = |name: &str| (name.to_owned(), "http://127.0.0.1:3182".to_owned());
    Change::SetEngineEnv {
        file: FileId::PodmanConf {
            path: path.to_owned(),
        },
        environment: vec![variable("https_proxy"), variable("HTTPS_PROXY")],
        for_containers: false,
    }
}

pub(crate) fn cli_config(path: &Path) -> Change {
    let names = ["proxies", "default", "httpProxy"]
        .map(str::to_owned)
        .to_vec();
    Change::SetJsonKeys {
        file: FileId::DockerCliConfig {
            path: path.to_owned(),
        },
        keys: vec![(names, "http://172.17.0.1:3182".into())],
    }
}
