//! Upstreams as people set them: several in order, over TLS with the company's certificate, by rules.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::api::ask;
use crate::house::{House, free_port};
use crate::origin::{Recorder, get_through, pipe, tls_proxy};

const URL: &str = "http://far.example.test/";

fn relay(house: &House) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], house.relay_port))
}

#[test]
fn of_several_upstreams_the_first_that_can_be_had_serves() {
    let house = House::new();
    let dead = format!("http://127.0.0.1:{}", free_port());
    let second = Recorder::start("the second");
    let third = Recorder::start("the third");
    let arguments = ["set", "upstream", &dead, &second.url(), &third.url()];
    let set = house.json(&arguments, 0, "settings");
    assert_eq!(set["fallbacks"], json!([second.url(), third.url()]));
    let mut agent = house.listening_agent();
    agent.until("all are known", |status| {
        status["policy"]["upstreams"].as_array().unwrap().len() == 3
    });
    for _ in 0..3 {
        let (status, body) = get_through(relay(&house), URL).unwrap();
        assert_eq!((status, body.as_str()), (200, "the second"));
    }
    let alone = house.json(&["set", "upstream", &third.url()], 0, "settings");
    assert_eq!(
        alone["fallbacks"],
        json!([]),
        "one that is set stands alone"
    );
    assert_eq!(get_through(relay(&house), URL).unwrap().1, "the third");
}

#[test]
fn a_proxy_over_tls_is_trusted_by_the_file_that_the_settings_name_and_by_no_other() {
    let house = House::new();
    let ca = testbed::Ca::new().unwrap();
    let proxy = tls_proxy(ca.issue(&["127.0.0.1"]).unwrap().server().unwrap());
    let file = house.home().join("corp.pem");
    let ca_file = file.display().to_string();
    std::fs::write(&file, ca.pem()).unwrap();
    house.run(&["set", "upstream", &format!("https://{proxy}")]);
    let mut agent = house.listening_agent();
    let (status, _) = get_through(relay(&house), URL).unwrap();
    assert_eq!(status, 502, "nobody vouches for it");

    let set = house.json(&["set", "upstream-ca", &ca_file], 0, "settings");
    assert_eq!(set["upstream_ca"], ca_file);
    let (status, body) = get_through(relay(&house), URL).unwrap();
    assert_eq!((status, body.as_str()), (200, "secure"));

    // Another authority takes its place in the file: new connections know at once.
    std::fs::write(&file, testbed::Ca::new().unwrap().pem()).unwrap();
    // Before the sources are polled.
    let soon = std::time::Duration::from_secs(8);
    testbed::wait_for("the new file holds", soon, || {
        get_through(relay(&house), URL)
            .ok()
            .filter(|(status, _)| *status == 502)
    })
    .unwrap();
    // One that is none is told, and trusts nobody.
    std::fs::write(&file, "not a certificate").unwrap();
    agent.until("it is said", |status| {
        let notices = status["notices"].as_array().unwrap().iter();
        { notices }.any(|notice| notice["code"] == "upstream_ca_unread")
    });
    let refused = house.run(&["set", "upstream-ca", &ca_file]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(
        refused.err.contains("corp.pem: it holds no certificate"),
        "{}",
        refused.err
    );
    let none = house.json(&["set", "upstream-ca", ""], 0, "settings");
    assert_eq!(none["upstream_ca"], "");
}

#[test]
fn what_else_is_saved_counts_though_the_certificates_file_is_gone() {
    let house = House::new();
    let file = house.home().join("corp.pem");
    let ca_file = file.display().to_string();
    std::fs::write(&file, testbed::Ca::new().unwrap().pem()).unwrap();
    house.json(&["set", "upstream-ca", &ca_file], 0, "settings");
    let _agent = house.agent();
    std::fs::remove_file(&file).unwrap();
    // A page sends every field, changed or not.
    let page = json!({ "upstream_ca": ca_file, "bypass": ["intra.test"] }).to_string();
    let (status, saved) = ask(&house, "PUT /v1/settings", &page);
    assert_eq!(status, 200, "{saved}");
    assert_eq!(saved["bypass"], json!(["intra.test"]));
    let other = format!("{ca_file}.other");
    let (status, refused) = ask(
        &house,
        "PUT /v1/settings",
        &json!({ "upstream_ca": other }).to_string(),
    );
    assert_eq!(status, 422, "{refused}");
    // A pipe is no file: nobody waits for it.
    assert!(pipe(&other).success());
    let refused = house.run(&["set", "upstream-ca", &other]);
    assert!(refused.err.contains("it is no file"), "{}", refused.err);
}

#[test]
fn rules_and_tickets_are_set_shown_and_taken_away_and_a_slip_is_refused() {
    let house = House::new();
    let other = Recorder::start("the other");
    let usual = Recorder::start("the usual");
    house.run(&["set", "upstream", &usual.url()]);
    let rule = format!("far.example.test={}", other.url());
    let set = house.json(&["set", "rules", &rule], 0, "settings");
    assert_eq!(set["rules"], json!([rule]));
    let set = house.json(
        &["set", "tickets", "Proxy.Corp:3128,two.corp:1"],
        0,
        "settings",
    );
    assert_eq!(set["tickets"], json!(["proxy.corp:3128", "two.corp:1"]));
    let _agent = house.listening_agent();
    assert_eq!(get_through(relay(&house), URL).unwrap().1, "the other");
    let usual_url = "http://near.example.test/";
    assert_eq!(
        get_through(relay(&house), usual_url).unwrap().1,
        "the usual"
    );
    for (arguments, field) in [
        (["set", "rules", "far.example.test"], "DESTINATION=URL"),
        (["set", "tickets", "http://proxy.corp:3128"], "HOST:PORT"),
    ] {
        let refused = house.run(&arguments);
        assert_ne!(refused.code, 0);
        assert!(refused.err.contains(field), "{}", refused.err);
    }
    let none = house.json(&["set", "rules", ""], 0, "settings");
    assert_eq!(none["rules"], Value::Array(Vec::new()));
    assert_eq!(get_through(relay(&house), URL).unwrap().1, "the usual");
    let none = house.json(&["set", "tickets", ""], 0, "settings");
    assert_eq!(none["tickets"], json!([]));
}
