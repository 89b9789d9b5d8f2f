//! A client that says exactly what a test wants, and reads one response at a time.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::DEADLINE;

/// A connection to the engine.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// One response: its head, and its body as it was framed.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn status(&self) -> u16 {
        self.head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .expect("status")
    }
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(to).await.expect("connected"),
            read: Vec::new(),
        }
    }

    /// A client of the user `uid`. The kernel keeps who made a socket; the test stays root.
    pub(crate) fn of_user(uid: u32, to: SocketAddr) -> Self {
        let connect = move || {
            let uid = rustix::process::Uid::from_raw(uid);
            rustix::thread::set_thread_res_uid(uid, uid, uid)
                .expect("another user: tests are root");
            let stream = std::net::TcpStream::connect(to).expect("connected");
            stream.set_nonblocking(true).expect("non-blocking");
            stream
        };
        // A thread of its own: it is that user until its end.
        let stream = std::thread::spawn(connect).join().expect("thread");
        Self {
            stream: TcpStream::from_std(stream).expect("registered"),
            read: Vec::new(),
        }
    }

    /// The other side of a connection, which speaks the same way.
    pub(crate) fn accepted(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("sent");
    }

    /// Sends a request and reads its response.
    pub(crate) async fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request).await;
        self.response().await
    }

    /// The next response, framed by Content-Length.
    pub(crate) async fn response(&mut self) -> Response {
        let head = self.until(b"\r\n\r\n").await;
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length:")?
                    .trim()
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        let body = self.exactly(length).await;
        Response {
            head,
            body: String::from_utf8(body).expect("text"),
        }
    }

    /// Everything up to and with the mark.
    pub(crate) async fn until(&mut self, mark: &[u8]) -> String {
        loop {
            if let Some(at) = self.read.windows(mark.len()).position(|w| w == mark) {
                let head = self.read.drain(..at + mark.len()).collect();
                return String::from_utf8(head).expect("text");
            }
            let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.read));
            let read = read.await.expect("in time").expect("readable");
            assert!(
                read > 0,
                "ended after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// The next head; `None` when the other side has ended.
    pub(crate) async fn head(&mut self) -> Option<String> {
        const END: &[u8] = b"\r\n\r\n";
        while !self.read.windows(END.len()).any(|window| window == END) {
            let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.read));
            match read.await {
                Ok(Ok(1..)) => {}
                _ => return None,
            }
        }
        Some(self.until(END).await)
    }

    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.read));
            let read = read.await.expect("in time").expect("readable");
            assert!(
                read > 0,
                "ended after {} of {length} bytes",
                self.read.len()
            );
        }
        self.read.drain(..length).collect()
    }

    /// Reads so many bytes and keeps none.
    pub(crate) async fn discard(&mut self, length: u64) {
        let first = self
            .read
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        self.read.drain(..first);
        let mut left = length - first as u64;
        let mut scrap = vec![0; 1 << 20];
        while left > 0 {
            let most = scrap.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = tokio::time::timeout(DEADLINE, self.stream.read(&mut scrap[..most]));
            let read = read.await.expect("in time").expect("readable");
            assert!(read > 0, "ended {left} bytes before {length}");
            left -= read as u64;
        }
    }

    /// Everything until the end, and how it ended.
    pub(crate) async fn rest(&mut self) -> (Vec<u8>, std::io::Result<()>) {
        loop {
            let read = tokio::time::timeout(DEADLINE, self.stream.read_buf(&mut self.read));
            match read.await.expect("in time") {
                Ok(0) => return (std::mem::take(&mut self.read), Ok(())),
                Ok(_) => {}
                Err(error) => return (std::mem::take(&mut self.read), Err(error)),
            }
        }
    }
}

/// A GET for a whole URL.
pub(crate) fn get(url: &str) -> String {
    let host = url
        .trim_start_matches("http://")
        .split('/')
        .next()
        .unwrap_or_default();
    format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}
