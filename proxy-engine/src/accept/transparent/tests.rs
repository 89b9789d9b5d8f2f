mod requests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{SERVER_FIRST, intercepted};
use crate::accept::Asker;
use crate::config::{DefaultRoute, EngineConfig, Policy};
use crate::control::Via;
use crate::engine::Core;
use crate::http::{Asked, Client};
use crate::relay::Tunnel;
use crate::sniff::client_hello::sample::{extension, message, names, post_quantum, records};

const DEADLINE: Duration = Duration::from_secs(20);
/// Where every client here was going.
const ORIGIN: &str = "203.0.113.10";

/// An engine's core, and the upstream that it uses.
struct Rig {
    core: Arc<Core>,
    clients: TcpListener,
    upstream: TcpListener,
}

impl Rig {
    async fn new() -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let (clients, upstream) = (bind().await.expect("bind"), bind().await.expect("bind"));
        let url = format!("http://{}", upstream.local_addr().expect("address"));
        let policy = Policy {
            default: DefaultRoute::Upstreams {
                upstreams: vec![url.parse().expect("upstream")],
            },
            ..Policy::direct("test")
        };
        Self {
            core: Arc::new(Core::new(policy, &EngineConfig::default()).expect("core")),
            clients,
            upstream,
        }
    }

    /// A client whose connection to the port was intercepted.
    async fn client(&self, port: u16) -> TcpStream {
        self.client_as(port, Asker::captured).await
    }

    /// The same, of whatever kind.
    async fn client_as(
        &self,
        port: u16,
        asker: impl Fn(SocketAddr, SocketAddr) -> Asker,
    ) -> TcpStream {
        let address = self.clients.local_addr().expect("address");
        let client = TcpStream::connect(address).await.expect("connected");
        client.set_nodelay(true).expect("nodelay");
        let (stream, from) = self.clients.accept().await.expect("accepted");
        let original = SocketAddr::new(ORIGIN.parse().expect("address"), port);
        let core = Arc::clone(&self.core);
        let record = core
            .table
            .open(from, Via::Transparent, original, Some(original));
        let client_here = Client {
            stream,
            read: BytesMut::new(),
            asker: asker(from, original),
            asked: Asked::Origin(original),
        };
        tokio::spawn(async move {
            let pair = intercepted(&core, client_here, original, &record).await?;
            Tunnel::new(pair, record, core.idle).await.ok()
        });
        client
    }

    /// The upstream's side of the next tunnel: what CONNECT asked for, and a stream on which the
    /// answer was given.
    async fn tunnel(&self) -> (String, TcpStream) {
        let (head, mut stream) = self.asked().await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
            .await
            .expect("answered");
        let line = head.lines().next().expect("line");
        let to = line
            .strip_prefix("CONNECT ")
            .and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
        (to.expect("CONNECT").to_owned(), stream)
    }

    /// The upstream's side of the next connection, and the head that came on it.
    async fn asked(&self) -> (String, TcpStream) {
        let accepted = tokio::time::timeout(DEADLINE, self.upstream.accept());
        let (mut stream, _) = accepted.await.expect("in time").expect("accepted");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("head"));
        }
        (String::from_utf8(head).expect("text"), stream)
    }

    /// Sends the pieces one by one, each read before the next is sent, and ends; what CONNECT asked
    /// for and what came through.
    async fn sends(&self, port: u16, pieces: &[&[u8]]) -> (String, Vec<u8>) {
        let mut client = self.client(port).await;
        for piece in pieces {
            client.write_all(piece).await.expect("sent");
            // On this thread the engine's task runs now, and reads what has come.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        }
        client.shutdown().await.expect("shutdown");
        let (to, mut stream) = self.tunnel().await;
        let mut arrived = Vec::new();
        let all = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut arrived));
        all.await.expect("in time").expect("read");
        (to, arrived)
    }
}

