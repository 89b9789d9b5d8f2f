//! A company's proxy that says a banner into each tunnel and keeps every byte that comes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use testbed::CorpNet;

/// What it says first.
pub(crate) const BANNER: &[u8; 16] = b"220 speaks first";

pub(crate) struct Upstream(Receiver<(String, Vec<u8>)>);

impl Upstream {
    /// Serves one tunnel after the other; its thread ends with the test.
    pub(crate) fn start(corp: &CorpNet) -> Self {
        let bound = corp.proxy.enter(|| TcpListener::bind("10.66.0.2:3128"));
        let listener = bound.unwrap().unwrap();
        let (tell, tunnels) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                    head.push(byte[0]);
                }
                // A client that left already is heard all the same.
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                let _ = stream.write_all(BANNER);
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest);
                if tell.send((String::from_utf8(head).unwrap(), rest)).is_err() {
                    return;
                }
            }
        });
        Self(tunnels)
    }

    /// The next tunnel's head, and all that came through it.
    pub(crate) fn next(&self) -> (String, Vec<u8>) {
        self.0.recv_timeout(Duration::from_secs(10)).unwrap()
    }
}
