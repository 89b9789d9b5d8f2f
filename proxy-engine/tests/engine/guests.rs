//! Names that the agent tells for the addresses of containers.

use std::net::SocketAddr;
use std::path::PathBuf;

use proxy_engine::control::client::Client as Asking;
use proxy_engine::control::{Guests, Who};
use tokio::process::Command;

use crate::DEADLINE;

/// The one address beside loopback in a network namespace of its own: a guest's, and the engine's.
const GUEST: &str = "192.0.2.7";

/// An engine that is alone in its network namespace; it ends with the test.
struct Alone {
    engine: testbed::Child,
    relay: SocketAddr,
    asking: Asking,
    folder: tempfile::TempDir,
}

impl Alone {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let socket = folder.path().join("engine.sock");
        let network = format!("ip link set lo up && ip address add {GUEST}/32 dev lo");
        let mut command = std::process::Command::new("unshare");
        command
            .args(["--net", "sh", "-c", &format!("{network} && exec \"$@\"")])
            .args(["sh", env!("CARGO_BIN_EXE_proxy-engine"), "run"])
            .args(["--listen", &format!("{GUEST}:0"), "--control"])
            .arg(&socket)
            .env("RUST_LOG", "warn")
            .stdin(std::process::Stdio::null());
        let mut engine = testbed::Child::spawn(command).expect("unshare");
        let asking = Asking::new(&socket);
        let serves = async {
            loop {
                assert_eq!(engine.ended(), None, "it ended by itself");
                if let Ok(status) = asking.status().await
                    && let [listener] = &status.listeners[..]
                {
                    return listener.address;
                }
                tokio::task::yield_now().await;
            }
        };
        let relay = tokio::time::timeout(DEADLINE, serves).await;
        Self {
            relay: relay.expect("it serves"),
            engine,
            asking,
            folder,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("engine.sock")
    }

    /// Whose a connection is shown to be that comes from [`GUEST`] now, and ends.
    async fn newest(&self) -> Option<Who> {
        let mut curl = Command::new("nsenter");
        curl.arg(format!("--net=/proc/{}/ns/net", self.engine.pid()))
            .args(["curl", "-s", "-m", "10", "-x"])
            .args([&format!("http://{}", self.relay), "http://127.0.0.1:9/"]);
        let asked = curl.output().await.expect("nsenter and curl");
        assert!(asked.status.success(), "{asked:?}");
        let all = self.asking.connections().await.expect("list");
        let newest = all.into_iter().max_by_key(|seen| seen.id);
        let newest = newest.expect("a connection");
        assert_eq!(newest.client.ip().to_string(), GUEST);
        newest.who
    }

    async fn metrics(&self) -> String {
        let mut curl = Command::new("curl");
        curl.args(["-sf", "-m", "10", "http://engine/metrics", "--unix-socket"]);
        let told = curl.arg(self.socket()).output().await.expect("curl");
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).expect("text")
    }
}

fn guests(lease: &str, name: &str) -> Result<Guests, serde_json::Error> {
    let text = format!("{{\"lease\":\"{lease}\",\"names\":{{\"{GUEST}\":\"{name}\"}}}}");
    serde_json::from_str(&text)
}

#[tokio::test]
async fn names_of_guests_live_as_long_as_the_agent_that_told_them() {
    let alone = Alone::start().await;
    let attached = alone.asking.attach("ann").await.expect("attached");
    let told = guests(attached.lease(), "web").expect("good names");
    alone.asking.name_guests(&told).await.expect("told");
    let web = Some(Who::Guest { name: "web".into() });
    assert_eq!(alone.newest().await, web);
    // Names of guests are people's own, and would be labels without a bound.
    let metrics = alone.metrics().await;
    let counted = "gangway_connections_total{via=\"explicit\"}";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(!metrics.contains("web"), "{metrics}");
    // The agent goes, and says nothing more.
    drop(attached);
    let forgotten = async { while alone.newest().await == web {} };
    let forgotten = tokio::time::timeout(DEADLINE, forgotten).await;
    forgotten.expect("the names are forgotten with the lease");
}

#[tokio::test]
async fn names_that_are_told_under_no_lease_are_refused() {
    let alone = Alone::start().await;
    let attached = alone.asking.attach("ann").await.expect("attached");
    let stranger = guests("gone", "web").expect("good names");
    let refused = alone.asking.name_guests(&stranger).await;
    assert!(refused.expect_err("no lease").to_string().contains("lease"));
    assert_eq!(alone.newest().await, None);
    drop(attached);
}

#[test]
fn a_name_that_could_not_be_shown_is_refused_and_so_are_too_many() {
    for good in ["web", "a b", &"x".repeat(128)] {
        assert!(guests("x", good).is_ok(), "{good:?}");
    }
    for bad in ["", "a\\n", "\\u001b[2J", "\\u202egpj", &"x".repeat(129)] {
        assert!(guests("x", bad).is_err(), "{bad:?}");
    }
    let many = |count: u32| {
        let names = (0..count).map(|n| format!("\"10.0.{}.{}\":\"x\"", n / 256, n % 256));
        let names = names.collect::<Vec<_>>().join(",");
        serde_json::from_str::<Guests>(&format!("{{\"lease\":\"x\",\"names\":{{{names}}}}}"))
    };
    assert!(many(4096).is_ok());
    let refused = many(4097).expect_err("too many").to_string();
    assert!(refused.contains("4096"), "{refused}");
}