#[tokio::test]
async fn a_client_of_another_world_with_the_upstream_s_address_is_not_taken_for_it() {
    let rig = Rig::new().await;
    let address = "192.0.2.5:41000".parse().expect("address");
    rig.core
        .dialer
        .health
        .reached("other.test:1", "192.0.2.5".parse().expect("ip"));
    let chained = |_, original| Asker::chained(address, original);
    let mut client = rig.client_as(443, chained).await;
    client.write_all(b"\0\0").await.expect("sent");
    assert_eq!(rig.tunnel().await.0, format!("{ORIGIN}:443"));
}

/// What a client may send right behind its hello: a change of cipher, and early data.
const BEHIND: [u8; 13] = [20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 2, 9, 9];

#[tokio::test]
async fn a_hello_cut_at_any_byte_names_its_server_and_arrives_bit_for_bit() {
    let rig = Rig::new().await;
    let hello = records(&post_quantum(), 16_384);
    assert_eq!(hello.len(), 1720);
    let bytes = [&hello[..], &BEHIND].concat();
    for at in 1..bytes.len() {
        let (first, rest) = bytes.split_at(at);
        let (to, arrived) = rig.sends(443, &[first, rest]).await;
        assert_eq!(to, "web.example.test:443", "{at}");
        assert!(arrived == bytes, "cut at {at}: the bytes differ");
    }
}

#[tokio::test]
async fn a_hello_byte_by_byte_or_in_any_number_of_records_is_the_same_hello() {
    let rig = Rig::new().await;
    let message = post_quantum();
    for count in 2..=64 {
        let bytes = [
            &records(&message, message.len().div_ceil(count))[..],
            &BEHIND,
        ]
        .concat();
        // The first pieces end between records, and inside of a header.
        let (to, arrived) = rig
            .sends(443, &[&bytes[..40], &bytes[40..43], &bytes[43..]])
            .await;
        assert_eq!(to, "web.example.test:443", "{count} records");
        assert!(arrived == bytes, "{count} records: the bytes differ");
    }
    let bytes = [&records(&message, 30)[..], &BEHIND].concat();
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    let (to, arrived) = rig.sends(443, &bytewise).await;
    assert_eq!(to, "web.example.test:443");
    assert!(arrived == bytes, "byte by byte: the bytes differ");
}

#[tokio::test]
async fn a_hello_whose_bytes_come_slowly_by_the_clock_is_waited_for() {
    /// Between two segments, 81 of them: 4 s in all.
    const GAP: Duration = Duration::from_millis(50);
    let rig = Rig::new().await;
    let bytes = [&records(&post_quantum(), 700)[..], &BEHIND].concat();
    let mut client = rig.client(443).await;
    let sent = async {
        let mut gaps = tokio::time::interval(GAP);
        let (bytewise, rest) = bytes.split_at(40);
        for piece in bytewise
            .chunks(1)
            .chain(rest.chunks(rest.len().div_ceil(40)))
        {
            gaps.tick().await;
            client.write_all(piece).await.expect("sent");
        }
        client.shutdown().await.expect("shutdown");
    };
    let began = Instant::now();
    let ((), (to, mut stream)) = tokio::join!(sent, rig.tunnel());
    assert!(began.elapsed() >= 78 * GAP, "{:?}", began.elapsed());
    assert_eq!(to, "web.example.test:443");
    let mut arrived = Vec::new();
    let all = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut arrived));
    all.await.expect("in time").expect("read");
    assert!(arrived == bytes, "the bytes differ");
}

