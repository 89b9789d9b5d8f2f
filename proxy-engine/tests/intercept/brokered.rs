//! The broker, and an engine without privilege.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proxy_engine::control::InterceptionState;
use proxy_engine::intercept::broker::OnLoss;
use proxy_engine::intercept::{Families, InterceptError, Interceptor};
use tempfile::TempDir;
use testbed::net::{ORIGIN, ORIGIN_V6};
use testbed::{Child, wait_for};

use crate::processes::{self, Role};
use crate::road::{Road, SOON, block, dial, echo, greeting, interception, pods, serve_captured};

/// `nobody` on every system there is.
pub(crate) const NOBODY: u32 = 65534;

/// A road, and a broker in the node.
pub(crate) struct Brokered {
    pub(crate) road: Road,
    pub(crate) broker: Child,
    pub(crate) socket: PathBuf,
    _dir: TempDir,
}

impl Brokered {
    /// A broker for the engine of user `uid`.
    pub(crate) fn new(uid: u32, on_loss: OnLoss) -> Self {
        let road = Road::new();
        let dir = tempfile::tempdir().expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("a folder for everybody");
        let socket = dir.path().join("broker.sock");
        let broker = processes::start(&road, Role::Broker(&socket, uid, on_loss));
        Self {
            road,
            broker,
            socket,
            _dir: dir,
        }
    }

    /// Whether the pod is captured.
    pub(crate) fn captured(&self) -> bool {
        greeting(&self.road.corp.pod, (ORIGIN, 80)) == format!("captured {ORIGIN}:80")
    }
}

#[test]
fn an_engine_without_privilege_captures_through_the_broker() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let pod = &brokered.road.corp.pod;
    // Nothing else keeps the kernel translating what was captured.
    let node = &brokered.road.corp.node;
    node.sh("nft flush ruleset").expect("nft");
    block(async {
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        let mut port = 0;
        for any in ["0.0.0.0", "[::]"] {
            let address = format!("{any}:{port}").parse().expect("an address");
            // Opened in the node by the broker: this process stands in another namespace.
            let listener = interceptor
                .open_listener(address, Families::Own)
                .await
                .expect("a descriptor");
            port = listener.local_addr().expect("bound").port();
            serve_captured(listener);
        }
        interceptor.apply(&pods(), port).await.expect("rules");
        let on = InterceptionState::On {
            interception: pods(),
        };
        assert_eq!(interceptor.state(), on);
        assert!(brokered.captured());
        let v6 = format!("captured [{ORIGIN_V6}]:443");
        assert_eq!(greeting(pod, (ORIGIN_V6, 443)), v6);
        let privileged = "0.0.0.0:80".parse().expect("an address");
        let refused = interceptor
            .open_listener(privileged, Families::Own)
            .await
            .expect_err("port 80");
        assert_eq!(refused.problem().code, "invalid_request");
        let taken = format!("0.0.0.0:{port}").parse().expect("an address");
        let refused = interceptor
            .open_listener(taken, Families::Own)
            .await
            .expect_err("in use");
        assert_eq!(refused.problem().code, "port_in_use");
        let freebind = "10.99.0.1:3182".parse().expect("an address");
        interceptor
            .open_listener(freebind, Families::Own)
            .await
            .expect("an address to come");

        let (stream, _) = dial(pod, (ORIGIN, 80)).expect("captured");
        interceptor.withdraw().await.expect("withdrawn");
        assert_eq!(interceptor.state(), InterceptionState::Off);
        assert_eq!(greeting(pod, (ORIGIN, 80)), "origin");
        echo(&stream, "withdrawn").expect("a captured connection lives on");
    });
}

