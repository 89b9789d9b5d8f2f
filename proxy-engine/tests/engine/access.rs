//! Who may come in, and to where.

use proxy_engine::config::{Access, CredentialUsers, EngineConfig, Ports};
use proxy_engine::engine::Engine;

use crate::client::{Client, get};
use crate::peer::{Peer, ok};
use crate::{engine_with, through, until};

fn with(access: Access) -> EngineConfig {
    EngineConfig {
        access,
        ..EngineConfig::default()
    }
}

#[tokio::test]
async fn connect_is_for_the_ports_that_are_allowed_and_says_which() {
    let proxy = Peer::start(|_| b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).await;
    let access = Access {
        connect_ports: Ports::List(vec![443, 8443]),
        ..Access::default()
    };
    let (engine, relay) = engine_with(with(access), through(&[proxy.url()])).await;
    let connect = |to: &str| format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n");
    for (to, status) in [
        ("a.test:443", 200),
        ("a.test:8443", 200),
        ("a.test:22", 403),
    ] {
        let answer = Client::connect(relay).await.ask(connect(to)).await;
        assert_eq!(answer.status(), status, "{to}");
        if status == 403 {
            assert!(
                answer.body.contains("a.test:22 is refused"),
                "{}",
                answer.body
            );
            assert!(answer.body.contains("443,8443"), "{}", answer.body);
        }
    }
    assert_eq!(
        proxy.lines(),
        [
            "CONNECT a.test:443 HTTP/1.1",
            "CONNECT a.test:8443 HTTP/1.1"
        ]
    );
    let refused = engine.connections().into_iter().filter_map(|c| c.error);
    assert_eq!(
        refused.map(|e| e.code).collect::<Vec<_>>(),
        ["port_refused"]
    );
}

#[tokio::test]
async fn no_listener_on_every_address_has_credentials_behind_it_unless_it_is_allowed() {
    let proxy = Peer::start(|_| ok("through")).await;
    let url = format!("http://alice@{}", proxy.address);
    let config = EngineConfig {
        listen: vec![
            "0.0.0.0:0".parse().expect("address"),
            "127.0.0.1:0".parse().expect("address"),
        ],
        ..EngineConfig::default()
    };
    let allowed = EngineConfig {
        access: Access {
            wildcard: true,
            ..Access::default()
        },
        ..config.clone()
    };
    let open = |engine: &Engine| {
        let states = engine.status().listeners.into_iter();
        states.map(|l| l.error.is_none()).collect::<Vec<_>>()
    };
    let engine = Engine::start(config).await.expect("engine");
    assert_eq!(open(&engine), [true, true], "nothing is behind it");
    let wide = engine.status().listeners[0].address.port();
    let wide = std::net::SocketAddr::from(([127, 0, 0, 1], wide));
    Client::connect(wide).await;
    // A policy that brings credentials closes it, and says so.
    let policy = through(&[url]);
    engine.swap_policy(policy.clone()).await.expect("swap");
    assert_eq!(open(&engine), [false, true]);
    let error = engine.status().listeners[0].error.clone().expect("error");
    assert!(error.contains("--wildcard"), "{error}");
    until("it is closed", || {
        std::net::TcpStream::connect(wide).is_err()
    })
    .await;
    // One without opens it again.
    engine
        .swap_policy(through(&[proxy.url()]))
        .await
        .expect("swap");
    assert_eq!(open(&engine), [true, true]);
    let engine = Engine::start(allowed).await.expect("engine");
    engine.swap_policy(policy).await.expect("swap");
    assert_eq!(open(&engine), [true, true], "somebody said so");
}

#[tokio::test]
async fn users_that_are_named_use_what_another_one_lent() {
    const OWNER: u32 = 51_001;
    const NAMED: u32 = 51_002;
    const STRANGER: u32 = 51_003;
    let proxy = Peer::start(|head| {
        if head.contains("Proxy-Authorization: Basic") {
            ok("in")
        } else {
            b"HTTP/1.1 407 A\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
                .to_vec()
        }
    })
    .await;
    let policy = through(&[format!("http://alice@{}", proxy.address)]);
    let access = Access {
        credential_users: CredentialUsers::Listed(vec![NAMED]),
        ..Access::default()
    };
    let (engine, relay) = engine_with(with(access), policy).await;
    let attached = engine.attach("alice", OWNER).expect("attached");
    engine
        .lend(&proxy_engine::control::LentCredentials {
            lease: attached.lease().to_owned(),
            authority: proxy.address.to_string(),
            user: "alice".into(),
            password: "secret".into(),
            anew: false,
        })
        .expect("lent");
    for (user, status) in [(OWNER, 200), (NAMED, 200), (STRANGER, 407)] {
        let answer = Client::of_user(user, relay)
            .ask(get("http://a.test/"))
            .await;
        assert_eq!(answer.status(), status, "{user}");
    }
}
