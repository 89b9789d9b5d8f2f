use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, Socket};
use testbed::wait_for;
use tokio::net::{TcpListener, TcpStream};

use super::{Pair, Tunnel};
use crate::control::Via;
use crate::observe::ConnectionTable;
use crate::relay::IdleLimit;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let to = listener.local_addr().expect("address");
    let (near, far) = tokio::join!(TcpStream::connect(to), listener.accept());
    (near.expect("connected"), far.expect("accepted").0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tunnel_that_lasts_notices_dead_peers_long_before_a_silent_one_ends() {
    let ((_user, client), (origin, _server)) = (pair().await, pair().await);
    let dialled = origin.as_fd().try_clone_to_owned().expect("a descriptor");
    let dialled = Socket::from(dialled);
    let table = Arc::new(ConnectionTable::default());
    let address = client.local_addr().expect("address");
    let pair = Pair {
        client,
        origin: origin.into(),
        early_up: BytesMut::new(),
        early_down: BytesMut::new(),
    };
    let record = table.open(address, Via::Transparent, address, None);
    // Its first look comes after an eighth of it.
    let limit = IdleLimit(Duration::from_secs(2));
    let tunnel = tokio::spawn(Tunnel::new(pair, record, limit));
    wait_for("dead peers are noticed", Duration::from_secs(20), || {
        dialled.keepalive().expect("asked").then_some(())
    })
    .expect("in time");
    let stream = SockRef::from(&dialled);
    let asks = stream.tcp_keepalive_interval().expect("asked");
    let gone = stream.tcp_keepalive_time().expect("asked")
        + asks * stream.tcp_keepalive_retries().expect("asked");
    assert!(gone < IdleLimit::default().0 / 10, "{gone:?}");
    tunnel.abort();
}
