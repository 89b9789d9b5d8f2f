//! A script decides, from its server or its file to the relay.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::json;
use testbed::Nginx;

use crate::agent::{relay, until_answered_by};
use crate::house::House;
use crate::origin::{Recorder, get_through};

fn script(proxy: &Recorder) -> String {
    format!(
        "function FindProxyForURL(url, host) {{ return 'PROXY {}'; }}",
        proxy.address
    )
}

#[test]
fn a_script_on_a_server_decides_for_the_relay_and_explains_itself() {
    let (proxy, nginx) = (Recorder::start("by script"), Nginx::start("").unwrap());
    nginx.put("proxy.pac", script(&proxy).as_bytes()).unwrap();
    let house = House::new();
    house.write_settings(&format!(
        "mode = \"pac\"\npac = \"{}\"",
        nginx.url("proxy.pac")
    ));
    let _agent = house.listening_agent();
    until_answered_by(relay(&house), "by script");
    let status = house.json(&["status"], 0, "status");
    assert_eq!(status["policy"]["kind"], json!("pac"));
    let explained = house.json(&["explain", "http://a.test/"], 0, "explain");
    assert_eq!(explained["upstream"], json!(proxy.url()));
    assert!(
        explained["reason"]["english"]
            .as_str()
            .unwrap()
            .contains("PROXY")
    );
}

#[test]
fn a_script_in_a_file_is_followed_as_it_changes() {
    let (one, other) = (Recorder::start("one"), Recorder::start("other"));
    let house = House::new();
    let file = house.docker_folder().join("proxy.pac");
    std::fs::write(&file, script(&one)).unwrap();
    house.write_settings(&format!(
        "mode = \"pac\"\npac = \"file://{}\"",
        file.display()
    ));
    let _agent = house.listening_agent();
    until_answered_by(relay(&house), "one");
    std::fs::write(&file, script(&other)).unwrap();
    until_answered_by(relay(&house), "other");
}

#[test]
fn without_its_script_the_relay_refuses_until_the_user_chooses_direct() {
    let nginx = Nginx::start("").unwrap();
    let house = House::new();
    let mut agent = house.listening_agent();
    let set = house.json(&["set", "pac", &nginx.url("none.pac")], 0, "settings");
    assert_eq!(set["pac_unavailable"], json!("block"));
    let (status, body) = get_through(relay(&house), "http://a.invalid/").unwrap();
    assert_eq!(status, 502);
    assert!(body.contains("404"), "{body}");
    agent.until("it says so", |status| {
        status["notices"][0]["code"] == json!("pac_not_had")
    });
    house.json(&["set", "pac-unavailable", "direct"], 0, "settings");
    // Not what was asked for, and said by the exit code, too.
    let status = house.json(&["status"], 4, "status");
    assert_eq!(status["policy"]["kind"], json!("direct"));
    assert_eq!(status["notices"][0]["code"], json!("pac_not_had_direct"));
}

#[test]
fn a_script_that_is_pasted_is_kept_beside_the_settings() {
    let proxy = Recorder::start("pasted");
    let house = House::new();
    let _agent = house.listening_agent();
    let paste = |text: &str| {
        let mut child = house
            .command(&["set", "pac", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    };
    let refused = paste("<html>Log in</html>");
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("FindProxyForURL"), "{said}");
    assert!(paste(&script(&proxy)).status.success());
    until_answered_by(relay(&house), "pasted");
    let settings = std::fs::read_to_string(house.settings_file()).unwrap();
    let mut words = settings.split('"');
    let kept = words.find_map(|address| address.strip_prefix("file://"));
    let kept = kept.unwrap_or_else(|| panic!("{settings}"));
    assert_eq!(std::fs::read_to_string(kept).unwrap(), script(&proxy));
}
