//! A service without a user: its administrator says where the credentials are.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::program::Program;
use crate::take_over::upstream;
use crate::tunnel;

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).expect("mode");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_user_takes_credentials_from_systemd_a_file_or_a_secret() {
    for way in ["systemd", "file", "secret"] {
        let (authority, heads) = upstream(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("gangway-credentials");
        write(
            &file,
            &format!(
                "[[credentials]]\nproxy = \"{authority}\"\nuser = \"alice\"\npassword = \"canary\"\n"
            ),
        );
        for (name, text) in [
            ("proxy", authority.as_str()),
            ("user", "alice"),
            ("password", "canary"),
        ] {
            write(&folder.path().join(name), text);
        }
        let (url, file) = (
            format!("http://alice@{authority}"),
            file.display().to_string(),
        );
        let folder = folder.path().display().to_string();
        let of_systemd = format!("CREDENTIALS_DIRECTORY={folder}");
        let (under, more) = match way {
            "systemd" => (vec!["env", of_systemd.as_str()], vec![]),
            "file" => (vec![], vec!["--credentials-file", file.as_str()]),
            _ => (vec![], vec!["--credentials-secret", folder.as_str()]),
        };
        let engine =
            Program::start_under(&under, &[&["--upstream", &url], &more[..]].concat()).await;
        let to = "192.0.2.1:443".parse().expect("address");
        tunnel(engine.relay, to).await.expect(way);
        let heads = heads.lock().expect("heads").clone();
        // alice:canary
        let last = heads.last().expect("asked");
        assert!(
            last.contains("Basic YWxpY2U6Y2FuYXJ5\r\n"),
            "{way}: {heads:?}"
        );
        for seen in ["cmdline", "environ"] {
            let seen = std::fs::read(format!("/proc/{}/{seen}", engine.child.pid()));
            let seen = String::from_utf8_lossy(&seen.expect("read")).into_owned();
            assert!(!seen.contains("canary"), "{way}: {seen}");
        }
    }
}
