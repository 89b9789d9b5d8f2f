//! What interception brings: names are read, bytes are not touched, and nobody comes inward.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test stops at the first surprise; the office is shared with other tests"
)]

#[path = "websocket/conversation.rs"]
mod conversation;
#[path = "corporate_network/office.rs"]
mod office;
#[path = "intercepted/upstream.rs"]
mod upstream;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use office::{NEAR, Office};
use testbed::CorpNet;
use upstream::Upstream;

const ORIGIN: &str = "203.0.113.10";
const THROUGH: [&str; 2] = ["--upstream", "http://10.66.0.2:3128"];

/// A pod's connection to an address outside.
fn pod_dials(corp: &CorpNet, to: &str) -> TcpStream {
    let to: SocketAddr = to.parse().unwrap();
    let stream = corp.pod.enter(|| TcpStream::connect(to)).unwrap().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// A ClientHello for the name, in records of `size` bytes, and what a client may send right behind.
fn hello(name: &str, size: usize) -> Vec<u8> {
    let short = |n: usize| u16::try_from(n).unwrap().to_be_bytes();
    let name = [&[0], &short(name.len())[..], name.as_bytes()].concat();
    let list = [&short(name.len())[..], &name].concat();
    let mut extensions = [&[0, 51], &short(1220)[..], &[5; 1220]].concat();
    extensions.extend([&[0, 0], &short(list.len())[..], &list].concat());
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 0x01, 1, 0]].concat();
    body.extend([&short(extensions.len())[..], &extensions].concat());
    let message = [&[1, 0], &short(body.len())[..], &body].concat();
    let records = message
        .chunks(size)
        .flat_map(|part| [&[22, 3, 1], &short(part.len())[..], part].concat());
    records
        .chain([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 9, 9])
        .collect()
}

#[test]
fn a_hello_in_any_records_and_segments_names_its_server_and_arrives_bit_for_bit() {
    let office = Office::open();
    let upstream = Upstream::start(&office.corp);
    let _engine = office.engine(&THROUGH, "");
    for (size, segment) in [(16_384, 16_384), (1, 64), (100, 1), (700, 699), (1330, 5)] {
        let bytes = hello("Web.Example.test", size);
        let mut pod = pod_dials(&office.corp, &format!("{ORIGIN}:443"));
        for part in bytes.chunks(segment) {
            pod.write_all(part).unwrap();
        }
        pod.shutdown(Shutdown::Write).unwrap();
        let (head, arrived) = upstream.next();
        assert!(
            head.starts_with("CONNECT web.example.test:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            arrived == bytes,
            "records of {size}, segments of {segment}: the bytes differ"
        );
    }
}

#[test]
fn what_is_neither_tls_nor_http_goes_to_its_address_untouched() {
    let office = Office::open();
    let upstream = Upstream::start(&office.corp);
    let _engine = office.engine(&THROUGH, "");
    for (port, bytes) in [
        (443, &b"SSH-2.0-OpenSSH\r\n\0\xff"[..]),
        (443, &b"GET http://proxy.example/ HTTP/1.1\r\n\r\n"[..]),
        (80, &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]),
        (80, &b"\x16\x03\x01\x00\x02\x02\x00"[..]),
        (443, &hello("10.0.0.1", 16_384)[..]),
        (443, &hello("a b.test", 16_384)[..]),
    ] {
        let begun = Instant::now();
        let mut pod = pod_dials(&office.corp, &format!("{ORIGIN}:{port}"));
        pod.write_all(bytes).unwrap();
        // The pod could still say more: nothing of it is waited for.
        pod.read_exact(&mut [0; upstream::BANNER.len()]).unwrap();
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "it waited {:?}",
            begun.elapsed()
        );
        pod.shutdown(Shutdown::Write).unwrap();
        let (head, arrived) = upstream.next();
        assert!(
            head.starts_with(&format!("CONNECT {ORIGIN}:{port} HTTP/1.1\r\n")),
            "{head}"
        );
        assert_eq!(arrived, bytes);
    }
}

#[test]
fn a_server_that_speaks_first_is_heard_at_once_on_its_port_and_soon_on_others() {
    let office = Office::open();
    let upstream = Upstream::start(&office.corp);
    let _engine = office.engine(&[&THROUGH[..], &["--ports", "all"]].concat(), "");
    for (port, most) in [(22, 200), (2222, 600)] {
        let begun = Instant::now();
        let mut pod = pod_dials(&office.corp, &format!("{ORIGIN}:{port}"));
        let mut banner = [0; upstream::BANNER.len()];
        pod.read_exact(&mut banner).unwrap();
        assert_eq!(&banner, upstream::BANNER);
        assert!(
            begun.elapsed() < Duration::from_millis(most),
            "{port}: {:?}",
            begun.elapsed()
        );
        drop(pod);
        assert!(
            upstream
                .next()
                .0
                .starts_with(&format!("CONNECT {ORIGIN}:{port} "))
        );
    }
}

