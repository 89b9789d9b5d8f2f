//! The company's proxies and the origins behind them keep their promises.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::time::Duration;

use testbed::net::{NODE, PROXY};
use testbed::{BasicLogin, Behaviour, Ca, CorpNet, Origin, Recorder, Squid, wait_for};

const WITHIN: Duration = Duration::from_secs(5);

/// `curl` on the node through `proxy`, trusting `ca`: status code and body.
fn curl(corp: &CorpNet, ca: &Ca, proxy: &str, url: &str) -> (String, String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca.pem()).unwrap();
    let cacert = file.path().to_str().unwrap();
    let args = [
        "-sS",
        "-m",
        "10",
        "-x",
        proxy,
        "--cacert",
        cacert,
        "-w",
        "\n%{http_code} %{http_connect}",
        url,
    ];
    let output = corp.node.exec("curl", &args).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, codes) = text.rsplit_once('\n').unwrap();
    (codes.to_owned(), body.to_owned())
}

#[test]
fn squid_carries_http_and_https_and_logs_names() {
    let corp = CorpNet::new().unwrap();
    let ca = Ca::new().unwrap();
    let origin = Origin::start(&corp, &ca).unwrap();
    let squid = Squid::start(&corp).unwrap();
    let proxy = format!("http://{}", squid.address());
    let (codes, body) = curl(&corp, &ca, &proxy, "http://web.example.test/hello");
    assert_eq!(
        (codes.as_str(), body.as_str()),
        ("200 000", "hello from http://web.example.test\n")
    );
    let (codes, body) = curl(
        &corp,
        &ca,
        &proxy,
        "https://other.example.test/bytes/100000",
    );
    assert_eq!((codes.as_str(), body.len()), ("200 200", 100_000));
    squid
        .logged("GET http://web.example.test/hello 200", WITHIN)
        .unwrap();
    squid
        .logged("CONNECT other.example.test:443 200", WITHIN)
        .unwrap();
    let seen = origin.seen();
    assert_eq!(
        seen.iter().map(|one| one.scheme).collect::<Vec<_>>(),
        ["http", "https"]
    );
}

#[test]
fn squid_with_basic_lets_only_its_user_through() {
    let corp = CorpNet::new().unwrap();
    let ca = Ca::new().unwrap();
    let _origin = Origin::start(&corp, &ca).unwrap();
    let login = BasicLogin {
        user: "a user".into(),
        password: "p%s:w@rd!".into(),
    };
    let squid = Squid::with_basic(&corp, 3129, &login).unwrap();
    let (codes, _) = curl(
        &corp,
        &ca,
        &format!("http://{PROXY}:3129"),
        "http://web.example.test/hello",
    );
    assert_eq!(codes, "407 000");
    let proxy = format!("http://a%20user:p%25s%3Aw%40rd%21@{PROXY}:3129");
    let (codes, _) = curl(&corp, &ca, &proxy, "https://web.example.test/hello");
    assert_eq!(codes, "200 200");
    squid
        .logged("CONNECT web.example.test:443 200", WITHIN)
        .unwrap();
}

#[test]
fn the_recorder_behaves_as_told_and_remembers() {
    let corp = CorpNet::new().unwrap();
    let ca = Ca::new().unwrap();
    let origin = Origin::start(&corp, &ca).unwrap();
    let recorder = Recorder::start(&corp.proxy, (PROXY, 8080).into()).unwrap();
    let proxy = format!("http://{PROXY}:8080");
    let (codes, body) = curl(&corp, &ca, &proxy, "http://web.example.test/hello");
    assert_eq!(
        (codes.as_str(), body.as_str()),
        ("200 000", "hello from http://web.example.test\n")
    );
    let (codes, _) = curl(&corp, &ca, &proxy, "https://web6.example.test/hello");
    assert_eq!(codes, "200 200");
    recorder.behave(Behaviour::Login("Basic dXNlcjpwYXNz".into()));
    let (codes, _) = curl(&corp, &ca, &proxy, "https://web.example.test/hello");
    assert_eq!(codes, "000 407");
    let (codes, _) = curl(
        &corp,
        &ca,
        &format!("http://user:pass@{PROXY}:8080"),
        "https://web.example.test/hello",
    );
    assert_eq!(codes, "200 200");
    recorder.behave(Behaviour::Refuse("403 Forbidden".into()));
    let (codes, _) = curl(&corp, &ca, &proxy, "http://web.example.test/hello");
    assert_eq!(codes, "403 000");
    assert_eq!(recorder.lines()[1], "CONNECT web6.example.test:443");
    assert!(
        origin
            .seen()
            .iter()
            .all(|one| !one.head.to_lowercase().contains("proxy-"))
    );
    assert_eq!(NODE.to_string(), "10.66.0.10");
}

#[test]
fn a_held_download_ends_when_it_is_released() {
    let ca = Ca::new().unwrap();
    let origin = Origin::on_loopback(&ca).unwrap();
    let url = format!("http://{}/held", origin.addresses()[0]);
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-sS",
        "--noproxy",
        "*",
        "-o",
        "/dev/null",
        "-w",
        "%{size_download}",
        &url,
    ]);
    curl.stdout(std::process::Stdio::piped());
    let mut curl = testbed::Child::spawn(curl).unwrap();
    wait_for("the request", WITHIN, || {
        (!origin.seen().is_empty()).then_some(())
    })
    .unwrap();
    assert!(curl.ended().is_none());
    origin.release();
    let output = curl.output(WITHIN).unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 16384
    );
}
