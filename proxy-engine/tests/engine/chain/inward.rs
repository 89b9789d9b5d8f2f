//! Nobody of another world comes inward: not by a name, not by an address of his world.

use std::net::SocketAddr;

use proxy_engine::config::{DefaultRoute, Policy};
use proxy_engine::control::RouteTaken;

use super::{connect, deciding, passed_on};
use crate::client::get;
use crate::peer::Peer;
use crate::{through, until};

/// Clients as another world may call them: a pod, and some that would be trusted if they were of
/// this one.
const CLIENTS: [&str; 3] = ["10.244.0.2:41000", "127.0.0.1:41000", "[::1]:41000"];

/// A ClientHello for the name.
fn hello(name: &str) -> Vec<u8> {
    let short = |n: usize| u16::try_from(n).expect("short").to_be_bytes();
    let name = [&[0], &short(name.len())[..], name.as_bytes()].concat();
    let list = [&short(name.len())[..], &name].concat();
    let extension = [&[0, 0], &short(list.len())[..], &list].concat();
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 0x01, 1, 0]].concat();
    body.extend([&short(extension.len())[..], &extension].concat());
    let message = [&[1, 0], &short(body.len())[..], &body].concat();
    [&[22, 3, 1], &short(message.len())[..], &message].concat()
}

fn bypassing(mut policy: Policy, bypass: &str) -> Policy {
    policy.bypass = bypass.parse().expect("bypass");
    policy
}

#[tokio::test]
async fn a_spoofed_name_goes_to_the_upstream_and_never_inward() {
    let (upstream, near) = (Peer::named("upstream").await, Peer::named("near").await);
    let policy = bypassing(
        through(&[upstream.url()]),
        "localhost,127.0.0.0/8,::1,printer,.inside.test",
    );
    let (engine, chained) = deciding(policy).await;
    // The port is that of something that does listen here.
    let original = SocketAddr::new("203.0.113.9".parse().expect("ip"), near.address.port());
    for client in CLIENTS {
        for name in ["localhost", "x.localhost", "printer", "a.inside.test"] {
            let mut plain = passed_on(chained, client, Some(original))
                .await
                .expect("taken");
            let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n");
            assert_eq!(plain.ask(request).await.body, "upstream");
            let mut tls = passed_on(chained, client, Some(original))
                .await
                .expect("taken");
            tls.send(hello(name)).await;
            let line = format!("CONNECT {name}:{} HTTP/1.1", original.port());
            until(&line, || upstream.lines().contains(&line)).await;
        }
        // An address in Host is nothing beside the one that was dialled.
        for host in ["127.0.0.1", "[::1]", "10.0.0.1"] {
            let mut plain = passed_on(chained, client, Some(original))
                .await
                .expect("taken");
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(plain.ask(request).await.body, "upstream");
            let line = format!("GET http://{original}/ HTTP/1.1");
            assert!(upstream.lines().contains(&line), "{:?}", upstream.lines());
        }
    }
    assert_eq!(near.connections(), 0);
    assert_eq!(engine.status().connections.failed, 0);
}

#[tokio::test]
async fn an_address_that_is_private_to_another_world_is_not_dialled_here() {
    let (upstream, near) = (Peer::named("upstream").await, Peer::named("near").await);
    for (default, bypass) in [
        (through(&[upstream.url()]), ""),
        (through(&[upstream.url()]), "*"),
        (Policy::direct("home"), ""),
        // Named, it is still this machine's, and no guest's.
        (through(&[upstream.url()]), "127.0.0.0/8,::1,localhost"),
    ] {
        let (engine, chained) = deciding(bypassing(default, bypass)).await;
        for client in CLIENTS {
            let original = Some(near.address);
            let mut silent = passed_on(chained, client, original).await.expect("taken");
            silent.send(hello("web.example.test")).await;
            assert!(silent.rest().await.0.is_empty(), "a clean close");
            let mut plain = passed_on(chained, client, original).await.expect("taken");
            let request = "GET / HTTP/1.1\r\nHost: web.example.test\r\nConnection: close\r\n\r\n";
            plain.send(request).await;
            let (answer, _) = plain.rest().await;
            // Where the address alone decides, HTTP is not waited for: a clean close.
            let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 502");
            assert!(refused, "{}", String::from_utf8_lossy(&answer));
        }
        let shown = engine.connections();
        let went = |c: &&proxy_engine::control::Connection| c.error.is_none();
        assert_eq!(shown.iter().find(went), None);
    }
    assert_eq!((near.connections(), upstream.connections()), (0, 0));
}

#[tokio::test]
async fn a_client_that_names_what_is_private_here_is_refused() {
    let (upstream, near) = (Peer::named("upstream").await, Peer::named("near").await);
    let port = near.address.port();
    for (default, bypass) in [
        (through(&[upstream.url()]), ""),
        (through(&[upstream.url()]), "localhost,127.0.0.1,::1"),
        (through(&[upstream.url()]), "*"),
        (Policy::direct("home"), ""),
    ] {
        let (_engine, chained) = deciding(bypassing(default, bypass)).await;
        for client in CLIENTS {
            for host in [
                "127.0.0.1",
                "localhost",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "printer",
            ] {
                for request in [
                    connect(&format!("{host}:{port}")),
                    get(&format!("http://{host}:{port}/")),
                ] {
                    let mut asking = passed_on(chained, client, None).await.expect("taken");
                    let status = asking.ask(&request).await.status();
                    assert!([403, 502].contains(&status), "{status}: {request}");
                }
            }
        }
    }
    assert_eq!((near.connections(), upstream.connections()), (0, 0));
}

#[tokio::test]
async fn a_refusal_says_that_the_address_is_of_another_world() {
    let (engine, chained) = deciding(Policy::direct("home")).await;
    let mut asking = passed_on(chained, CLIENTS[0], None).await.expect("taken");
    let answer = asking.ask(connect("10.244.0.9:443")).await;
    assert_eq!(answer.status(), 502);
    assert!(answer.body.contains("bypass list"), "{}", answer.body);
    let shown = engine.connections().remove(0);
    assert!(matches!(shown.route, Some(RouteTaken::Refused { .. })));
    assert!(matches!(engine.policy().default, DefaultRoute::Direct));
}