#[test]
fn each_request_of_an_intercepted_connection_goes_to_the_host_that_it_names() {
    let office = Office::open();
    let upstream =
        testbed::Recorder::start(&office.corp.proxy, "10.66.0.2:3128".parse().unwrap()).unwrap();
    let _engine = office.engine(&THROUGH, "");
    let mut pod = pod_dials(&office.corp, &format!("{ORIGIN}:80"));
    let get = |host: &str| format!("GET /hello HTTP/1.1\r\nHost: {host}\r\n\r\n");
    // The name of an inner host opens no way to it: the upstream is told, and nobody dialled.
    let hosts = [
        "web.example.test",
        "other.example.test",
        "web.example.test",
        "10.66.0.10",
        "127.0.0.1",
    ];
    for host in hosts {
        pod.write_all(get(host).as_bytes()).unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            pod.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        let head = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .unwrap();
        pod.read_exact(&mut vec![0; length.trim().parse().unwrap()])
            .unwrap();
    }
    let address = format!("GET http://{ORIGIN}/hello");
    assert_eq!(
        upstream.lines(),
        [
            "GET http://web.example.test/hello",
            "GET http://other.example.test/hello",
            "GET http://web.example.test/hello",
            &address,
            &address,
        ]
    );
}

#[test]
fn an_intercepted_websocket_says_everything_it_can() {
    let office = Office::open();
    let bound = office
        .corp
        .proxy
        .enter(|| TcpListener::bind("10.66.0.2:3128"));
    let upstream = bound.unwrap().unwrap();
    let _engine = office.engine(&THROUGH, "");
    let pod = pod_dials(&office.corp, &format!("{ORIGIN}:80"));
    upstream.set_nonblocking(true).unwrap();
    pod.set_nonblocking(true).unwrap();
    let conversation = async {
        let upstream = tokio::net::TcpListener::from_std(upstream).unwrap();
        let pod = tokio::net::TcpStream::from_std(pod).unwrap();
        let served = tokio::spawn(async move {
            let (stream, _) = upstream.accept().await.unwrap();
            conversation::echo(stream).await
        });
        let shaken = tokio_tungstenite::client_async("ws://web.example.test/chat", pod);
        let (mut socket, _) = shaken.await.unwrap();
        conversation::everything(&mut socket).await;
        conversation::close(socket, 1000).await;
        assert_eq!(served.await.unwrap(), "1000");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(conversation);
}

#[test]
fn a_name_of_the_inside_opens_no_direct_way_to_a_foreign_address() {
    let office = Office::open();
    let upstream =
        testbed::Recorder::start(&office.corp.proxy, "10.66.0.2:3128".parse().unwrap()).unwrap();
    // It could be reached directly: what counts is that it is not.
    let near = office.near();
    let bypass = ["--bypass", "web.example.test,*.inside.test"];
    let _engine = office.engine(&[&THROUGH[..], &bypass].concat(), "");
    for name in ["localhost", "printer", "web.example.test", "a.inside.test"] {
        let mut plain = pod_dials(&office.corp, &format!("{NEAR}:80"));
        write!(plain, "GET /hello HTTP/1.1\r\nHost: {name}\r\n\r\n").unwrap();
        let mut tls = pod_dials(&office.corp, &format!("{NEAR}:443"));
        tls.write_all(&hello(name, 16_384)).unwrap();
        for asked in [
            format!("GET http://{name}/hello"),
            format!("CONNECT {name}:443"),
        ] {
            let told = || upstream.lines().contains(&asked).then_some(());
            testbed::wait_for(&asked, Duration::from_secs(5), told).unwrap();
        }
    }
    assert_eq!(near.seen(), []);
}

#[test]
fn a_pod_may_use_the_relay_on_its_bridge_but_not_to_come_inward() {
    let office = Office::open();
    let upstream =
        testbed::Recorder::start(&office.corp.proxy, "10.66.0.2:3128".parse().unwrap()).unwrap();
    let inner =
        testbed::Recorder::start(&office.corp.node, "0.0.0.0:8080".parse().unwrap()).unwrap();
    let _engine = office.engine(
        &[&THROUGH[..], &["--listen", "10.244.0.1:3182"]].concat(),
        "",
    );
    let ask = |url: &str| {
        let args = [
            "-sS",
            "-m",
            "5",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "-x",
            "10.244.0.1:3182",
            url,
        ];
        String::from_utf8(office.corp.pod.exec("curl", &args).unwrap().stdout).unwrap()
    };
    assert_eq!(ask("http://web.example.test/hello"), "200");
    for host in [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.244.0.1",
        "10.66.0.10",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        assert_eq!(ask(&format!("http://{host}:8080/")), "403", "{host}");
    }
    assert_eq!(inner.lines(), [""; 0]);
    assert_eq!(upstream.lines().len(), 1);
    // From the office, the pods' relay is no way out.
    let args = [
        "-sS",
        "-m",
        "5",
        "-x",
        "10.244.0.1:3182",
        "http://web.example.test/",
    ];
    office
        .corp
        .router
        .ip("route add 10.244.0.0/24 via 10.66.0.10")
        .unwrap();
    let told = office.corp.router.exec("curl", &args).unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("10.66.0.1 is refused"), "{told}");
    assert_eq!(upstream.lines().len(), 1);
    assert_eq!(office.status()["connections"]["refused"], 1);
}
