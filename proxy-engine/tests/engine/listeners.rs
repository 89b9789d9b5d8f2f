//! Listeners come and go with the policy, and say why they do not.

use proxy_engine::config::{EngineConfig, Policy};
use proxy_engine::control::Via;
use proxy_engine::engine::Engine;
use tokio::net::TcpStream;

use crate::client::{Client, get};
use crate::peer::Peer;
use crate::{engine, until};

#[tokio::test]
async fn a_port_in_use_names_its_holder_and_is_taken_once_it_is_free() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = holder.local_addr().expect("address");
    let config = EngineConfig {
        listen: vec![address],
        ..EngineConfig::default()
    };
    let engine = Engine::start(config).await.expect("engine");
    let error = engine.status().listeners[0].error.clone().expect("error");
    let named = format!("(process {})", std::process::id());
    assert!(
        error.contains(&address.to_string()) && error.contains(&named),
        "{error}"
    );
    drop(holder);
    until("the listener opens", || {
        engine.status().listeners[0].error.is_none()
    })
    .await;
}

#[tokio::test]
async fn a_policy_opens_and_closes_listeners_and_live_connections_stay() {
    let near = Peer::named("near").await;
    let (engine, first) = engine(Policy::direct("test")).await;
    let mut live = Client::connect(first).await;
    // 127.0.0.77 is nobody's until somebody listens there.
    let free = std::net::TcpListener::bind("127.0.0.77:0").expect("bind");
    let more = free.local_addr().expect("address");
    drop(free);
    let mut policy = Policy::direct("more");
    policy.listen = vec![more];
    engine.swap_policy(policy).await.expect("swap");
    let mut second = Client::connect(more).await;
    let url = format!("{}/", near.url());
    assert_eq!(second.ask(get(&url)).await.body, "near");
    engine
        .swap_policy(Policy::direct("less"))
        .await
        .expect("swap");
    assert_eq!(engine.status().listeners.len(), 1);
    assert_eq!(second.ask(get(&url)).await.body, "near");
    assert_eq!(live.ask(get(&url)).await.body, "near");
    let closed = async { while TcpStream::connect(more).await.is_ok() {} };
    tokio::time::timeout(crate::DEADLINE, closed)
        .await
        .expect("it is closed");
}

#[tokio::test]
async fn an_address_that_does_not_exist_yet_is_listened_on() {
    let mut policy = Policy::direct("test");
    policy.listen = vec!["192.0.2.77:0".parse().expect("address")];
    let (engine, _) = engine(policy).await;
    assert_eq!(engine.status().listeners[1].error, None);
}

#[tokio::test]
async fn a_direct_hit_on_the_transparent_listener_is_closed_without_a_dial() {
    let config = EngineConfig {
        transparent: vec!["127.0.0.1:0".parse().expect("address")],
        ..EngineConfig::default()
    };
    let engine = Engine::start(config).await.expect("engine");
    let listener = engine.status().listeners.remove(0);
    assert_eq!(listener.via, Via::Transparent);
    let mut client = Client::connect(listener.address).await;
    client
        .send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        .await;
    let (bytes, _) = client.rest().await;
    assert!(bytes.is_empty());
    let counts = engine.status().connections;
    assert_eq!((counts.refused, counts.accepted), (1, 0));
}