#[tokio::test]
async fn a_connect_line_holds_the_name_in_lower_case_or_the_address_and_nothing_else() {
    let rig = Rig::new().await;
    let broken_alpn = extension(16, &[0xff, 0xff, 0xff]);
    let grease = extension(0xeaea, &[0]);
    let ech = extension(0xfe0d, &[0; 60]);
    let long = [&b"a.".repeat(120)[..], b"test"].concat();
    let too_long = b"a.".repeat(128);
    let named = |name: &[u8]| vec![names(&[name])];
    for (extensions, host) in [
        (named(b"plain.test"), "plain.test"),
        (named(b"UPPER.Test"), "upper.test"),
        (named(b"dot.test."), "dot.test"),
        (named(b"under_score.x--y.test"), "under_score.x--y.test"),
        (named(&long), std::str::from_utf8(&long).expect("text")),
        (vec![broken_alpn, names(&[b"late.test"])], "late.test"),
        (vec![grease.clone(), names(&[b"g.test"]), grease], "g.test"),
        // Most encrypted hellos are grease: a name that resolves nowhere else is taken.
        (vec![names(&[b"front.invalid"]), ech], "front.invalid"),
        (vec![names(&[b"a.test"]), names(&[b"A.test"])], "a.test"),
        (vec![names(&[b"a.test"]), names(&[b"b.test"])], ORIGIN),
        (vec![names(&[b"a.test", b"b.test"])], ORIGIN),
        (named(b"a.test\0"), ORIGIN),
        (named(b"a.test\0.b.test"), ORIGIN),
        (named(b"a.test\r\nHost: b.test"), ORIGIN),
        (named(b"a.test:22"), ORIGIN),
        (named(b"a b.test"), ORIGIN),
        (named(b"a/b.test"), ORIGIN),
        (named(b"user@a.test"), ORIGIN),
        (named("ä.test".as_bytes()), ORIGIN),
        (named(b"\xff\xfe"), ORIGIN),
        (named(b"10.0.0.1"), ORIGIN),
        (named(b"10.0.0.1."), ORIGIN),
        (named(b"::1"), ORIGIN),
        (named(b"[::1]"), ORIGIN),
        (named(b".test"), ORIGIN),
        (named(b"a..test"), ORIGIN),
        (named(b"."), ORIGIN),
        (named(b""), ORIGIN),
        (named(&[b'a'; 64]), ORIGIN),
        (named(&too_long), ORIGIN),
        (vec![extension(0, &[0])], ORIGIN),
        (vec![], ORIGIN),
    ] {
        let bytes = records(&message(&extensions), 16_384);
        let (to, arrived) = rig.sends(443, &[&bytes]).await;
        assert_eq!(to, format!("{host}:443"));
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        assert!(to.trim_end_matches(":443").bytes().all(fits), "{to}");
        assert!(arrived == bytes, "{host}: the bytes differ");
    }
}

#[tokio::test]
async fn what_is_no_protocol_of_its_port_goes_to_its_address_at_once() {
    let rig = Rig::new().await;
    let begun = Instant::now();
    for (port, bytes) in [
        (443, &b"SSH-2.0-OpenSSH_9.9\r\n"[..]),
        (443, b"\0\x01\x02\x03"),
        (443, b"\x15\x03\x03\x00\x02\x02\x28"),
        (443, b"\x16\x02\x00\x00\x05"),
        (443, b"\x16\x03\x01\x00\x05\x02"),
        (443, b"\x80\x2e\x01\x00\x02"),
        (443, b"*1\r\n$4\r\nPING\r\n"),
        (80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (80, b"HELO there\r\n"),
        (80, b"PING\r\n"),
        (80, b"\x13BitTorrent protocol"),
        (80, b"get / HTTP/1.1\r\n"),
        (80, b"GET /\r\n"),
        (80, b"\xff\xfb\x01"),
    ] {
        // The client stays: it is the bytes that decide, not their end.
        let mut client = rig.client(port).await;
        client.write_all(bytes).await.expect("sent");
        let (to, mut stream) = rig.tunnel().await;
        assert_eq!(to, format!("{ORIGIN}:{port}"), "{bytes:?}");
        let mut arrived = vec![0; bytes.len()];
        let all = tokio::time::timeout(DEADLINE, stream.read_exact(&mut arrived));
        all.await.expect("in time").expect("read");
        assert_eq!(arrived, bytes);
    }
    // None of them waited for more: one wait alone would be five seconds.
    assert!(
        begun.elapsed() < super::SPEAKS_FIRST,
        "{:?}",
        begun.elapsed()
    );
}

/// How long a silent client's server waits to be asked, at best: what else runs here only adds.
async fn silence(rig: &Rig, port: u16, first: &[u8]) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let once = tokio::time::timeout(DEADLINE, heard(rig, port, first));
        best = best.min(once.await.expect("in time"));
    }
    best
}

