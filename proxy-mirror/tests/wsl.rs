//! The same changes in a WSL2 distro, through a stand-in for `wsl.exe` that carries out its
//! arguments in a root of the test's own.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proxy_mirror::change::host::{Host, NetworkingMode, Place, Wsl, running_by};
use proxy_mirror::change::{Change, ChangeError, Desk, FileId, Journal, Owner};

/// A distro that is one busybox: what it understands, any distro does.
struct Distro {
    folder: tempfile::TempDir,
}

impl Distro {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test changes the root directory: run it as root"
        );
        let distro = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let root = distro.root();
        for folder in [
            "bin",
            "etc/profile.d",
            "etc/docker",
            "root",
            "home/ann",
            "proc",
            "dev",
        ] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::copy("/bin/busybox", root.join("bin/busybox"))
            .expect("a static busybox must be installed: apt-get install busybox-static");
        for applet in [
            "sh", "stat", "cat", "head", "readlink", "dirname", "basename", "mkdir", "rmdir", "mv",
            "rm", "wc", "chown", "chmod", "sync", "id", "grep", "env", "echo",
        ] {
            symlink("busybox", root.join("bin").join(applet)).unwrap();
        }
        std::fs::write(
            root.join("etc/passwd"),
            "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
        )
        .unwrap();
        chown(root.join("home/ann"), Some(1000), Some(1000)).unwrap();
        std::fs::create_dir_all(root.join("proc/net")).unwrap();
        let named = distro.folder.path().join("distros/Ubuntu-24.04");
        std::fs::create_dir_all(&named).unwrap();
        std::fs::write(named.join("root"), root.to_str().unwrap()).unwrap();
        distro
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn program(&self) -> PathBuf {
        let stand_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testbed/wsl.exe");
        let wrapper = self.folder.path().join("wsl.exe");
        let distros = self.folder.path().join("distros");
        let text = format!(
            "#!/bin/sh\nWSL_STAND_IN={} exec {} \"$@\"\n",
            distros.display(),
            stand_in.display()
        );
        std::fs::write(&wrapper, text).unwrap();
        std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
        wrapper
    }

    fn host(&self) -> Wsl {
        Wsl::by(self.program(), "Ubuntu-24.04".parse().unwrap())
    }

    fn desk(&self) -> Desk {
        Desk {
            host: Arc::new(self.host()),
            journal: Journal::at(self.folder.path().join("journal")),
        }
    }
}

fn daemon_json() -> Change {
    let names = ["proxies", "http-proxy"].map(str::to_owned).to_vec();
    Change::SetJsonKeys {
        file: FileId::DockerDaemonJson,
        keys: vec![(names, "http://172.20.0.1:3182".into())],
    }
}

#[test]
fn running_distros_are_listed_from_utf_16() {
    let distro = Distro::new();
    let others = distro.folder.path().join("distros/docker-desktop");
    std::fs::create_dir_all(&others).unwrap();
    std::fs::write(others.join("root"), "/").unwrap();
    std::fs::create_dir_all(distro.folder.path().join("distros/Stopped")).unwrap();
    let found = running_by(&distro.program()).unwrap();
    let names: Vec<String> = found.iter().map(|wsl| wsl.distro().to_string()).collect();
    assert_eq!(names, ["Ubuntu-24.04"]);
}

#[test]
fn no_running_distro_is_no_error() {
    let distro = Distro::new();
    std::fs::remove_dir_all(distro.folder.path().join("distros")).unwrap();
    assert!(running_by(&distro.program()).unwrap().is_empty());
}

#[test]
fn files_come_back_byte_for_byte_with_mode_and_owner() {
    let distro = Distro::new();
    let file = distro.root().join("etc/docker/daemon.json");
    let text = "{\r\n\t\"mtu\": 1400 // 100% $HOME `id` 'x'\r\n}";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    chown(&file, Some(0), Some(42)).unwrap();
    let profile = Change::WriteProfile {
        file: FileId::ProfileD,
        environment: vec![("http_proxy".into(), "http://172.20.0.1:3182".into())],
    };
    let desk = distro.desk();
    for change in [daemon_json(), profile] {
        desk.carry_out(&change, &[]).unwrap();
    }
    assert!(
        std::fs::read_to_string(&file)
            .unwrap()
            .contains("172.20.0.1")
    );
    let profile = distro.root().join("etc/profile.d/gangway.sh");
    assert!(
        std::fs::read_to_string(&profile)
            .unwrap()
            .contains("export http_proxy='http://172")
    );
    let undone = desk.undo(None).unwrap();
    assert_eq!(
        undone.restored,
        ["wsl:Ubuntu-24.04:/etc/docker/daemon.json"]
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let meta = file.metadata().unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.gid()),
        (0o640, 0, 42)
    );
    assert!(!profile.exists());
    assert!(
        std::fs::read_dir(file.parent().unwrap()).unwrap().count() == 1,
        "nothing is left beside it"
    );
}

