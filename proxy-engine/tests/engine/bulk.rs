//! Bulk goes through pipes inside of the kernel, and nobody can tell but by its speed.

use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use proxy_engine::engine::Engine;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::program::{Program, own_pipes, raise_descriptor_limit};
use crate::tunnels::{reset, tunnel};

/// Enough that a direction counts as bulk.
const BULK: usize = 2 * 1024 * 1024;
/// More than any stream carries.
const MOST: usize = 3 * BULK;

/// Bytes that no other stream has, and that differ from place to place.
fn bytes(stream: usize, length: usize) -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    let block = BLOCK.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let words = (0..MOST / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        words.collect()
    });
    &block[stream..stream + length]
}

/// An origin that answers the number of a stream with the first half of its bytes, and anything
/// after it with the rest.
async fn origin(length: usize) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let number = stream.read_u64().await.expect("a number");
                let number = usize::try_from(number).expect("small");
                let (first, rest) = bytes(number, length).split_at(length / 2);
                stream.write_all(first).await.expect("sent");
                stream.read_u8().await.expect("more");
                stream.write_all(rest).await.expect("sent");
            });
        }
    });
    address
}

/// Streams so much through each of so many tunnels, and compares every byte. None goes on before
/// all are half-way.
async fn streams(relay: std::net::SocketAddr, count: usize, length: usize) {
    let to = origin(length).await;
    let mut tunnels = Vec::new();
    for _ in 0..count {
        let mut client = Client::connect(relay).await;
        let connect = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
        assert_eq!(client.ask(connect).await.status(), 200);
        tunnels.push(client.stream);
    }
    let half_way = Arc::new(Barrier::new(count));
    let mut all = JoinSet::new();
    for (number, mut stream) in tunnels.into_iter().enumerate() {
        let half_way = Arc::clone(&half_way);
        all.spawn(async move {
            stream.write_u64(number as u64).await.expect("asked");
            let mut heard = vec![0; length / 2];
            stream.read_exact(&mut heard).await.expect("half");
            half_way.wait().await;
            stream.write_u8(0).await.expect("asked for more");
            stream.read_to_end(&mut heard).await.expect("read");
            assert!(heard == bytes(number, length), "stream {number} differs");
        });
    }
    while let Some(one) = all.join_next().await {
        one.expect("one stream");
    }
}

/// A tunnel whose origin sends until it is stopped; the engine has a pipe for it.
async fn spliced() -> (Engine, Client, TcpStream) {
    let (engine, mut client, origin) = tunnel().await;
    let mut origin = origin.stream;
    let block = vec![7; 64 * 1024];
    let flows = async {
        while own_pipes() == 0 {
            origin.write_all(&block).await.expect("sent");
            client.exactly(block.len()).await;
        }
    };
    let flows = tokio::time::timeout(crate::DEADLINE, flows).await;
    flows.expect("no pipe was taken");
    (engine, client, origin)
}

/// Writes until nothing more is taken for a while: the pipe and the buffers of every socket on
/// the way are full. How much.
async fn fill(stream: &TcpStream) -> usize {
    let block = vec![7; 64 * 1024];
    let mut taken = 0;
    let writable = || tokio::time::timeout(Duration::from_millis(500), stream.writable());
    while let Ok(writable) = writable().await {
        writable.expect("alive");
        taken += stream.try_write(&block).unwrap_or(0);
    }
    taken
}