#[test]
fn a_killed_engine_is_withdrawn_within_the_grace_and_one_that_is_back_finds_no_gap() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let table = || brokered.road.tables();
    let engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert!(brokered.captured());
    let first = table();

    engine.kill();
    let engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert!(brokered.captured());
    assert_eq!(table(), first, "the same table all along");
    // Longer than the grace of the first engine: it must have been forgotten.
    let since = Instant::now();
    wait_for("the grace to pass", 2 * SOON, || {
        assert!(!table().is_empty(), "withdrawn although the engine is back");
        (since.elapsed() > Duration::from_millis(2500)).then_some(())
    })
    .expect("time passes");
    assert!(brokered.captured());

    let lost = Instant::now();
    engine.kill();
    assert!(!table().is_empty(), "a moment for the engine to come back");
    wait_for("the release", SOON, || table().is_empty().then_some(())).expect("released");
    let took = lost.elapsed();
    assert!(
        took < Duration::from_millis(2500),
        "released after {took:?}"
    );
    assert_eq!(greeting(&brokered.road.corp.pod, (ORIGIN, 80)), "origin");
}

#[test]
fn with_hold_what_was_captured_is_refused_until_the_engine_is_back() {
    let brokered = Brokered::new(0, OnLoss::Hold);
    let engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    engine.kill();
    let since = Instant::now();
    wait_for("the grace to pass", 2 * SOON, || {
        (since.elapsed() > Duration::from_millis(2500)).then_some(())
    })
    .expect("time passes");
    assert_eq!(
        greeting(&brokered.road.corp.pod, (ORIGIN, 80)),
        "ConnectionRefused"
    );
    let _engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert!(brokered.captured());
}

#[test]
fn a_killed_broker_leaves_no_rule_and_the_engine_learns_of_it() {
    let brokered = Brokered::new(0, OnLoss::Hold);
    block(async {
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        let any = "0.0.0.0:0".parse().expect("an address");
        let listener = interceptor
            .open_listener(any, Families::Own)
            .await
            .expect("a descriptor");
        let port = listener.local_addr().expect("bound").port();
        interceptor.apply(&pods(), port).await.expect("rules");
        brokered.broker.kill();
        tokio::time::timeout(SOON, interceptor.closed())
            .await
            .expect("told");
        assert!(brokered.road.tables().is_empty());
        assert!(matches!(
            interceptor.state(),
            InterceptionState::Failed { .. }
        ));
        let refused = interceptor
            .apply(&pods(), port)
            .await
            .expect_err("no broker");
        assert!(matches!(refused, InterceptError::BrokerGone), "{refused}");
        let absent = Interceptor::through_broker(&brokered.socket)
            .await
            .expect_err("dead");
        assert_eq!(absent.problem().code, "broker_unreachable");
        // Its socket still lies there; the next broker takes the place.
        let again = Role::Broker(&brokered.socket, 0, OnLoss::Release);
        let _broker = processes::start(&brokered.road, again);
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        interceptor.apply(&pods(), port).await.expect("rules");
    });
}

#[test]
fn a_broker_that_is_told_to_end_withdraws_and_leaves_nothing() {
    let brokered = Brokered::new(0, OnLoss::Hold);
    let _engine = processes::start(&brokered.road, Role::Engine(&brokered.socket));
    assert_eq!(brokered.road.holders(), 1);
    let status = brokered.broker.terminate(SOON).expect("its end");
    assert!(status.success(), "{status}");
    assert!(brokered.road.tables().is_empty());
    assert!(!brokered.socket.exists(), "its socket is gone");
}

#[test]
fn the_engine_hears_of_what_changes_by_itself() {
    let brokered = Brokered::new(0, OnLoss::Release);
    let node = &brokered.road.corp.node;
    block(async {
        let interceptor = Interceptor::through_broker(&brokered.socket)
            .await
            .expect("a broker");
        let wanted = interception("br-pods", "all");
        interceptor.apply(&wanted, 3183).await.expect("rules");
        node.sh("for i in eth0 road br-pods; do ip addr flush dev $i; done")
            .expect("no address");
        wait_for("word of it", SOON, || {
            matches!(interceptor.state(), InterceptionState::Failed { .. }).then_some(())
        })
        .expect("told that nothing is captured");
    });
}
