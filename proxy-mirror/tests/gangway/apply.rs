//! plan → apply → undo of the Docker CLI's own file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::house::House;

const CONFIG: &str = "{\n\t\"auths\": {\"r.test\": {\"auth\": \"YTpi\"}},\r\n  \"proxies\": {\"tcp://h:1\": {\"httpProxy\": \"http://x:1\"}}\n}";

const UPSTREAM: &str = "http://proxy.test:3128";

fn mirroring() -> House {
    let house = House::new();
    house.mirror_into_cli(UPSTREAM);
    house
}

fn with_config(house: &House) -> std::path::PathBuf {
    let file = house.docker_config();
    fs::write(&file, CONFIG).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    file
}

#[test]
fn one_target_is_given_back_and_left_alone_until_it_is_taken_in_again() {
    let house = mirroring();
    let file = with_config(&house);
    let _agent = house.agent();
    house.json(&["apply", "--yes"], 0, "apply");
    let none = house.run(&["undo", "docker-clu", "--yes"]);
    assert_eq!(none.code, 2, "{}", none.err);
    assert!(none.err.contains("docker-cli"), "{}", none.err);
    // Nothing of another target's is given back.
    let other = house.json(&["undo", "docker-daemon", "--yes"], 0, "undo");
    assert_eq!(other["restored"], json!([]));
    assert!(fs::read_to_string(&file).unwrap().contains(UPSTREAM));

    let undone = house.json(&["undo", "docker-cli", "--yes"], 0, "undo");
    assert_eq!(undone["restored"], json!([file.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
    assert_eq!(house.json(&["plan"], 0, "plan")["steps"], json!([]));
    let others = "docker-daemon,podman,clusters";
    let left = house.json(&["set", "leave-alone", others], 0, "settings");
    assert_eq!(
        left["leave_alone"],
        json!(["docker-daemon", "podman", "clusters"])
    );
    let plan = house.json(&["plan"], 2, "plan");
    assert!(plan["diff"].as_str().unwrap().contains("httpProxy"));
}

#[test]
fn a_file_that_somebody_else_changes_is_said_to_be_and_never_fought_over() {
    let house = mirroring();
    let file = with_config(&house);
    let mut agent = house.agent();
    let cli = |status: &serde_json::Value| -> (String, String) {
        let targets = status["targets"].as_array().unwrap();
        let cli = targets.iter().find(|target| target["id"] == "docker-cli");
        let cli = cli.unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        (text(&cli["state"]), text(&cli["reason"]["english"]))
    };
    let before = agent.until("the first look", |status| cli(status).0 == "differs");
    assert!(!cli(&before).1.contains("was changed"), "{before:#}");
    house.json(&["apply", "--yes"], 0, "apply");
    agent.until("it is applied", |status| cli(status).0 == "in_force");

    let edited = fs::read_to_string(&file)
        .unwrap()
        .replace(UPSTREAM, "http://mine.test:1");
    fs::write(&file, &edited).unwrap();
    let said = house.run(&["status"]).out;
    let words = format!(
        "{} was changed since it said what it should",
        file.display()
    );
    assert!(said.contains(&words), "{said}");
    // It is theirs until somebody says otherwise.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(fs::read_to_string(&file).unwrap(), edited);

    house.json(&["undo", "docker-cli", "--yes"], 0, "undo");
    house.json(
        &["set", "leave-alone", "docker-daemon,podman,clusters"],
        0,
        "settings",
    );
    let said = house.run(&["status"]).out;
    assert!(!said.contains("was changed since"), "{said}");
    house.json(&["apply", "--yes"], 0, "apply");
    assert!(fs::read_to_string(&file).unwrap().contains(UPSTREAM));
}

#[test]
fn apply_then_undo_gives_the_file_back_byte_for_byte() {
    let house = mirroring();
    let file = with_config(&house);
    let _agent = house.agent();
    let plan = house.json(&["plan"], 2, "plan");
    assert!(
        plan["diff"].as_str().unwrap().contains("httpProxy"),
        "{plan:#}"
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        CONFIG,
        "a plan changes nothing"
    );

    let applied = house.json(&["apply", "--yes"], 0, "apply");
    assert_eq!(
        applied["done"].as_array().unwrap().len(),
        plan["steps"].as_array().unwrap().len()
    );
    let written: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["proxies"]["default"]["httpProxy"], UPSTREAM);
    assert_eq!(
        docker_cli(&house.json(&["status"], 0, "status"))["state"],
        "in_force"
    );
    assert_eq!(written["auths"]["r.test"]["auth"], "YTpi");
    assert_eq!(house.json(&["plan"], 0, "plan")["steps"], json!([]));

    let undone = house.json(&["undo", "--yes"], 0, "undo");
    assert_eq!(undone["restored"], json!([file.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn a_file_that_was_not_there_is_gone_after_undo() {
    let house = mirroring();
    let _agent = house.agent();
    house.json(&["apply", "--yes"], 0, "apply");
    let file = house.docker_config();
    assert!(file.exists());
    house.json(&["undo", "--yes"], 0, "undo");
    assert!(!file.exists());
}

#[test]
fn apply_without_a_yes_and_without_a_terminal_does_nothing() {
    let house = mirroring();
    let file = with_config(&house);
    let _agent = house.agent();
    let said = house.run(&["apply"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("--yes"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
}

#[test]
fn a_malformed_config_json_is_named_with_line_and_column_and_left_alone() {
    let house = mirroring();
    let file = house.docker_config();
    fs::write(&file, "{\n  \"auths\": {,}\n}\n").unwrap();
    let status = house.json(&["status"], 4, "status");
    let target = status["targets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|target| target["id"] == "docker-cli")
        .unwrap();
    assert_eq!(target["state"], "failed", "{target:#}");
    let reason = target["reason"]["english"].as_str().unwrap();
    assert!(
        reason.contains("config.json") && reason.contains("2:"),
        "{reason}"
    );
    let plan = house.json(&["plan"], 1, "plan");
    assert_eq!(plan["refused"][0]["target"], "docker-cli", "{plan:#}");
    let applied = house.json(&["apply", "--yes"], 1, "apply");
    assert_eq!(applied["done"], json!([]));
    assert_eq!(applied["refused"], plan["refused"]);
    let said = house.run(&["apply", "--yes"]);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("config.json:2:13: ") && said.out.contains("nothing was written"),
        "{}",
        said.out
    );
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "{\n  \"auths\": {,}\n}\n"
    );
}

#[test]
fn a_command_that_finds_no_agent_applies_and_undoes_too() {
    let house = mirroring();
    let file = with_config(&house);
    house.json(&["apply", "--yes"], 0, "apply");
    assert_ne!(fs::read_to_string(&file).unwrap(), CONFIG);
    let _agent = house.agent();
    house.json(&["undo", "--yes"], 0, "undo");
    assert_eq!(fs::read_to_string(&file).unwrap(), CONFIG);
}

#[test]
fn undo_takes_only_ours_out_of_a_file_that_somebody_else_changed() {
    let house = mirroring();
    let file = with_config(&house);
    house.json(&["apply", "--yes"], 0, "apply");
    let theirs = fs::read_to_string(&file).unwrap().replace("YTpi", "Yzpk");
    fs::write(&file, theirs).unwrap();
    let undone = house.json(&["undo", "--yes"], 0, "undo");
    assert_eq!(undone["merged"], json!([file.to_str().unwrap()]));
    let expected: serde_json::Value =
        serde_json::from_str(&CONFIG.replace("YTpi", "Yzpk")).unwrap();
    let left: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(left, expected);
}

#[test]
fn mirror_style_refuses_an_upstream_that_needs_a_password() {
    let house = House::new();
    house.mirror_into_cli("http://ann@proxy.test:3128");
    let status = house.json(&["status"], 4, "status");
    assert_eq!(docker_cli(&status)["state"], "blocked", "{status:#}");
    assert_eq!(house.json(&["plan"], 0, "plan")["steps"], json!([]));
}

#[test]
fn what_a_target_cannot_say_as_it_is_meant_is_told_with_the_plan() {
    let house = House::new();
    house.mirror_into_cli("http://proxy.corp:3128");
    let list = "=one.example,.below.example,build*.example,<local>";
    let set = house.run(&["set", "bypass", list]);
    assert_eq!(set.code, 0, "{}", set.err);
    let codes = [
        "bypass_no_host",
        "bypass_no_subdomains",
        "bypass_no_pattern",
        "bypass_no_plain_names",
    ];
    let told = |notes: &serde_json::Value| -> Vec<String> {
        let notes = notes.as_array().unwrap().iter();
        let code = |note: &serde_json::Value| note["code"].as_str().unwrap().to_owned();
        notes.map(code).collect()
    };
    let plan = house.json(&["plan"], 2, "plan");
    assert_eq!(told(&plan["notes"]), codes, "{plan:#}");
    let diff = plan["diff"].as_str().unwrap();
    assert!(diff.contains(",one.example,.below.example\""), "{diff}");
    let said = house.run(&["plan"]).out;
    assert!(
        said.contains("Docker command line: a host cannot be named alone there"),
        "{said}"
    );
    let status = house.json(&["status"], 4, "status");
    let targets = status["targets"].as_array().unwrap();
    let cli = targets
        .iter()
        .find(|target| target["id"] == "docker-cli")
        .unwrap();
    assert_eq!(told(&cli["notes"]), codes);
}

fn docker_cli(status: &serde_json::Value) -> &serde_json::Value {
    let targets = status["targets"].as_array().unwrap();
    let found = targets.iter().find(|view| view["id"] == "docker-cli");
    found.unwrap_or_else(|| panic!("{status:#}"))
}