#[test]
fn a_users_new_file_and_folder_are_the_users() {
    let distro = Distro::new();
    let path = PathBuf::from("/home/ann/.docker/config.json");
    let names = ["proxies", "default", "httpProxy"]
        .map(str::to_owned)
        .to_vec();
    let change = Change::SetJsonKeys {
        file: FileId::DockerCliConfig { path },
        keys: vec![(names, "http://172.20.0.1:3182".into())],
    };
    let desk = distro.desk();
    desk.carry_out(&change, &[]).unwrap();
    for path in ["home/ann/.docker", "home/ann/.docker/config.json"] {
        let meta = distro.root().join(path).metadata().unwrap();
        assert_eq!((meta.uid(), meta.gid()), (1000, 1000), "{path}");
    }
    desk.undo(None).unwrap();
    assert!(!distro.root().join("home/ann/.docker").exists());
}

#[test]
fn a_linked_folder_is_refused() {
    let distro = Distro::new();
    std::fs::remove_dir(distro.root().join("etc/docker")).unwrap();
    std::fs::create_dir(distro.root().join("elsewhere")).unwrap();
    symlink("/elsewhere", distro.root().join("etc/docker")).unwrap();
    let error = distro.desk().carry_out(&daemon_json(), &[]).unwrap_err();
    assert!(matches!(error, ChangeError::Unsafe { .. }), "{error}");
}

#[test]
fn a_content_that_breaks_off_is_not_taken() {
    let distro = Distro::new();
    let host = distro.host();
    let path = Path::new("/etc/docker/daemon.json");
    let place = Place::new(path, Owner::System);
    let script = "#!/bin/sh\nhead -c 3 | ";
    let stand_in = std::fs::read_to_string(distro.program()).unwrap();
    let broken = stand_in
        .replace("#!/bin/sh\n", script)
        .replace(" exec ", " ");
    std::fs::write(distro.folder.path().join("wsl.exe"), broken).unwrap();
    let image = proxy_mirror::change::host::FileImage {
        bytes: b"{\"a\": 1}".to_vec(),
        mode: 0o644,
        uid: 0,
        gid: 0,
    };
    assert!(host.replace(place, &image, None).is_err());
    assert!(!distro.root().join("etc/docker/daemon.json").exists());
}

#[test]
fn an_unknown_distro_is_told_in_its_own_words() {
    let distro = Distro::new();
    let host = Wsl::by(distro.program(), "Gentoo".parse().unwrap());
    let error = host.networking_mode().unwrap_err().to_string();
    assert!(
        error.contains("There is no distribution with the supplied name."),
        "{error}"
    );
    assert!(
        "Ubuntu\n-u"
            .parse::<proxy_mirror::change::host::Distro>()
            .is_err()
    );
    assert!("-u".parse::<proxy_mirror::change::host::Distro>().is_err());
}

#[test]
fn routes_mode_and_user_are_asked_inside() {
    let distro = Distro::new();
    std::fs::write(distro.root().join("proc/net/route"), "Iface\tDestination\n").unwrap();
    std::fs::write(
        distro.folder.path().join("distros/Ubuntu-24.04/user"),
        "ann",
    )
    .unwrap();
    let host = distro.host();
    assert_eq!(host.routes().unwrap(), "Iface\tDestination\n");
    assert_eq!(host.networking_mode().unwrap(), NetworkingMode::Nat);
    let wslinfo = distro.root().join("bin/wslinfo");
    std::fs::write(&wslinfo, "#!/bin/sh\necho mirrored\n").unwrap();
    std::fs::set_permissions(&wslinfo, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(host.networking_mode().unwrap(), NetworkingMode::Mirrored);
}
