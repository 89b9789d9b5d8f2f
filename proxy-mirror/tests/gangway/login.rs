//! A password goes to the keychain and to the upstream that it is for, and nowhere else.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use serde_json::json;

use crate::agent::{relay, until_answered_by};
use crate::house::{Agent, House};
use crate::origin::{Recorder, get_through};

pub(crate) fn log_in(
    house: &House,
    arguments: &[&str],
    password: &str,
    environment: &[(&str, &Path)],
) -> (i32, String) {
    let mut all = vec!["login"];
    all.extend(arguments);
    let mut child = house
        .command(&all)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(password.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// The password as it would be found: itself, and as Basic credentials carry it.
fn disguises(user: &str, password: &str) -> Vec<Vec<u8>> {
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    vec![password.as_bytes().to_vec(), basic.into_bytes()]
}

fn holds(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_canary_password_is_nowhere_but_in_the_keychain_and_at_its_upstream() {
    let canary = format!("canary-{}-{}", std::process::id(), house_number());
    let disguises = disguises("ann", &canary);
    // A proxy that never asks is sent nothing.
    let company = testbed::Recorder::on_loopback().unwrap();
    let asked = String::from_utf8_lossy(&disguises[1]).into_owned();
    company.behave(testbed::Behaviour::Login(format!("Basic {asked}")));
    let mut house = House::with_keychain();
    house.set("http_proxy", format!("http://{}", company.address()));
    house.set("RUST_LOG", "trace");
    let log = tempfile::tempdir().unwrap();
    let log_file = log.path().join("agent.log");
    let mut command = house.command(&["run", "--json"]);
    command.stderr(fs::File::create(&log_file).unwrap());
    let mut agent = Agent::start(command);

    let (code, said) = log_in(&house, &["--user", "ann"], &format!("{canary}\n"), &[]);
    assert_eq!(code, 0, "{said}");
    let status = agent.until("the password is lent", |status| {
        status["engine"]["upstreams"][0]["credentials"] == "lent"
    });
    let (answered, body) = get_through(relay(&house), "http://example.test/").unwrap();
    assert_ne!(answered, 407, "{body}");
    let last = company.heads().pop().unwrap();
    assert!(
        holds(last.as_bytes(), &disguises[1]),
        "the upstream is sent the credentials: {last}"
    );

    for needle in &disguises {
        assert!(!holds(said.as_bytes(), needle), "the command printed it");
        assert!(
            !holds(status.to_string().as_bytes(), needle),
            "the status shows it"
        );
        assert!(
            !holds(&fs::read(&log_file).unwrap(), needle),
            "it is in the log"
        );
        for name in ["cmdline", "environ"] {
            let text = fs::read(format!("/proc/{}/{name}", agent.pid())).unwrap();
            assert!(!holds(&text, needle), "it is in the agent's {name}");
        }
        for (path, content) in house.files() {
            // The keychain's own files are encrypted with the user's password; here that is empty.
            let keychain = path.components().any(|part| part.as_os_str() == "keyrings");
            assert!(
                keychain || !holds(&content, needle),
                "it is in {}",
                path.display()
            );
        }
    }
    assert_eq!(house.run(&["logout"]).code, 0);
    agent.until("the password is taken back", |status| {
        status["engine"]["upstreams"][0]["credentials"] != "lent"
    });
}

#[test]
fn a_password_that_is_forgotten_is_taken_back_from_the_engine_too() {
    let company = Recorder::start("the company");
    let house = House::with_keychain();
    let upstream = company.url().replace("http://", "http://ann@");
    house.write_settings(&format!("mode = \"manual\"\nupstream = \"{upstream}\""));
    let mut agent = house.agent();
    let (code, said) = log_in(&house, &[], "hunter2\n", &[]);
    assert_eq!(code, 0, "{said}");
    agent.until("the password is lent", |status| {
        status["engine"]["upstreams"][0]["credentials"] == "lent"
    });
    until_answered_by(relay(&house), "the company");
    assert_eq!(house.run(&["logout"]).code, 0);
    agent.until("the engine has none", |status| {
        status["engine"]["upstreams"][0]["credentials"] == "missing"
    });
    let before = company.seen().len();
    let (status, body) = get_through(relay(&house), "http://example.test/").unwrap();
    assert_eq!(status, 407, "{body}");
    assert_eq!(company.seen().len(), before, "nobody is asked in vain");
}

#[test]
fn a_refused_password_is_sent_once_and_shown_until_the_user_logs_in_again() {
    let company = testbed::Recorder::on_loopback().unwrap();
    let basic = |password: &str| {
        base64::engine::general_purpose::STANDARD.encode(format!("ann:{password}"))
    };
    // Any character: those that a URL, a shell or a header would take for its own, too.
    let right = "p@ss:#%40/ \\\"ü€";
    company.behave(testbed::Behaviour::Login(format!("Basic {}", basic(right))));
    let house = House::with_keychain();
    let upstream = format!("http://ann@{}", company.address());
    house.write_settings(&format!("mode = \"manual\"\nupstream = \"{upstream}\""));
    let mut agent = house.listening_agent();
    let (code, said) = log_in(&house, &[], "wrong\n", &[]);
    assert_eq!(code, 0, "{said}");
    agent.until("the password is lent", |status| {
        status["engine"]["upstreams"][0]["credentials"] == "lent"
    });
    for _ in 0..5 {
        let (status, body) = get_through(relay(&house), "http://example.test/").unwrap();
        assert_eq!(status, 407, "{body}");
    }
    agent.until("the refusal is shown", |status| {
        status["engine"]["upstreams"][0]["problem"]["code"] == "credentials_refused"
    });
    let sent = |password: &str| {
        let heads = company.heads();
        heads
            .iter()
            .filter(|head| head.contains(&basic(password)))
            .count()
    };
    assert_eq!(sent("wrong"), 1, "{:?}", company.heads());
    let (code, said) = log_in(&house, &[], &format!("{right}\n"), &[]);
    assert_eq!(code, 0, "{said}");
    agent.until("nobody asks any more", |status| {
        status["engine"]["upstreams"][0]["problem"].is_null()
    });
    let (status, body) = get_through(relay(&house), "http://example.test/").unwrap();
    assert_ne!(status, 407, "{body}");
    assert_eq!(sent("wrong"), 1);
    assert!(sent(right) >= 1);
}

#[test]
fn without_a_keychain_login_says_so_and_writes_nothing() {
    let house = House::new();
    let before = house.files();
    let (code, said) = log_in(&house, &["http://ann@proxy.test:3128"], "hunter2\n", &[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("keychain"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert!(house.files().iter().all(|file| before.contains(file)));
}

#[test]
fn login_without_a_password_is_wrong_usage() {
    let house = House::new();
    let (code, said) = log_in(&house, &["http://ann@proxy.test:3128"], "", &[]);
    assert_eq!(code, 2, "{said}");
}

#[test]
fn a_password_that_is_missing_is_said_with_what_to_do() {
    let house = House::with_keychain();
    house.write_settings("mode = \"manual\"\nupstream = \"http://ann@proxy.test:3128\"");
    let mut agent = house.agent();
    let status = agent.until("the missing password", |status| {
        status["engine"]["upstreams"][0]["credentials"] == "missing"
    });
    let codes: Vec<_> = status["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| &n["code"])
        .collect();
    assert!(codes.contains(&&json!("password_missing")), "{status:#}");
    house.json(&["status"], 4, "status");
}

fn house_number() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos()
}
