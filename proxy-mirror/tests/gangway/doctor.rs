//! `gangway doctor`: each check sees what was broken, says what to do, and is content once it is done.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::house::{House, free_port};
use crate::origin::{Recorder, pipe, tls_proxy};

/// The findings of one check.
fn of(examination: &Value, check: &str) -> Vec<Value> {
    let findings = examination["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["check"] == check)
        .cloned()
        .collect()
}

/// The only finding of one check.
fn only(examination: &Value, check: &str) -> Value {
    let mut found = of(examination, check);
    assert_eq!(found.len(), 1, "{check}: {examination:#}");
    found.remove(0)
}

/// A real TLS server with a certificate that nobody trusts.
struct Tls {
    port: u16,
    server: std::process::Child,
}

impl Tls {
    fn start(house: &House) -> Self {
        let port = free_port();
        let openssl = |words: &str| {
            let mut command = Command::new("openssl");
            command.args(words.split_whitespace());
            command.current_dir(house.home());
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        let made = openssl("req -x509 -newkey rsa:2048 -nodes -keyout k -out c -subj /CN=proxy")
            .status()
            .expect("apt-get install openssl");
        assert!(made.success());
        let server = openssl(&format!(
            "s_server -accept 127.0.0.1:{port} -key k -cert c -www"
        ))
        .spawn()
        .unwrap();
        let deadline = std::time::Instant::now() + crate::house::SOON;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < deadline, "openssl listens");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Self { port, server }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn manual(house: &House, upstream: &str) {
    house.write_settings(&format!("mode = \"manual\"\nupstream = \"{upstream}\""));
}

#[test]
fn an_upstream_that_nobody_answers_for_is_broken_until_somebody_does() {
    let house = House::new();
    manual(&house, &format!("http://127.0.0.1:{}", free_port()));
    let broken = house.json(&["doctor"], 4, "doctor");
    assert_eq!(broken["worst"], "bad");
    let upstream = only(&broken, "upstream");
    assert_eq!(upstream["verdict"], "bad");
    assert_eq!(upstream["what"]["key"], "said_doctor_unreachable");
    assert_ne!(upstream["remedy"]["english"], "");

    let proxy = Recorder::start("proxy");
    manual(&house, &format!("http://{}", proxy.address));
    let mended = house.json(&["doctor"], 0, "doctor");
    assert_eq!(only(&mended, "upstream")["verdict"], "good");
}

#[test]
fn a_proxy_named_with_the_wrong_scheme_is_told_what_it_speaks() {
    let house = House::new();
    let proxy = Recorder::start("proxy");
    for scheme in ["https", "socks5h", "socks4a"] {
        manual(&house, &format!("{scheme}://{}", proxy.address));
        let broken = house.json(&["doctor"], 4, "doctor");
        let upstream = only(&broken, "upstream");
        assert_eq!(upstream["what"]["args"]["scheme"], "http", "{scheme}");
        let remedy = format!("write http://{}", proxy.address);
        assert_eq!(upstream["remedy"]["english"], remedy, "{scheme}");
    }
    let tls = Tls::start(&house);
    let authority = format!("127.0.0.1:{}", tls.port);
    manual(&house, &format!("http://{authority}"));
    let broken = house.json(&["doctor"], 4, "doctor");
    assert_eq!(only(&broken, "upstream")["what"]["args"]["scheme"], "https");
    manual(&house, &format!("https://{authority}"));
    let broken = house.json(&["doctor"], 4, "doctor");
    assert_eq!(
        only(&broken, "upstream")["what"]["key"],
        "said_doctor_certificate"
    );
}

#[test]
fn a_proxy_over_tls_is_judged_by_the_certificates_of_the_settings_too() {
    let house = House::new();
    let ca = testbed::Ca::new().unwrap();
    let proxy = tls_proxy(ca.issue(&["127.0.0.1"]).unwrap().server().unwrap());
    let file = house.home().join("corp.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    manual(&house, &format!("https://{proxy}"));
    let broken = only(&house.json(&["doctor"], 4, "doctor"), "upstream");
    assert_eq!(broken["what"]["key"], "said_doctor_certificate");
    let remedy = broken["remedy"]["english"].as_str().unwrap();
    assert!(remedy.contains("gangway set upstream-ca FILE"), "{remedy}");
    house.run(&["set", "upstream-ca", &file.display().to_string()]);
    let mended = house.json(&["doctor"], 0, "doctor");
    assert_eq!(only(&mended, "upstream")["verdict"], "good");
}

#[test]
fn of_what_stands_in_a_shells_file_no_password_is_shown_and_a_pipe_is_passed_over() {
    let house = House::new();
    let profile = house.home().join(".profile");
    assert!(pipe(&profile.display().to_string()).success());
    let lines = [
        "export https_proxy='http://ann:canary;canary@old.corp:8080'",
        "export https_proxy=\"http://ann:canary/canary@old.corp:8080\"",
        "export https_proxy=http://ann:canary",
        "export https_proxy=canary",
        "set -gx https_proxy 'http://ann:can ary@old.corp:8080'",
    ];
    std::fs::write(house.home().join(".bashrc"), lines.join("\n")).unwrap();
    let found = of(&house.json(&["doctor"], 0, "doctor"), "shell_file");
    let shown = found.iter().map(|found| &found["what"]["args"]["proxy"]);
    let wanted = ["old.corp:8080", "old.corp:8080", "?", "?", "?"];
    assert_eq!(shown.collect::<Vec<_>>(), wanted, "{found:#?}");
    let all = json!(found).to_string();
    assert!(!all.contains("canary") && !all.contains("ary@"), "{all}");
}

#[test]
fn a_line_of_a_shells_file_is_named_until_it_is_gone_or_agrees() {
    let house = House::new();
    let file = house.home().join(".bashrc");
    let shell = |text: &str| {
        std::fs::write(&file, text).unwrap();
        of(&house.json(&["doctor"], 0, "doctor"), "shell_file")
    };
    let found = shell("alias ll='ls -l'\nexport https_proxy=http://ann:canary@old.corp:8080\n");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["verdict"], "warn");
    let place = format!("{}:2", file.display());
    assert_eq!(found[0]["subject"], place);
    assert_eq!(found[0]["what"]["args"]["proxy"], "old.corp:8080");
    assert!(!json!(found).to_string().contains("canary"));
    assert_eq!(shell("alias ll='ls -l'\n"), Vec::<Value>::new());
    manual(&house, "http://proxy.corp.invalid:3128");
    std::fs::write(&file, "export https_proxy=http://proxy.corp.invalid:3128\n").unwrap();
    let agrees = house.json(&["doctor"], 4, "doctor");
    assert_eq!(of(&agrees, "shell_file"), Vec::<Value>::new());
}

#[test]
fn a_target_that_differs_is_mended_by_fix() {
    let house = House::new();
    // Nobody answers there: that is broken, before and after.
    house.mirror_into_cli("http://proxy.invalid:3128");
    std::fs::write(house.docker_config(), "{\"auths\": {}}").unwrap();
    let differs = house.json(&["doctor"], 4, "doctor");
    let target = only(&differs, "target");
    assert_eq!(target["verdict"], "warn");
    assert_eq!(target["fix"], "apply");
    let mended = house.json(&["doctor", "--fix", "--yes"], 4, "doctor");
    assert_eq!(only(&mended, "target")["verdict"], "good");
    let config = std::fs::read_to_string(house.docker_config()).unwrap();
    assert!(config.contains("httpProxy"), "{config}");
}

#[test]
fn a_source_that_cannot_be_read_is_named_until_it_is_mended() {
    let house = House::new();
    let folder = house.home().join(".mozilla/firefox");
    std::fs::create_dir_all(folder.join("p")).unwrap();
    std::fs::write(
        folder.join("profiles.ini"),
        "[Profile0]\nPath=p\nIsRelative=1\n",
    )
    .unwrap();
    let prefs = folder.join("p/prefs.js");
    std::fs::write(&prefs, "user_pref(\"network.proxy.type\", 1").unwrap();
    let unread = || {
        let sources = of(&house.json(&["doctor"], 0, "doctor"), "source").into_iter();
        sources
            .filter(|source| source["verdict"] == "warn")
            .collect::<Vec<_>>()
    };
    let found = unread();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]["what"]["english"]
            .as_str()
            .unwrap()
            .contains("prefs.js")
    );
    std::fs::write(&prefs, "user_pref(\"network.proxy.type\", 5);\n").unwrap();
    assert_eq!(unread(), Vec::<Value>::new());
}

#[test]
fn a_port_that_another_program_has_is_broken_until_it_is_free() {
    let house = House::new();
    let holder = std::net::TcpListener::bind(("127.0.0.1", house.relay_port)).unwrap();
    let mut agent = house.agent();
    agent.until("the port is taken", |status| {
        !status["engine"]["listen_errors"]
            .as_array()
            .unwrap()
            .is_empty()
    });
    let broken = house.json(&["doctor"], 4, "doctor");
    let port = only(&broken, "engine_port");
    let what = port["what"]["english"].as_str().unwrap();
    assert!(what.contains(&house.relay_port.to_string()), "{what}");
    drop(holder);
    agent.until("the relay listens", |status| {
        status["engine"]["listen_errors"] == json!([])
    });
    let mended = house.json(&["doctor"], 0, "doctor");
    assert_eq!(of(&mended, "engine_port"), Vec::<Value>::new());
}

#[test]
fn another_local_proxy_that_runs_is_named_while_it_does() {
    let house = House::new();
    let program = house.home().join("cntlm");
    std::fs::copy("/bin/busybox", &program).expect("apt-get install busybox-static");
    // The name is what counts; what it does is to wait for its standard input's end.
    let mut running = Command::new("bash")
        .args(["-c", "exec -a cat \"$0\" cat"])
        .arg(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let subject = format!("cntlm ({})", running.id());
    let named = |house: &House| {
        let found = of(&house.json(&["doctor"], 0, "doctor"), "other_tool");
        found.iter().any(|found| found["subject"] == subject)
    };
    assert!(named(&house));
    drop(running.stdin.take());
    running.wait().unwrap();
    assert!(!named(&house));
}

#[test]
fn a_bundle_holds_the_picture_and_no_secret_and_is_nobody_elses_to_read() {
    let house = House::new();
    house.mirror_into_cli("http://proxy.invalid:3128");
    let config = "{\"auths\": {\"r.test\": {\"auth\": \"Y2FuYXJ5\"}}}";
    std::fs::write(house.docker_config(), config).unwrap();
    let profile = house.home().join(".profile");
    std::fs::write(
        &profile,
        "export https_proxy=http://ann:canary@old.corp:1\n",
    )
    .unwrap();
    let file = house.home().join("bundle.json");
    let path = file.display().to_string();
    let said = house.run(&["doctor", "--bundle", &path]);
    assert_eq!(said.code, 4, "{}", said.err);
    assert!(said.out.contains(&path), "{}", said.out);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        !text.contains("canary") && !text.contains("Y2FuYXJ5"),
        "{text}"
    );
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["doctor"]["worst"], "bad");
    assert_eq!(bundle["status"]["mode"], "manual");
    assert_eq!(bundle["settings"]["style"], "mirror");
    assert_eq!(bundle["plan"]["steps"].as_array().unwrap().len(), 1);
    assert_ne!(bundle["system"]["kernel"], "");
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let again = house.run(&["doctor", "--bundle", &path]);
    assert_eq!(again.code, 1, "{}", again.out);
    assert!(again.err.contains(&path), "{}", again.err);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn people_are_told_by_word_and_sign_in_their_language() {
    let mut house = House::new();
    manual(&house, &format!("http://127.0.0.1:{}", free_port()));
    let said = house.run(&["doctor"]);
    assert_eq!(said.code, 4);
    assert!(
        said.out.contains("✗ broken  upstream http://127.0.0.1:"),
        "{}",
        said.out
    );
    assert!(said.out.contains("   → "), "{}", said.out);
    assert!(said.out.trim_end().ends_with("broken"), "{}", said.out);
    house.set("LC_ALL", "ja_JP.UTF-8");
    let said = house.run(&["doctor"]);
    assert!(
        said.out.contains("✗ 異常  上流 http://127.0.0.1:"),
        "{}",
        said.out
    );
}
