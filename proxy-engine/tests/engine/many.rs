//! Many connections at once, of which most say nothing.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::client::Client;
use crate::program::{Program, raise_descriptor_limit};

#[tokio::test]
async fn ten_thousand_silent_clients_cost_little_and_delay_nobody() {
    const CLIENTS: u64 = 9_500;
    raise_descriptor_limit();
    let program = Program::start(CLIENTS + 200).await;
    let answers = async || {
        let mut client = Client::connect(program.relay).await;
        let asked = Instant::now();
        let status = client
            .ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .status();
        assert_eq!(status, 400);
        asked.elapsed()
    };
    answers().await;
    let before = program.resident();
    let mut silent = Vec::new();
    for _ in 0..CLIENTS {
        silent.push(TcpStream::connect(program.relay).await.expect("connected"));
    }
    crate::until("all are accepted", || {
        program.descriptors().len() as u64 >= CLIENTS
    })
    .await;
    let each = (program.resident() - before) / CLIENTS;
    assert!(each <= 4096, "{each} bytes each");
    let waited = answers().await;
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}
