//! One agent a user, following what is set, within a second.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::house::{House, SOON};
use crate::origin::{Recorder, get_through};

pub(crate) fn relay(house: &House) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], house.relay_port))
}

/// Asks until the answer is `wanted`; how long it took.
pub(crate) fn until_answered_by(relay: SocketAddr, wanted: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = get_through(relay, "http://example.test/");
        if answer.as_ref().is_ok_and(|(_, body)| body.contains(wanted)) {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < SOON,
            "never answered by {wanted}: {answer:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_second_agent_says_where_the_first_runs_and_ends_with_3() {
    let house = House::new();
    let first = house.agent();
    let second = house.run(&["run"]);
    assert_eq!(second.code, 3, "{}{}", second.out, second.err);
    assert!(
        second.err.contains(&first.pid().to_string()),
        "{}",
        second.err
    );
    assert!(
        second.err.contains(house.socket().to_str().unwrap()),
        "{}",
        second.err
    );
}

#[test]
fn an_agent_takes_the_place_of_one_that_was_killed() {
    let house = House::new();
    let mut killed = house.agent();
    killed.signal(Signal::KILL);
    killed.ended();
    assert!(house.socket().exists(), "a killed agent leaves its socket");
    let status = house.json(&["status"], 0, "status");
    assert_eq!(status["agent_pid"], json!(null));
    let next = house.agent();
    let status = house.json(&["status"], 0, "status");
    assert_eq!(status["agent_pid"], json!(next.pid()));
}

#[test]
fn an_agent_that_is_asked_to_end_leaves_no_socket_and_ends_well() {
    for signal in [Signal::TERM, Signal::INT] {
        let house = House::new();
        let mut agent = house.agent();
        agent.signal(signal);
        assert!(agent.ended().success());
        assert!(!house.socket().exists());
    }
}

#[test]
fn the_socket_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let _agent = house.agent();
    let mode = std::fs::metadata(house.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_proxy_of_the_environment_is_where_the_relay_forwards_to() {
    let company = Recorder::start("the company");
    let mut house = House::new();
    house.set("http_proxy", company.url());
    let _agent = house.listening_agent();
    until_answered_by(relay(&house), "the company");
    let head = company.seen().remove(0);
    assert!(
        head.starts_with("GET http://example.test/ HTTP/1.1\r\n"),
        "{head}"
    );
    let status = house.json(&["status"], 0, "status");
    assert_eq!(status["policy"]["upstreams"], json!([company.url()]));
    assert_eq!(status["engine"]["runs"], "embedded");
}

#[test]
fn the_relay_itself_in_the_environment_is_no_loop() {
    let mut house = House::new();
    let relay = relay(&house);
    house.set("http_proxy", format!("http://{relay}"));
    let status = house.json(&["status"], 0, "status");
    assert_eq!(status["policy"]["kind"], "direct");
}

#[test]
fn each_change_of_settings_reaches_new_connections_within_a_second() {
    let (one, other) = (Recorder::start("proxy one"), Recorder::start("proxy other"));
    let house = House::new();
    house.write_settings(&format!("mode = \"manual\"\nupstream = \"{}\"", one.url()));
    let _agent = house.agent();
    until_answered_by(relay(&house), "proxy one");
    let mut worst = Duration::ZERO;
    for _ in 0..3 {
        for (recorder, name) in [(&other, "proxy other"), (&one, "proxy one")] {
            // From the moment the person presses Return, the command's own time included.
            let start = Instant::now();
            let view = house.json(&["set", "upstream", &recorder.url()], 0, "settings");
            assert_eq!(view["upstream"], recorder.url());
            until_answered_by(relay(&house), name);
            worst = worst.max(start.elapsed());
        }
    }
    println!("worst: {worst:?}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
}

#[test]
fn off_is_direct_at_once_and_on_goes_back() {
    let company = Recorder::start("the company");
    let house = House::new();
    house.write_settings(&format!(
        "mode = \"manual\"\nupstream = \"{}\"",
        company.url()
    ));
    let _agent = house.agent();
    until_answered_by(relay(&house), "the company");
    assert_eq!(house.json(&["off"], 0, "settings")["mode"], "off");
    let before = company.seen().len();
    // There is no such host: direct fails, which is the proof that nobody else was asked. Refused
    // would not be direct.
    let (status, body) = get_through(relay(&house), "http://nowhere.invalid/").unwrap();
    assert_eq!(status, 502, "{body}");
    assert!(body.contains("does not resolve"), "{body}");
    assert_eq!(company.seen().len(), before);
    assert_eq!(house.json(&["on"], 0, "settings")["mode"], "manual");
    until_answered_by(relay(&house), "the company");
}

#[test]
fn an_edited_settings_file_is_followed() {
    let (one, other) = (Recorder::start("proxy one"), Recorder::start("proxy other"));
    let manual =
        |company: &Recorder| format!("mode = \"manual\"\nupstream = \"{}\"", company.url());
    let house = House::new();
    house.write_settings("mode = \"off\"");
    let mut agent = house.agent();
    // An agent that has just started looks at everything again and again in any case: only later
    // edits show that it is told.
    let companies = [(&one, "proxy one"), (&other, "proxy other")];
    for (company, name) in companies.into_iter().cycle().take(6) {
        house.write_settings(&manual(company));
        let edited = Instant::now();
        agent.until("the upstream is followed", |status| {
            status["policy"]["upstreams"] == json!([company.url()])
        });
        // A file that nothing tells of is looked at every 15 s.
        let took = edited.elapsed();
        assert!(took < Duration::from_secs(10), "{took:?}: not watched");
        until_answered_by(relay(&house), name);
    }
}

#[test]
fn a_settings_file_that_becomes_malformed_changes_nothing_and_is_named() {
    let company = Recorder::start("the company");
    for mode in ["manual", "system"] {
        let mut house = House::new();
        house.set("http_proxy", company.url());
        house.write_settings(&format!(
            "mode = \"{mode}\"\nupstream = \"{}\"",
            company.url()
        ));
        let mut agent = house.agent();
        until_answered_by(relay(&house), "the company");
        std::fs::write(
            house.settings_file(),
            format!("mode = \"{mode}\"\nupstraem = 1\n"),
        )
        .unwrap();
        let status = agent.until("the file is named", |status| {
            status["notices"].as_array().is_some_and(|notices| {
                notices.iter().any(|notice| {
                    let message = notice["message"].as_str().unwrap_or_default();
                    message.contains("settings.toml") && message.contains("upstraem")
                })
            })
        });
        let notices = status["notices"].as_array().unwrap();
        let named = notices
            .iter()
            .filter(|notice| notice.to_string().contains("settings.toml"));
        assert_eq!(named.count(), 1, "one file, one notice: {notices:#?}");
        assert_eq!(status["mode"], mode);
        assert_eq!(status["policy"]["upstreams"], json!([company.url()]));
        until_answered_by(relay(&house), "the company");
    }
}

#[test]
fn a_port_in_use_is_said_with_its_holder() {
    let house = House::new();
    let _holder = std::net::TcpListener::bind(relay(&house)).unwrap();
    let mut agent = house.agent();
    let status = agent.until("the port's holder is named", |status| {
        status["engine"]["listen_errors"] != json!([])
    });
    let error = status["engine"]["listen_errors"][0].as_str().unwrap();
    assert!(error.contains(&std::process::id().to_string()), "{error}");
    house.json(&["status"], 4, "status");
}

#[test]
fn an_upstream_that_is_down_is_said() {
    let down = crate::house::free_port();
    let house = House::new();
    house.write_settings(&format!(
        "mode = \"manual\"\nupstream = \"http://127.0.0.1:{down}\""
    ));
    let mut agent = house.listening_agent();
    let (status, body) = get_through(relay(&house), "http://example.test/").unwrap();
    assert_eq!(status, 502, "{body}");
    assert!(body.contains(&format!("127.0.0.1:{down}")), "{body}");
    agent.until("the upstream's problem", |status| {
        status["engine"]["upstreams"][0]["problem"]["code"] == "upstream_unreachable"
    });
    house.json(&["status"], 4, "status");
}

#[test]
fn an_upstream_that_asks_for_a_password_is_said() {
    let company = testbed::Recorder::on_loopback().unwrap();
    company.behave(testbed::Behaviour::Login("Basic YW5uOmh1bnRlcjI=".into()));
    let house = House::new();
    let upstream = format!("http://{}", company.address());
    house.write_settings(&format!("mode = \"manual\"\nupstream = \"{upstream}\""));
    let mut agent = house.listening_agent();
    let (status, body) = get_through(relay(&house), "http://example.test/").unwrap();
    assert_eq!(status, 407, "{body}");
    agent.until("the upstream's problem", |status| {
        status["engine"]["upstreams"][0]["problem"]["code"] == "credentials_wanted"
    });
    let said = house.run(&["status"]);
    assert_eq!(said.code, 4, "{}", said.out);
    let why = format!("the proxy {} asks for a user", company.address());
    assert!(said.out.contains(&why), "{}", said.out);
}
