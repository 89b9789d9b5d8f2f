//! Two worlds: an engine on a node intercepts its pods, and passes everything on to an engine
//! outside, which has the policy.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test stops at the first surprise; the office is shared with other tests"
)]

#[path = "corporate_network/office.rs"]
mod office;
#[path = "intercepted/upstream.rs"]
mod upstream;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use office::{NEAR, Office};
use proxy_engine::chain::{Facts, Frame, Key, call};
use socket2::{Domain, Socket, Type};
use testbed::net::{GATEWAY, NODE, PROXY};
use testbed::{Child, CorpNet, Origin, Recorder, wait_for};
use upstream::Upstream;

const ORIGIN: &str = "203.0.113.10";
const UPSTREAM: &str = "10.66.0.2:3128";
/// An address of the node that is none of the office.
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// An address of a private network that both worlds can have.
const INNER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 9);
const SOON: Duration = Duration::from_secs(10);
const KEY: &str = "vm-1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";

/// The two engines' files.
struct Worlds {
    office: Office,
    files: tempfile::TempDir,
}

impl Worlds {
    fn open() -> Self {
        let worlds = Self {
            office: Office::open(),
            files: tempfile::tempdir().unwrap(),
        };
        std::fs::write(worlds.file("key"), KEY).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(worlds.file("key"), private).unwrap();
        worlds
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// The engine outside of the node, with these flags.
    fn deciding(&self, flags: &[&str]) -> Child {
        let mut engine = self
            .office
            .corp
            .router
            .command(env!("CARGO_BIN_EXE_proxy-engine"));
        engine.args(["run", "--chained", "10.66.0.1:3184", "--chained-keys"]);
        engine.arg(self.file("key"));
        engine.arg("--control").arg(self.file("decides.sock"));
        engine.args(flags).stdin(Stdio::null());
        let engine = Child::spawn(engine).unwrap();
        let listens = || (self.asked("status")["listeners"].as_array()?.len() == 2).then_some(());
        wait_for("the deciding engine", SOON, listens).unwrap();
        engine
    }

    /// The engine on the node.
    fn first(&self) -> Child {
        let key = self.file("key").display().to_string();
        let chain = ["--chain", "10.66.0.1:3184", "--chain-key", &key];
        self.office.engine(&chain, "")
    }

    /// What the deciding engine answers.
    fn asked(&self, what: &str) -> serde_json::Value {
        let mut ask = std::process::Command::new("curl");
        ask.arg("-sS")
            .arg("--unix-socket")
            .arg(self.file("decides.sock"));
        ask.arg(format!("http://engine/v1/{what}"));
        serde_json::from_slice(&ask.output().unwrap().stdout).unwrap_or_default()
    }

    /// An origin at [`NEAR`], which both engines reach without a proxy.
    fn near(&self) -> Origin {
        let corp = &self.office.corp;
        corp.proxy
            .ip(&format!("addr add {NEAR}/32 dev lo"))
            .unwrap();
        for host in [&corp.router, &corp.node] {
            host.ip(&format!("route add {NEAR}/32 via 10.66.0.2"))
                .unwrap();
        }
        Origin::inside(&corp.proxy, &[IpAddr::V4(NEAR)], &[], &self.office.ca).unwrap()
    }
}

fn pod_dials(corp: &CorpNet, to: &str) -> TcpStream {
    let to: SocketAddr = to.parse().unwrap();
    let stream = corp.pod.enter(|| TcpStream::connect(to)).unwrap().unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// A ClientHello for the name, and what a client may send right behind.
fn hello(name: &str) -> Vec<u8> {
    let short = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
    let name = [&[0], &short(name.len())[..], name.as_bytes()].concat();
    let list = [&short(name.len())[..], &name].concat();
    let extension = [&[0, 0], &short(list.len())[..], &list].concat();
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 0x01, 1, 0]].concat();
    body.extend([&short(extension.len())[..], &extension].concat());
    let message = [&[1, 0], &short(body.len())[..], &body].concat();
    let mut bytes = [&[22, 3, 1], &short(message.len())[..], &message].concat();
    bytes.extend([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 9, 9]);
    bytes
}

