//! An agent beside an engine that was there before it, and will be after it.

use std::path::PathBuf;

use proxy_engine::config::{Chain, ChainTo, EngineConfig};
use proxy_engine::control::server::Server;
use proxy_engine::engine::Engine;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::agent::{relay, until_answered_by};
use crate::house::{House, SOON};
use crate::origin::Recorder;

/// An engine with a control socket, as the service has it; gone at once when dropped, and with it
/// every connection of its.
struct Service {
    runtime: Option<Runtime>,
    engine: Engine,
}

impl Service {
    fn start(house: &House) -> Self {
        Self::chained(house, Chain::default())
    }

    fn chained(house: &House, chain: Chain) -> Self {
        // systemd makes it for the real one.
        std::fs::create_dir_all(state(house)).unwrap();
        let runtime = Runtime::new().unwrap();
        let engine = runtime.block_on(async {
            let config = EngineConfig {
                listen: vec![relay(house)],
                state: Some(state(house)),
                chain,
                ..EngineConfig::default()
            };
            let engine = Engine::start(config).await.unwrap();
            let server = Server::bind(&socket(house)).await.unwrap();
            tokio::spawn(server.serve(engine.clone()));
            engine
        });
        Self {
            runtime: Some(runtime),
            engine,
        }
    }

    /// Waits until the engine's status `holds`.
    fn until(&self, what: &str, holds: impl Fn(&proxy_engine::control::Status) -> bool) {
        let begun = std::time::Instant::now();
        while !holds(&self.engine.status()) {
            assert!(
                begun.elapsed() < SOON,
                "{what}: {:#?}",
                self.engine.status()
            );
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
        }
    }
}

fn socket(house: &House) -> PathBuf {
    house.docker_folder().with_file_name("engine.sock")
}

fn state(house: &House) -> PathBuf {
    house.docker_folder().with_file_name("engine-state")
}

fn house_with(upstream: &str) -> House {
    let mut house = House::new();
    let socket = socket(&house);
    house.set("GANGWAY_ENGINE_SOCKET", socket.to_str().unwrap());
    house.write_settings(&format!("mode = \"manual\"\nupstream = \"{upstream}\""));
    house
}

#[test]
fn an_agent_attaches_again_to_a_service_that_was_restarted() {
    let company = Recorder::start("the company");
    let house = house_with(&company.url());
    let service = Service::start(&house);
    let mut agent = house.agent();
    agent.until("attached", |status| status["engine"]["runs"] == "service");
    until_answered_by(relay(&house), "the company");
    drop(service);
    let service = Service::start(&house);
    service.until("attached again", |status| status.attached.is_some());
    until_answered_by(relay(&house), "the company");
    agent.until("all is well", |status| {
        status["engine"]["runs"] == "service" && status["notices"] == json!([])
    });
}

#[test]
fn the_policy_stays_when_the_agent_is_killed_and_what_was_lent_does_not() {
    let company = Recorder::start("the company");
    let url = company.url().replace("http://", "http://ann:s3cret@");
    let mut house = house_with(&company.url());
    house.write_settings("mode = \"system\"");
    house.set("http_proxy", url);
    let service = Service::start(&house);
    let agent = house.agent();
    service.until("the password is lent", |status| {
        status
            .upstreams
            .iter()
            .any(|upstream| upstream.credentials_lent)
    });
    drop(agent);
    service.until("the password is gone", |status| {
        status.upstreams.len() == 1 && !status.upstreams[0].credentials_lent
    });
    let file = state(&house).join("policy.json");
    service.until("the policy is kept", |_| file.exists());
    let kept = std::fs::read_to_string(file).unwrap();
    assert!(kept.contains("ann"), "{kept}");
    assert!(!kept.contains("s3cret"), "{kept}");
}

#[test]
fn an_agent_that_ends_in_order_leaves_the_service_its_policy() {
    let company = Recorder::start("the company");
    let house = house_with(&company.url());
    let service = Service::start(&house);
    let mut agent = house.agent();
    service.until("attached", |status| status.attached.is_some());
    until_answered_by(relay(&house), "the company");
    agent.signal(rustix::process::Signal::TERM);
    assert!(agent.ended().success());
    service.until("nobody is attached", |status| status.attached.is_none());
    until_answered_by(relay(&house), "the company");
}

#[test]
fn a_service_that_comes_takes_over_from_the_agents_own_engine() {
    let company = Recorder::start("the company");
    let house = house_with(&company.url());
    let mut agent = house.agent();
    agent.until("embedded", |status| status["engine"]["runs"] == "embedded");
    until_answered_by(relay(&house), "the company");
    let service = Service::start(&house);
    agent.until("taken over", |status| {
        status["engine"]["runs"] == "service"
            && status["engine"]["listening"] == json!([relay(&house).to_string()])
    });
    until_answered_by(relay(&house), "the company");
    drop(agent);
    until_answered_by(relay(&house), "the company");
    drop(service);
}

