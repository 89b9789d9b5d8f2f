//! The company's proxy at another address than a moment ago.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::office::Office;

/// As long as people wait at most until things work again.
const RECOVERED: Duration = Duration::from_secs(5);

/// A proxy that answers every request with its own address, on kept connections.
fn proxy(office: &Office) {
    let listen = || TcpListener::bind("0.0.0.0:3128");
    let listener = office.corp.proxy.enter(listen).unwrap().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer(stream));
        }
    });
}

fn answer(stream: TcpStream) {
    let at = stream.local_addr().unwrap().ip().to_string();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        if line.ends_with("\n\r\n") {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{at}",
                at.len()
            );
            // Whoever is gone hears nothing.
            let _ = reader.get_mut().write_all(head.as_bytes());
            line.clear();
        }
    }
}

/// Asks on this connection; who answered.
fn asks(stream: &mut BufReader<TcpStream>) -> String {
    let get = b"GET / HTTP/1.1\r\nHost: web.example.test\r\n\r\n";
    stream.get_mut().write_all(get).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "it ended");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    std::io::Read::read_exact(stream, &mut body).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn an_upstream_whose_name_leads_elsewhere_now_is_found_there_also_by_kept_connections() {
    let office = Office::open();
    let node = &office.corp.node;
    // The node's own file, as its commands see it.
    let hosts = Path::new("/etc/netns").join(node.name()).join("hosts");
    fs::write(&hosts, "10.66.0.2 proxy.corp.test\n").unwrap();
    proxy(&office);
    let _engine = office.engine(&["--upstream", "http://proxy.corp.test:3128"], "");
    let dial = || {
        let to: SocketAddr = "203.0.113.10:80".parse().unwrap();
        let stream = office
            .corp
            .pod
            .enter(|| TcpStream::connect(to))
            .unwrap()
            .unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        BufReader::new(stream)
    };
    let mut kept = dial();
    assert_eq!(asks(&mut kept), "10.66.0.2");
    // Longer than a connection is trusted without a doubt.
    let quiet = kept.get_ref();
    quiet
        .set_read_timeout(Some(Duration::from_millis(1200)))
        .unwrap();
    assert!(quiet.peek(&mut [0]).is_err(), "nobody says anything");
    quiet
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();

    let moved = Instant::now();
    let proxy = &office.corp.proxy;
    proxy.ip("addr del 10.66.0.2/24 dev office").unwrap();
    proxy.ip("addr add 10.66.0.3/24 dev office").unwrap();
    // In its place: the node's commands have this very file.
    fs::write(&hosts, "10.66.0.3 proxy.corp.test\n").unwrap();
    assert_eq!(asks(&mut dial()), "10.66.0.3");
    assert_eq!(asks(&mut kept), "10.66.0.3");
    assert!(moved.elapsed() < RECOVERED, "{:?}", moved.elapsed());
}
