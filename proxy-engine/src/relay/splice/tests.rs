use std::time::Duration;

use super::{Filled, Pipe};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("address");
    let (near, far) = tokio::join!(TcpStream::connect(to), listener.accept());
    (near.expect("connected"), far.expect("accepted").0)
}

#[tokio::test]
async fn what_is_in_a_pipe_comes_back_whole_where_it_cannot_be_spliced_on() {
    let (mut near, far) = pair().await;
    let bytes: Vec<u8> = (0..=250).cycle().take(40_000).collect();
    near.write_all(&bytes).await.expect("sent");
    let mut pipe = Pipe::take().expect("pipe");
    let mut came_back = Vec::new();
    while came_back.len() < bytes.len() {
        let readable = tokio::time::timeout(Duration::from_secs(20), far.readable());
        readable.await.expect("in time").expect("readable");
        if let Filled::Bytes(_) = pipe.fill(&far).expect("filled") {
            came_back.extend_from_slice(&pipe.spill().expect("spilled"));
            assert!(pipe.is_empty());
        }
    }
    assert!(came_back == bytes, "the bytes differ");
}