/// How long it waited, once its banner was heard and the client answered.
async fn heard(rig: &Rig, port: u16, first: &[u8]) -> Duration {
    let begun = Instant::now();
    let mut client = rig.client(port).await;
    client.write_all(first).await.expect("sent");
    let (to, mut stream) = rig.tunnel().await;
    let waited = begun.elapsed();
    assert_eq!(to, format!("{ORIGIN}:{port}"));
    stream.write_all(b"220 ready").await.expect("sent");
    let mut banner = [0; 9];
    client.read_exact(&mut banner).await.expect("banner");
    assert_eq!(&banner, b"220 ready");
    // It was not closed by the wait, and nothing that it said is lost.
    client.write_all(b"QUIT").await.expect("sent");
    let mut said = vec![0; first.len() + 4];
    stream.read_exact(&mut said).await.expect("read");
    assert_eq!(said, [first, b"QUIT"].concat());
    waited
}

#[tokio::test]
async fn a_server_that_speaks_first_is_asked_at_once_where_it_is_known_and_soon_elsewhere() {
    let rig = Rig::new().await;
    for port in SERVER_FIRST {
        let waited = silence(&rig, port, b"").await;
        assert!(waited < Duration::from_millis(100), "{port}: {waited:?}");
    }
    for first in [&b""[..], b"GET", b"\x16\x03\x01"] {
        let waited = silence(&rig, 2222, first).await;
        let bounds = Duration::from_millis(290)..Duration::from_millis(400);
        assert!(bounds.contains(&waited), "{first:?}: {waited:?}");
    }
}

#[tokio::test]
async fn a_hello_that_never_ends_goes_on_after_five_seconds_or_64_kib() {
    let rig = Rig::new().await;
    let begun = Instant::now();
    let mut slow = rig.client(443).await;
    slow.write_all(&records(&post_quantum(), 16_384)[..1000])
        .await
        .expect("sent");
    // Meanwhile, one that never stops: its end alone is missing, and nobody waits for that.
    let endless = records(&[&[1, 0, 0xea, 0x60][..], &vec![0; 60_000]].concat(), 1);
    let mut fast = rig.client(443).await;
    fast.write_all(&endless[..crate::sniff::client_hello::HELLO_LIMIT])
        .await
        .expect("sent");
    let (to, mut stream) = rig.tunnel().await;
    assert_eq!(to, format!("{ORIGIN}:443"));
    assert!(
        begun.elapsed() < super::SPEAKS_FIRST,
        "{:?}",
        begun.elapsed()
    );
    let mut arrived = vec![0; crate::sniff::client_hello::HELLO_LIMIT];
    let all = tokio::time::timeout(DEADLINE, stream.read_exact(&mut arrived));
    all.await.expect("in time").expect("read");
    assert!(arrived == endless[..arrived.len()], "the bytes differ");
    let (to, mut stream) = rig.tunnel().await;
    assert_eq!(to, format!("{ORIGIN}:443"));
    assert!(
        begun.elapsed() >= super::SPEAKS_FIRST,
        "{:?}",
        begun.elapsed()
    );
    let mut arrived = vec![0; 1000];
    let all = tokio::time::timeout(DEADLINE, stream.read_exact(&mut arrived));
    all.await.expect("in time").expect("read");
    assert!(
        arrived == records(&post_quantum(), 16_384)[..1000],
        "the bytes differ"
    );
}