/// How many descriptors it has once it has opened what it opens once, for the first client: what an
/// engine that has just begun to listen has is less.
async fn at_rest(program: &Program) -> usize {
    streams(program.relay, 1, 1024).await;
    let mut before = program.descriptors().len();
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = program.descriptors().len();
        if now == before {
            return now;
        }
        before = now;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_streams_arrive_byte_for_byte_and_every_pipe_is_given_back() {
    let program = Arc::new(Program::start(4096).await);
    let before = at_rest(&program).await;
    let watched = tokio::spawn({
        let program = Arc::clone(&program);
        async move { crate::until("a pipe", || program.pipes() > 0).await }
    });
    streams(program.relay, 64, 2 * BULK).await;
    watched.await.expect("pipes were used");
    crate::until("every descriptor is given back", || {
        program.descriptors().len() <= before && program.pipes() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_bulk_flows_of_a_user_without_privilege_all_arrive() {
    const FILES: usize = 4096;
    raise_descriptor_limit();
    let program = Arc::new(Program::start(FILES as u64).await);
    let before = at_rest(&program).await;
    let most = tokio::spawn({
        let program = Arc::clone(&program);
        async move {
            let mut most = 0;
            // Every flow has had its chance once the first ones are gone again.
            crate::until("pipes are taken and given back", || {
                let now = program.pipes();
                most = most.max(now);
                most > 0 && now == 0
            })
            .await;
            most
        }
    });
    streams(program.relay, 1000, 3 * BULK / 8).await;
    // Connections need descriptors more than pipes do.
    let most = most.await.expect("pipes were used");
    assert!(most <= FILES / 16, "{most} pipes at once");
    crate::until("every descriptor is given back", || {
        program.descriptors().len() <= before
    })
    .await;
}

/// Pipes of this user until the kernel gives it no more pages for any.
fn take_all_pages(uid: u32) -> Vec<(OwnedFd, OwnedFd)> {
    let take = move || {
        let uid = rustix::process::Uid::from_raw(uid);
        rustix::thread::set_thread_res_uid(uid, uid, uid).expect("another user: tests are root");
        let mut pipes = Vec::new();
        loop {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("a pipe");
            let grown = fcntl_setpipe_size(&write, 1 << 20);
            pipes.push((read, write));
            match grown {
                Ok(_) => assert!(pipes.len() < 5000, "there is no end of pages"),
                Err(error) => {
                    assert_eq!(error, rustix::io::Errno::PERM);
                    return pipes;
                }
            }
        }
    };
    // A thread of its own: it is that user until its end.
    std::thread::spawn(take).join().expect("thread")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_other_programs_have_all_the_pages_of_pipes_is_served_by_copying() {
    // Nobody else's, so that no test beside this one is short of them.
    const UID: u32 = 64_123;
    let pages = take_all_pages(UID);
    assert!(pages.len() > 2, "{} pipes", pages.len());
    let program = Arc::new(Program::start_as(UID, 4096).await);
    let enough = Arc::new(AtomicBool::new(false));
    let watched = tokio::spawn({
        let (program, enough) = (Arc::clone(&program), Arc::clone(&enough));
        async move {
            let (mut most, mut last) = (0, HashSet::new());
            while !enough.load(Relaxed) {
                let now: HashSet<String> = program.descriptors().into_iter().collect();
                // What is looked at and given back, too small, is not seen twice.
                let kept = now.intersection(&last);
                most = most.max(kept.filter(|link| link.starts_with("pipe:")).count());
                last = now;
                tokio::task::yield_now().await;
            }
            most
        }
    });
    streams(program.relay, 64, BULK).await;
    enough.store(true, Relaxed);
    let most = watched.await.expect("watched");
    assert!(most <= 4, "{most} pipes");
    drop(pages);
    streams(program.relay, 1, 2 * BULK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_short_of_descriptors_copies_instead() {
    const FLOWS: usize = 22;
    // The standard ones, what it has open when it serves, two for each flow, and one that makes no
    // pipe.
    let program = Program::start(4096).await;
    let at_rest = program.descriptors().len();
    drop(program);
    let program = Program::start((3 + at_rest + 2 * FLOWS + 1) as u64).await;
    streams(program.relay, FLOWS, BULK).await;
}

#[tokio::test]
async fn a_reset_in_the_midst_of_spliced_bulk_is_passed_on() {
    let (_engine, mut client, origin) = spliced().await;
    fill(&origin).await;
    reset(&origin);
    drop(origin);
    assert!(client.rest().await.1.is_err(), "the client saw a clean end");
    let (_engine, client, mut origin) = spliced().await;
    fill(&origin).await;
    reset(&client.stream);
    drop(client);
    let error = tokio::time::timeout(crate::DEADLINE, origin.read(&mut [0; 1])).await;
    let error = error.expect("the origin was told");
    assert!(error.is_err(), "the origin saw a clean end");
}

#[tokio::test]
async fn a_reset_is_passed_on_to_a_client_that_takes_nothing_any_more() {
    let (engine, mut client, origin) = spliced().await;
    fill(&origin).await;
    reset(&origin);
    drop(origin);
    crate::until("the connection ends", || {
        engine.status().connections.open == 0
    })
    .await;
    assert!(client.rest().await.1.is_err(), "the client saw a clean end");
}

#[tokio::test]
async fn the_end_of_bulk_loses_none_of_the_bytes_that_are_still_in_the_pipe() {
    let (_engine, mut client, mut origin) = spliced().await;
    let before = fill(&origin).await;
    let last = bytes(0, BULK);
    let sent = tokio::spawn(async move {
        origin.write_all(last).await.expect("sent");
        origin.shutdown().await.expect("shutdown");
        origin
    });
    let (heard, ended) = client.rest().await;
    let whole = heard.len() == before + last.len() && heard.ends_with(last);
    assert!(ended.is_ok() && whole, "the bytes differ");
    // The other direction lives on.
    let mut origin = sent.await.expect("origin");
    client.send("still").await;
    let mut still = [0; 5];
    origin.read_exact(&mut still).await.expect("read");
    assert_eq!(&still, b"still");
}

#[tokio::test]
async fn a_pipe_is_given_back_when_the_bulk_pauses() {
    let (_engine, mut client, mut origin) = spliced().await;
    crate::until("the pipe is given back", || own_pipes() == 0).await;
    origin.write_all(b"and on").await.expect("sent");
    assert_eq!(client.exactly(6).await, b"and on");
}