#[test]
fn a_command_without_an_agent_tells_the_service() {
    let company = Recorder::start("the company");
    let house = house_with("http://127.0.0.1:9");
    let service = Service::start(&house);
    house.json(&["set", "upstream", &company.url()], 0, "settings");
    until_answered_by(relay(&house), "the company");
    let status = house.json(&["status"], 0, "status");
    assert_eq!(status["engine"]["runs"], "service");
    let view = house.json(&["engine", "status"], 0, "engine");
    assert_eq!(view["service"], "running");
    drop(service);
    house.json(&["engine", "status"], 4, "engine");
}

#[test]
fn whoever_is_attached_is_named() {
    let house = house_with("http://127.0.0.1:9");
    let service = Service::start(&house);
    let other = service.engine.attach("somebody else", 0).unwrap();
    let mut agent = house.agent();
    let status = agent.until("the other is named", |status| {
        status["notices"].to_string().contains("somebody else")
    });
    assert_eq!(status["engine"]["runs"], "service");
    drop(other);
    agent.until("attached in the end", |status| {
        status["notices"] == json!([])
    });
}

#[test]
fn an_engine_that_another_one_decides_for_is_told_no_route_and_status_says_who_decides() {
    let company = Recorder::start("the company");
    let house = house_with(&company.url());
    let keys = house.docker_folder().with_file_name("chain.key");
    let line = "vm-1 BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";
    std::fs::write(&keys, line).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&keys, private).unwrap();
    // Nobody listens there any more.
    let decides = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().to_string()
    };
    let service = Service::chained(
        &house,
        Chain {
            to: Some(ChainTo {
                engine: decides.parse().unwrap(),
                key: keys.clone(),
            }),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            keys: Some(keys),
        },
    );
    let mut agent = house.agent();
    let status = agent.until("it is told", |status| {
        status["engine"]["runs"] == "service" && status["engine"]["decided_by"].is_object()
    });
    assert_eq!(status["engine"]["decided_by"]["engine"], decides.as_str());
    assert_eq!(status["engine"]["decided_by"]["name"], "vm-1");
    let listens = status["engine"]["serves_engines"][0].as_str().unwrap();
    // When this is done, the engine has heard of it.
    assert_eq!(house.run(&["set", "bypass", ".corp.test"]).code, 0);
    let shown = house.run(&["status"]).out;
    assert!(!shown.contains("decides nothing"), "refused: {shown}");
    assert!(
        shown.contains(&format!("The engine at {decides} decides for this one")),
        "{shown}"
    );
    assert!(shown.contains(&format!("at {listens}")), "{shown}");
    let routes = service.engine.policy();
    assert!(routes.upstreams().is_empty(), "{routes:?}");
    // That it does not decide now is said, too.
    let mut client = std::net::TcpStream::connect(relay(&house)).unwrap();
    let get = b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
    std::io::Write::write_all(&mut client, get).unwrap();
    agent.until("the problem", |status| {
        status["engine"]["decided_by"]["problem"]["code"] == "engine_unreachable"
    });
}

#[test]
fn an_agent_that_cannot_read_the_settings_leaves_the_engine_what_it_was_told() {
    let company = Recorder::start("company");
    let house = house_with(&company.url());
    let service = Service::start(&house);
    {
        let _agent = house.agent();
        until_answered_by(relay(&house), "company");
    }
    let told = service.engine.status();
    let told = serde_json::to_value(&told.policy).unwrap();
    let readable = std::fs::read_to_string(house.settings_file()).unwrap();
    std::fs::write(house.settings_file(), format!("{readable}\nmode = =\n")).unwrap();
    let mut agent = house.agent();
    let status = agent.until("the file is named", |status| {
        status["notices"].to_string().contains("settings.toml")
    });
    assert_eq!(status["policy"]["kind"], "refused", "{status}");
    for arguments in [&["plan"][..], &["apply", "--yes"]] {
        let said = house.run(arguments);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains("settings.toml"), "{said:?}");
    }
    until_answered_by(relay(&house), "company");
    let now = serde_json::to_value(service.engine.status().policy).unwrap();
    assert_eq!(now, told);
    // Mended, it is followed.
    std::fs::write(house.settings_file(), readable).unwrap();
    agent.until("the settings are followed", |status| {
        status["policy"]["kind"] == "upstreams"
    });
}