#[test]
fn a_pod_s_name_reaches_the_upstream_over_two_engines_and_nothing_else_of_it_does() {
    let worlds = Worlds::open();
    let corp = &worlds.office.corp;
    let upstream = Upstream::start(corp);
    let _deciding = worlds.deciding(&["--upstream", &format!("http://{UPSTREAM}")]);
    let _first = worlds.first();
    let bytes = hello("Web.Example.test");
    let mut pod = pod_dials(corp, &format!("{ORIGIN}:443"));
    pod.write_all(&bytes).unwrap();
    pod.read_exact(&mut [0; upstream::BANNER.len()]).unwrap();
    let shown = worlds.asked("connections")[0].take();
    assert_eq!(shown["via"], "chained", "{shown:#}");
    assert_eq!(shown["chained"]["engine"], "vm-1");
    assert_eq!(shown["original_dst"], format!("{ORIGIN}:443"));
    let client = shown["chained"]["client"].as_str().unwrap();
    assert_eq!(client, pod.local_addr().unwrap().to_string());
    let id = shown["chained"]["path"][0].as_str().unwrap();
    pod.shutdown(Shutdown::Write).unwrap();
    let (head, arrived) = upstream.next();
    assert!(
        head.starts_with("CONNECT web.example.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(arrived == bytes, "the bytes differ");
    for fact in [id, client, "10.244.0.2", ORIGIN, "vm-1"] {
        assert!(!head.contains(fact), "{fact} in {head}");
    }
    // The first one knows its part, and nothing of the policy.
    let status = worlds.office.status();
    assert_eq!(status["chain"]["engine"], "10.66.0.1:3184", "{status:#}");
    assert_eq!(status["policy"]["default"]["kind"], "refused");
}

#[test]
fn each_request_is_routed_by_the_deciding_engine_and_no_name_opens_a_way_inward() {
    let worlds = Worlds::open();
    let corp = &worlds.office.corp;
    let near = worlds.near();
    let upstream = Recorder::start(&corp.proxy, UPSTREAM.parse().unwrap()).unwrap();
    let inner = [80, 443].map(|port| {
        let any = SocketAddr::from(([0, 0, 0, 0], port));
        Recorder::start(&corp.router, any).unwrap()
    });
    let url = format!("http://{UPSTREAM}");
    let bypass = "localhost,printer,127.0.0.0/8,*.inside.test,web.example.test";
    let _deciding = worlds.deciding(&["--upstream", &url, "--bypass", bypass]);
    let _first = worlds.first();
    let names = ["localhost", "printer", "a.inside.test", "web.example.test"];
    let mut plain = pod_dials(corp, &format!("{NEAR}:80"));
    for name in names.into_iter().chain(["127.0.0.1", "10.66.0.1"]) {
        write!(plain, "GET /hello HTTP/1.1\r\nHost: {name}\r\n\r\n").unwrap();
        let shown = if name.as_bytes()[0].is_ascii_digit() {
            NEAR.to_string()
        } else {
            name.to_owned()
        };
        let asked = format!("GET http://{shown}/hello");
        let told = || upstream.lines().contains(&asked).then_some(());
        wait_for(&asked, SOON, told).unwrap();
        // Each answer of this upstream ends its connection, and some of them are refusals; the
        // pod's stays where it can.
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && plain.read(&mut byte).unwrap_or(0) == 1 {
            answer.push(byte[0]);
        }
        plain = pod_dials(corp, &format!("{NEAR}:80"));
    }
    for name in names {
        let mut tls = pod_dials(corp, &format!("{NEAR}:443"));
        tls.write_all(&hello(name)).unwrap();
        let asked = format!("CONNECT {name}:443");
        let told = || upstream.lines().contains(&asked).then_some(());
        wait_for(&asked, SOON, told).unwrap();
    }
    // The upstream stands on the same machine as this origin, and alone calls from there.
    let direct = |seen: &testbed::origin::Seen| seen.peer.ip() != NEAR;
    assert_eq!(near.seen().into_iter().find(direct), None);
    for inner in inner {
        assert_eq!(inner.lines(), [""; 0]);
    }
}

#[test]
fn a_deciding_engine_that_is_killed_lets_nothing_out_and_the_first_one_says_why() {
    let worlds = Worlds::open();
    let corp = &worlds.office.corp;
    let near = worlds.near();
    let upstream = Recorder::start(&corp.proxy, UPSTREAM.parse().unwrap()).unwrap();
    let url = format!("http://{UPSTREAM}");
    let deciding = worlds.deciding(&["--upstream", &url]);
    let _first = worlds.first();
    let ask = || {
        let mut pod = pod_dials(corp, &format!("{NEAR}:80"));
        write!(pod, "GET /hello HTTP/1.1\r\nHost: web.example.test\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = pod.take(12).read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    assert_eq!(ask(), "HTTP/1.1 200");
    deciding.kill();
    assert_eq!(ask(), "");
    assert_eq!(near.seen(), []);
    let error = worlds.office.status()["chain"]["last_error"].take();
    assert_eq!(error["code"], "engine_unreachable", "{error:#}");
    let again = worlds.deciding(&["--bypass", &NEAR.to_string()]);
    assert_eq!(ask(), "HTTP/1.1 200");
    assert_eq!(near.seen().len(), 1, "as the new policy says");
    assert_eq!(upstream.lines().len(), 1);
    drop(again);
}

#[test]
fn an_address_that_is_private_in_the_pod_s_world_is_dialled_only_where_it_is_named() {
    let worlds = Worlds::open();
    let corp = &worlds.office.corp;
    // Behind the office, and no address of the deciding engine's own machine or networks.
    corp.proxy
        .ip(&format!("addr add {INNER}/32 dev lo"))
        .unwrap();
    let route = format!("route add {INNER}/32 via {PROXY}");
    corp.router.ip(&route).unwrap();
    let inner = Recorder::start(&corp.proxy, (INNER, 80).into()).unwrap();
    for (bypass, dialled) in [("other.test", 0), ("*", 0), ("10.77.0.0/16", 1)] {
        let deciding = worlds.deciding(&["--bypass", bypass]);
        let mut pod = corp.node.enter(|| passed_on(INNER)).unwrap();
        write!(pod, "GET /hello HTTP/1.1\r\nHost: inner.test\r\n\r\n").unwrap();
        pod.shutdown(Shutdown::Write).unwrap();
        // However it ends.
        let _ = pod.read_to_end(&mut Vec::new());
        assert_eq!(inner.lines().len(), dialled, "{bypass}");
        deciding.kill();
    }
}

/// A connection of a pod to this address, passed on to the deciding engine.
fn passed_on(original: Ipv4Addr) -> TcpStream {
    let facts = Facts {
        path: vec!["gangway-first".parse().unwrap()],
        client: "10.244.0.2:41000".parse().unwrap(),
        original: Some((original, 80).into()),
    };
    let key = Key::new("vm-1".parse().unwrap(), vec![7; 32]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let stream = runtime.unwrap().block_on(async {
        let mut stream = tokio::net::TcpStream::connect((GATEWAY, 3184))
            .await
            .unwrap();
        call(&mut stream, &key, &facts, || ()).await.unwrap();
        stream.into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

#[test]
fn a_key_lets_nobody_in_who_is_neither_a_neighbour_nor_named_as_a_client() {
    let worlds = Worlds::open();
    let corp = &worlds.office.corp;
    corp.node
        .ip(&format!("addr add {STRANGER}/32 dev lo"))
        .unwrap();
    corp.router
        .ip(&format!("route add {STRANGER}/32 via {NODE}"))
        .unwrap();
    let refused: &[u8] = b"";
    for (flags, to_stranger) in [
        (&[][..], refused),
        (&["--clients", "192.0.2.8/32"], refused),
        (&["--clients", "192.0.2.0/24"], b"GANGWAY"),
    ] {
        let deciding = worlds.deciding(flags);
        for (from, told) in [(NODE, &b"GANGWAY"[..]), (STRANGER, to_stranger)] {
            let heard = corp.node.enter(|| challenge(from)).unwrap();
            assert_eq!(heard, told, "{from}, {flags:?}");
        }
        deciding.kill();
    }
}

/// How the deciding engine begins to answer somebody at this address who names a key of its.
fn challenge(from: Ipv4Addr) -> Vec<u8> {
    let hello = Frame::Hello {
        nonce: [1; 32],
        engine: "vm-1".parse().unwrap(),
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    let to = SocketAddr::from((GATEWAY, 3184));
    socket.connect_timeout(&to.into(), SOON).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(SOON)).unwrap();
    // Whoever is turned away may be so before he has spoken: a reset is an end, too.
    let _ = stream.write_all(&hello.write());
    let mut heard = Vec::new();
    let _ = stream.take(7).read_to_end(&mut heard);
    heard
}
