//! Requests and responses of which every byte may be wrong: what the engine lets through, another
//! parser reads as the engine did.

mod pieces;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::pieces::{requests, responses};
use crate::client::Client;
use crate::peer::scripted;
use crate::{engine, through};

/// Stands in every answer of the second reader, and nowhere else.
const MARK: &str = "x-read-by-another";

/// An upstream of another make.
#[derive(Clone, Default)]
struct Reader {
    /// Requests whose body was read to its end, each as `METHOD target`.
    whole: Arc<Mutex<Vec<String>>>,
    /// What it could not read.
    malformed: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
}

impl Reader {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let reader = Self::default();
        let this = reader.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let this = this.clone();
                this.open.fetch_add(1, Relaxed);
                tokio::spawn(async move {
                    let answer = service_fn(|request| this.answer(request));
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer)
                        .await;
                    if let Err(error) = served
                        && error.is_parse()
                    {
                        let mut malformed = this.malformed.lock().expect("malformed");
                        malformed.push(error.to_string());
                    }
                    this.open.fetch_sub(1, Relaxed);
                });
            }
        });
        (reader, url)
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
        let line = format!("{} {}", request.method(), request.uri());
        let body = request.into_body().collect().await;
        // One that was cut short is none: nobody acts on it.
        if body.is_ok() {
            self.whole.lock().expect("whole").push(line);
        }
        let answer = hyper::Response::builder().header(MARK, "1");
        Ok(answer.body(Full::from("ok")).expect("a response"))
    }
}

/// Sends the bytes and ends; all that came back.
async fn converse(relay: SocketAddr, bytes: &[u8]) -> String {
    let mut client = Client::connect(relay).await;
    // The engine may have had enough before it has all.
    if client.stream.write_all(bytes).await.is_ok() {
        let _ = client.stream.shutdown().await;
    }
    let (said, _) = client.rest().await;
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn another_reader_sees_the_requests_that_the_engine_saw_and_no_other() {
    let runtime = Runtime::new().expect("runtime");
    let (reader, _engine, relay) = runtime.block_on(async {
        let (reader, url) = Reader::start().await;
        let (engine, relay) = engine(through(&[url])).await;
        (reader, engine, relay)
    });
    let seen = AtomicUsize::new(0);
    let holds = |bytes: Vec<u8>| {
        let said = runtime.block_on(async {
            let said = converse(relay, &bytes).await;
            crate::until("the reader is done", || reader.open.load(Relaxed) == 0).await;
            said
        });
        let whole = std::mem::take(&mut *reader.whole.lock().expect("whole"));
        let malformed = std::mem::take(&mut *reader.malformed.lock().expect("malformed"));
        let shown = bytes.escape_ascii();
        // A quote in a query is for an origin to judge; this reader takes none.
        let quoted = bytes
            .split(|b| *b == b'\n')
            .any(|line| line.windows(7).any(|w| w == b"http://") && line.contains(&b'"'));
        let understood = malformed
            .iter()
            .all(|error| quoted && error == "invalid URI");
        prop_assert!(understood, "{malformed:?}: {shown}");
        // An answer to each, one that had to be given up because the client left apart.
        let answers = said.matches(MARK).count();
        prop_assert!(answers <= whole.len(), "{whole:?} {said}: {shown}");
        prop_assert!(whole.len() <= answers + 1, "{whole:?} {said}: {shown}");
        for line in &whole {
            let (method, _) = line.split_once(' ').expect("a line");
            let asked = |at: usize| bytes[at..].starts_with(method.as_bytes());
            prop_assert!((0..bytes.len()).any(asked), "{line}: {shown}");
        }
        seen.fetch_add(whole.len(), Relaxed);
        Ok(())
    };
    let cases = for_all(&requests(), holds);
    // Not everything was refused.
    assert!(seen.load(Relaxed) > cases / 4, "{seen:?}");
}

/// Whether it holds for everything that comes; how much came.
fn for_all(
    bytes: &impl Strategy<Value = Vec<u8>>,
    holds: impl Fn(Vec<u8>) -> Result<(), TestCaseError>,
) -> usize {
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    let cases = config.cases as usize;
    let ended = TestRunner::new(config).run(bytes, holds);
    ended.unwrap_or_else(|error| panic!("{error}"));
    cases
}

fn count(bytes: &[u8]) -> usize {
    let line = b"HTTP/1.1 ";
    bytes.windows(line.len()).filter(|w| w == line).count()
}

/// What another client makes of these bytes, which end there: status and body.
async fn read(bytes: Vec<u8>) -> Result<(u16, Vec<u8>), hyper::Error> {
    let (ours, mut theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        // An answer before the request would be none.
        theirs.read_u8().await.expect("a request");
        theirs.write_all(&bytes).await.expect("room");
        theirs.shutdown().await.expect("shutdown");
        // It reads as long as the other side says something.
        let _ = theirs.read_to_end(&mut Vec::new()).await;
    });
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await?;
    tokio::spawn(connection);
    let request = hyper::Request::get("/").body(Full::<Bytes>::default());
    let response = send.send_request(request.expect("a request")).await?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await?;
    Ok((status, body.to_bytes().to_vec()))
}

#[test]
fn another_client_reads_one_whole_answer_where_the_engine_ends_cleanly() {
    let runtime = Runtime::new().expect("runtime");
    let next = Arc::<Mutex<Vec<u8>>>::default();
    let (_engine, relay) = runtime.block_on(async {
        let answer = Arc::clone(&next);
        let url = scripted(move |mut upstream| {
            let answer = answer.lock().expect("answer").clone();
            async move {
                upstream.until(b"\r\n\r\n").await;
                upstream.send(answer).await;
                let _ = upstream.stream.shutdown().await;
                let _ = upstream.rest().await;
            }
        })
        .await;
        engine(through(&[url])).await
    });
    let passed = AtomicUsize::new(0);
    let holds = |bytes: Vec<u8>| {
        next.lock().expect("answer").clone_from(&bytes);
        let (said, ended) = runtime.block_on(async {
            let mut client = Client::connect(relay).await;
            client
                .send("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
                .await;
            client.rest().await
        });
        if ended.is_err() {
            return Ok(());
        }
        let shown = format!("{} became {}", bytes.escape_ascii(), said.escape_ascii());
        let answers = count(&said);
        let read = runtime.block_on(read(said));
        prop_assert!(read.is_ok(), "{read:?}: {shown}");
        let (status, body) = read.expect("just seen");
        // Behind the answer stands no other; one in a body that ends with the connection is none.
        // What the engine says itself may name versions.
        if status != 502 {
            let interim = shown.matches("became HTTP/1.1 1").count();
            prop_assert_eq!(answers, interim + 1 + count(&body), "{}", shown);
            passed.fetch_add(1, Relaxed);
        }
        Ok(())
    };
    let cases = for_all(&responses(), holds);
    // Not everything was refused.
    assert!(passed.load(Relaxed) > cases / 4, "{passed:?}");
}
