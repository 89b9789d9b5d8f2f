//! What happens to connections, told while it happens.

use std::net::SocketAddr;

use proxy_engine::config::Policy;
use proxy_engine::control::client::{Client as Asking, ClientError, Following};
use proxy_engine::control::server::Server;
use proxy_engine::control::{Connection, ConnectionEvent, RouteTaken, Who};
use proxy_engine::engine::Engine;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, get};
use crate::peer::Peer;
use crate::{DEADLINE, engine};

struct Served {
    engine: Engine,
    relay: SocketAddr,
    asking: Asking,
    _folder: tempfile::TempDir,
}

async fn served() -> Served {
    let folder = tempfile::tempdir().expect("folder");
    let socket = folder.path().join("engine.sock");
    let (engine, relay) = engine(Policy::direct("test")).await;
    let server = Server::bind(&socket).await.expect("socket");
    tokio::spawn(server.serve(engine.clone()));
    Served {
        engine,
        relay,
        asking: Asking::new(&socket),
        _folder: folder,
    }
}

async fn next(following: &mut Following) -> ConnectionEvent {
    let next = tokio::time::timeout(DEADLINE, following.next());
    let next = next.await.expect("in time").expect("an event");
    next.expect("the engine lives")
}

/// One request on a connection of its own.
async fn ask_once(relay: SocketAddr, url: &str) {
    let mut client = Client::connect(relay).await;
    assert_eq!(client.ask(get(url)).await.status(), 200);
}

#[tokio::test]
async fn a_connection_is_followed_from_its_start_over_its_way_to_its_end() {
    let served = served().await;
    let near = Peer::named("near").await;
    let url = format!("{}/", near.url());
    let mut following = served.asking.follow().await.expect("followed");
    let mut kept = Client::connect(served.relay).await;
    let ConnectionEvent::Opened(opened) = next(&mut following).await else {
        panic!("it opens first");
    };
    assert_eq!(opened.client, kept.stream.local_addr().expect("address"));
    let Some(Who::Local { uid, process, .. }) = opened.who else {
        panic!("{opened:?}");
    };
    let pid = process.map(|process| process.pid);
    assert_eq!((uid, pid), (0, Some(std::process::id())));
    assert_eq!(kept.ask(get(&url)).await.status(), 200);
    let way = |shown: &Connection| {
        let direct = matches!(shown.route, Some(RouteTaken::Direct { .. }));
        assert_eq!((shown.id, direct), (opened.id, true));
        assert_eq!(shown.name, Some(near.address.to_string()));
        shown.dialled
    };
    let mut routed = 0;
    let mut ended = None;
    while ended.is_none() {
        match next(&mut following).await {
            ConnectionEvent::Routed(shown) => {
                routed += 1;
                assert!(way(&shown).is_none_or(|dialled| dialled == near.address));
                if routed == 2 {
                    assert_eq!(way(&shown), Some(near.address));
                    // The next request goes the same way: there is nothing to tell.
                    assert_eq!(kept.ask(get(&url)).await.status(), 200);
                    kept.stream.shutdown().await.expect("closed");
                }
            }
            ConnectionEvent::Ended(shown) => ended = Some(shown),
            other => panic!("{other:?}"),
        }
    }
    let ended = ended.expect("it ended");
    assert_eq!((way(&ended), routed), (Some(near.address), 2));
    assert!(ended.ended_ms.is_some() && ended.bytes_up > 0 && ended.bytes_down > 0);
    assert_eq!(ended.error, None);
    let mut failing = Client::connect(served.relay).await;
    assert_eq!(failing.ask(get("http://127.0.0.1:9/")).await.status(), 502);
    drop(failing);
    loop {
        if let ConnectionEvent::Ended(ended) = next(&mut following).await {
            let code = ended.error.map(|problem| problem.code);
            assert_eq!(code.as_deref(), Some("origin_unreachable"));
            break;
        }
    }
}

#[tokio::test]
async fn one_who_does_not_read_holds_up_nobody_and_is_told_what_was_lost() {
    const CONNECTIONS: u64 = 2000;
    let served = served().await;
    let near = Peer::named("near").await;
    let url = format!("{}/", near.url());
    let mut slow = served.asking.follow().await.expect("followed");
    let began = std::time::Instant::now();
    for _ in 0..CONNECTIONS {
        ask_once(served.relay, &url).await;
    }
    let all = CONNECTIONS * 4;
    let (mut seen, mut lost) = (0, 0);
    while seen + lost < all {
        match next(&mut slow).await {
            ConnectionEvent::Lost(some) => lost += some.events,
            _ => seen += 1,
        }
    }
    assert_eq!(seen + lost, all, "each is told, or counted as lost");
    assert!(lost > 0, "2000 connections fit into what is kept");
    // It goes on with what happens now.
    ask_once(served.relay, &url).await;
    assert!(matches!(next(&mut slow).await, ConnectionEvent::Opened(_)));
    assert!(began.elapsed() < DEADLINE * 3);
}

#[tokio::test]
async fn no_more_can_follow_than_there_is_room_for_and_a_place_is_free_again() {
    let served = served().await;
    let mut followers = Vec::new();
    for _ in 0..16 {
        followers.push(served.asking.follow().await.expect("followed"));
    }
    match served.asking.follow().await {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, "too_many_listeners"),
        other => panic!("{other:?}"),
    }
    drop(followers.pop());
    let again = async {
        while served.asking.follow().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let again = tokio::time::timeout(DEADLINE, again).await;
    again.expect("the place of one who left is free");
    // What ended without a listener is in the list all the same.
    drop(followers);
    let near = Peer::named("near").await;
    ask_once(served.relay, &format!("{}/", near.url())).await;
    assert_eq!(served.engine.connections().len(), 1);
}
