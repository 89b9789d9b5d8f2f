//! GNOME's settings through the real `gsettings` and dconf, KDE's through its file as Plasma 5.27
//! and 6 write it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use proxy_mirror::source::{self, Reading, Says, Source, System};

use crate::inside::{headless, inside, with_bus};

const ROOT: &str = "org.gnome.system.proxy";

fn gsettings(schema: &str, key: &str, value: &str) {
    let status = Command::new("gsettings")
        .args(["set", schema, key, value])
        .status()
        .expect("gsettings (libglib2.0-bin) is installed");
    assert!(status.success(), "gsettings set {schema} {key} {value}");
}

fn gnome(command: &mut Command) {
    command.env("XDG_CURRENT_DESKTOP", "GNOME");
}

/// The program that writes GNOME's settings; the session's bus starts none by itself.
struct Dconf(std::process::Child);

impl Drop for Dconf {
    fn drop(&mut self) {
        // Already gone, or gone now.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_dconf() -> Dconf {
    let service = ["/usr/libexec/dconf-service", "/usr/lib/dconf/dconf-service"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
        .expect("dconf-service is installed");
    let service = Command::new(service)
        // It would hold the pipe that the test outside reads to its end.
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dconf-service starts");
    let service = Dconf(service);
    let there = Command::new("gdbus")
        .args(["wait", "--session", "--timeout", "10", "ca.desrt.dconf"])
        .status()
        .expect("gdbus (libglib2.0-bin) is installed");
    assert!(there.success(), "dconf-service did not come to the bus");
    service
}

fn read() -> Reading {
    System::default()
        .read()
        .expect("the desktop's settings can be read")
}

#[test]
fn gnome_settings_are_read_as_they_stand() {
    if !inside(
        "desktop::gnome_settings_are_read_as_they_stand",
        with_bus,
        gnome,
    ) {
        return;
    }
    let _dconf = start_dconf();
    assert_eq!(read().says, Says::Nothing, "settings that nobody touched");

    for child in ["http", "https"] {
        gsettings(&format!("{ROOT}.{child}"), "host", "proxy.corp");
        gsettings(&format!("{ROOT}.{child}"), "port", "3128");
    }
    gsettings(
        ROOT,
        "ignore-hosts",
        "['localhost', '*.corp.example', '10.0.0.0/8']",
    );
    gsettings(ROOT, "mode", "manual");
    let reading = read();
    assert_eq!(reading.origin.english, "GNOME: org.gnome.system.proxy");
    let Says::Proxy {
        upstream,
        bypass,
        lost,
    } = reading.says
    else {
        panic!("{:?}", reading.says);
    };
    assert_eq!(upstream.to_string(), "http://proxy.corp:3128");
    let bypass = bypass.to_string();
    assert!(
        bypass.contains("corp.example") && bypass.contains("10.0.0.0/8"),
        "{bypass} {lost:?}"
    );

    gsettings(ROOT, "autoconfig-url", "http://wpad.corp/proxy.pac");
    gsettings(ROOT, "mode", "auto");
    assert_eq!(
        read().says,
        Says::Pac {
            url: Some("http://wpad.corp/proxy.pac".to_owned())
        }
    );

    gsettings(ROOT, "mode", "none");
    assert_eq!(
        read().says,
        Says::Direct,
        "switched off by hand, which is an answer"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_gnome_settings_is_noticed_within_a_second() {
    if !inside(
        "desktop::a_change_of_gnome_settings_is_noticed_within_a_second",
        with_bus,
        gnome,
    ) {
        return;
    }
    let _dconf = start_dconf();
    let sources: Vec<Box<dyn Source>> = vec![Box::new(System::default())];
    let mut changes = std::pin::pin!(source::watch(&sources));
    // The watcher tells once when it is in place.
    next(&mut changes).await;
    gsettings(&format!("{ROOT}.https"), "host", "proxy.corp");
    let from = Instant::now();
    gsettings(ROOT, "mode", "manual");
    next(&mut changes).await;
    assert!(
        from.elapsed() < Duration::from_secs(1),
        "{:?}",
        from.elapsed()
    );
}

async fn next(changes: &mut (impl futures_util::Stream<Item = ()> + Unpin)) {
    tokio::time::timeout(Duration::from_secs(10), changes.next())
        .await
        .expect("a change is told within ten seconds, before the poll")
        .expect("the stream goes on");
}

#[test]
fn kde_settings_are_read_as_they_stand() {
    if !inside(
        "desktop::kde_settings_are_read_as_they_stand",
        headless,
        |command| {
            command.env("XDG_CURRENT_DESKTOP", "KDE");
        },
    ) {
        return;
    }
    let config = std::env::var("XDG_CONFIG_HOME").unwrap();
    let write = |text: &str| {
        std::fs::write(
            format!("{config}/kioslaverc"),
            format!("[Proxy Settings]\n{text}"),
        )
        .unwrap();
    };
    write(
        "NoProxyFor=.corp.example,localhost\nProxyType=1\nhttpProxy=http://proxy.corp 3128\nhttpsProxy=http://proxy.corp 3128\n",
    );
    let reading = read();
    assert_eq!(reading.origin.english, "KDE: kioslaverc");
    assert_eq!(reading.says.to_string(), "http://proxy.corp:3128");
    write("ProxyType=2\nProxy Config Script=http://wpad.corp/proxy.pac\n");
    assert_eq!(
        read().says,
        Says::Pac {
            url: Some("http://wpad.corp/proxy.pac".to_owned())
        }
    );
    write("ProxyType=3\n");
    assert_eq!(read().says, Says::Pac { url: None });
    write("ProxyType=1\nsocksProxy=socks://proxy.corp 1080\n");
    assert_eq!(read().says.to_string(), "socks5h://proxy.corp:1080");
    write("ProxyType=0\n");
    assert_eq!(read().says, Says::Direct);
}
