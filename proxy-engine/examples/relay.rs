//! The engine inside of a program: a relay through a proxy that is shown the ticket of whoever runs it, on
//! Linux and on Windows.
//!
//!     cargo run --example relay -- 127.0.0.1:3182 http://proxy.example.com:8080
//!     curl -x 127.0.0.1:3182 https://example.org

use std::error::Error;

use proxy_engine::config::{Access, CredentialUsers, DefaultRoute, EngineConfig, Policy, Upstream};
use proxy_engine::engine::Engine;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream] = &words[..] else {
        return Err(
            "write the relay's address and the proxy: relay HOST:PORT http://HOST:PORT".into(),
        );
    };
    let upstream: Upstream = upstream.parse()?;
    let policy = Policy {
        tickets: vec![upstream.authority().parse()?],
        default: DefaultRoute::Upstreams {
            upstreams: vec![upstream],
        },
        ..Policy::direct("the command line")
    };
    let engine = Engine::start(EngineConfig {
        listen: vec![listen.parse()?],
        policy: Some(policy),
        access: Access {
            // Where a system does not tell whose a connection is, it is everybody's.
            credential_users: CredentialUsers::All,
            ..Access::default()
        },
        ..EngineConfig::default()
    })
    .await?;
    for listener in engine.status().listeners {
        println!("listening on {}", listener.address);
    }
    // Until it is killed.
    std::future::pending::<()>().await;
    Ok(())
}
