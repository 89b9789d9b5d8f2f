//! The networks of a daemon: which clusters are theirs, and which are left alone.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use proxy_engine::config::Interception;
use proxy_engine::control::InterceptionState;
use proxy_mirror::target::{Context, Daemon, TargetState, clusters};

use super::Dockerd;
use crate::{context, view};

#[tokio::test]
async fn networks_are_found_as_they_come_and_internal_ones_are_left_alone() {
    let dockerd = Dockerd::start(&[]);
    let daemon = Daemon::Socket(dockerd.socket());
    let mut seen = Box::pin(clusters::watch(daemon.clone()));
    let next = |wanted: &'static str| {
        let deadline = Instant::now() + Duration::from_secs(2);
        (wanted, deadline)
    };
    assert!(seen.next().await.unwrap().is_empty());
    for (arguments, wanted) in [
        (&["kind"][..], "kind"),
        (&["--internal", "secret"][..], "secret"),
        (&["k3d-dev"][..], "k3d-dev"),
        // Named by their makers' users: the label tells.
        (&["--label", "app=k3d", "lab"][..], "lab"),
        (
            &["--label", "io.x-k8s.kind.cluster=two", "second"][..],
            "second",
        ),
        (
            &[
                "-o",
                "com.docker.network.bridge.name=shop0",
                "--subnet",
                "10.99.0.0/24",
                "shop",
            ][..],
            "shop",
        ),
    ] {
        dockerd.docker(&[&["network", "create"], arguments].concat());
        let (wanted, deadline) = next(wanted);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let networks = tokio::time::timeout(left, seen.next())
                .await
                .expect(wanted)
                .unwrap();
            if networks.iter().any(|network| network.name == wanted) {
                break;
            }
        }
    }
    let networks = clusters::networks(&daemon.api().await.unwrap())
        .await
        .unwrap();
    let named = |name: &str| {
        networks
            .iter()
            .find(|network| network.name == name)
            .unwrap()
    };
    assert_eq!(named("kind").kind, clusters::Kind::Kind);
    assert!(named("kind").on.interface.starts_with("br-"));
    assert_eq!(named("k3d-dev").kind, clusters::Kind::K3d("dev".into()));
    assert_eq!(named("lab").kind, clusters::Kind::K3d("lab".into()));
    assert_eq!(named("second").kind, clusters::Kind::Kind);
    assert_eq!(named("shop").kind, clusters::Kind::Plain);
    assert!(named("secret").on.internal);
    assert_eq!(named("shop").on.interface, "shop0");
    assert_eq!(named("shop").gateway, Some([10, 99, 0, 1].into()));

    let folder = tempfile::tempdir().unwrap();
    let mut context = context(folder.path(), daemon);
    context.networks = networks;
    let off = view(&context, "clusters").await;
    assert!(
        matches!(off.state, TargetState::NotInForce { .. }),
        "{off:?}"
    );
    assert!(
        !off.desired
            .as_ref()
            .unwrap()
            .contains(&named_interface(&context, "secret"))
    );
    let mut interception = Interception {
        interfaces: vec!["br-*".parse().unwrap()],
        ..Interception::default()
    };
    context.interception = InterceptionState::On {
        interception: interception.clone(),
    };
    let part = view(&context, "clusters").await;
    assert!(
        matches!(&part.state, TargetState::NotInForce { reason } if reason.english.contains("shop0"))
    );
    interception.interfaces.push("shop0".parse().unwrap());
    context.interception = InterceptionState::On { interception };
    assert!(matches!(
        view(&context, "clusters").await.state,
        TargetState::InForce { .. }
    ));
}

fn named_interface(context: &Context, name: &str) -> String {
    let found = context.networks.iter().find(|network| network.name == name);
    found.unwrap().on.interface.clone()
}
