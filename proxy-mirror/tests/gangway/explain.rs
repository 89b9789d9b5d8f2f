//! `gangway explain`: the route, who says so, what each world would do, and what happens when tried.

use serde_json::{Value, json};

use crate::house::{House, free_port};
use crate::origin::Recorder;

fn world<'a>(explanation: &'a Value, target: &str) -> &'a Value {
    let worlds = explanation["worlds"].as_array().unwrap();
    let found = worlds.iter().find(|world| world["target"] == target);
    found.unwrap_or_else(|| panic!("{target}: {explanation:#}"))
}

fn container_is_told(house: &House, proxy: &str) {
    let config = json!({"proxies": {"default": {
        "httpProxy": proxy, "httpsProxy": proxy, "noProxy": "localhost,.corp.example,10.0.0.0/8",
    }}});
    std::fs::write(house.docker_config(), config.to_string()).unwrap();
}

#[test]
fn what_each_world_would_do_follows_from_what_it_is_told() {
    let house = House::new();
    let url = "https://registry.example/";
    let explained = house.json(&["explain", url], 0, "explain");
    assert_eq!(world(&explained, "docker-cli")["way"], "direct");

    container_is_told(&house, &format!("http://127.0.0.1:{}", house.relay_port));
    for (url, way) in [
        (url, "relay"),
        ("https://git.corp.example/", "direct"),
        ("http://10.1.2.3/", "direct"),
        ("http://localhost:8080/", "direct"),
        ("https://corp.example/", "relay"),
    ] {
        let explained = house.json(&["explain", url], 0, "explain");
        assert_eq!(world(&explained, "docker-cli")["way"], way, "{url}");
    }
    let said = house.run(&["explain", "https://git.corp.example/"]);
    assert!(
        said.out.contains(".corp.example is among its exceptions"),
        "{}",
        said.out
    );

    // Only what is asked for in clear has a proxy here.
    let config = json!({"proxies": {"default": {"httpProxy": "http://proxy.corp:3128"}}});
    std::fs::write(house.docker_config(), config.to_string()).unwrap();
    for (url, way) in [("http://a.example/", "other"), (url, "direct")] {
        let explained = house.json(&["explain", url], 0, "explain");
        assert_eq!(world(&explained, "docker-cli")["way"], way, "{url}");
    }

    container_is_told(&house, "http://ann:canary@proxy.corp:3128");
    let explained = house.json(&["explain", url], 0, "explain");
    let container = world(&explained, "docker-cli");
    assert_eq!(container["way"], "other");
    assert!(!explained.to_string().contains("canary"), "{explained:#}");
    // There is no Docker here, and nothing is intercepted.
    assert_ne!(world(&explained, "docker-daemon")["way"], "relay");
    assert_eq!(world(&explained, "clusters")["way"], "absent");
}

#[test]
fn a_policy_of_the_command_line_is_explained_in_its_own_dialect() {
    let house = House::new();
    let upstream = "http://proxy.corp:3128";
    for (list, dialect, url, route, reason) in [
        (
            "contoso.com",
            "windows",
            "https://contoso.com/",
            "direct",
            "bypass =contoso.com",
        ),
        (
            "contoso.com",
            "windows",
            "https://a.contoso.com/",
            "upstream",
            "--upstream",
        ),
        (
            "contoso.com",
            "go",
            "https://a.contoso.com/",
            "direct",
            "bypass contoso.com",
        ),
        (
            "*toso.com",
            "chrome",
            "https://contoso.com/",
            "direct",
            "bypass *toso.com",
        ),
        (
            "contoso.com",
            "kde-reversed",
            "https://contoso.com/",
            "upstream",
            "--upstream",
        ),
        (
            "contoso.com",
            "kde-reversed",
            "https://other.com/",
            "direct",
            "bypass *",
        ),
    ] {
        let arguments = [
            "explain",
            url,
            "--upstream",
            upstream,
            "--bypass",
            list,
            "--dialect",
            dialect,
        ];
        let explained = house.json(&arguments, 0, "explain");
        assert_eq!(explained["route"], route, "{arguments:?}");
        assert_eq!(explained["reason"]["english"], reason, "{arguments:?}");
        if route == "upstream" {
            assert_eq!(explained["upstream"], upstream);
        } else {
            assert_eq!(explained["source"]["english"], "--bypass");
        }
    }
}

#[test]
fn what_a_list_of_the_command_line_cannot_say_is_told_and_a_wrong_one_refused() {
    let house = House::new();
    let upstream = "http://proxy.corp:3128";
    let lossy = house.run(&[
        "explain",
        "https://a/",
        "--upstream",
        upstream,
        "--bypass",
        "172.17.*",
        "--dialect",
        "go",
    ]);
    assert_eq!(lossy.code, 0);
    assert!(
        lossy.err.contains("--bypass: `172.17.*` names nothing"),
        "{}",
        lossy.err
    );
    let wrong = house.run(&[
        "explain",
        "https://a/",
        "--bypass",
        "b",
        "--dialect",
        "cobol",
    ]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    let secret = [
        "explain",
        "https://a/",
        "--upstream",
        "http://ann:hunter2@p:1",
    ];
    let secret = house.run(&secret);
    assert!(
        secret.code == 2 && !secret.err.contains("hunter2"),
        "{}",
        secret.err
    );
}

#[test]
fn what_is_tried_says_what_happened_and_how_long_it_took() {
    let company = Recorder::start("the company");
    let house = House::new();
    house.write_settings(&format!(
        "mode = \"manual\"\nupstream = \"{}\"",
        company.url()
    ));
    let without = house.json(&["explain", "https://example.test/", "--try"], 1, "problem");
    assert_eq!(without["code"], "engine_absent");

    let _agent = house.listening_agent();
    for (url, asked) in [
        ("https://example.test/", "CONNECT example.test:443 HTTP/1.1"),
        (
            "http://example.test/a?b",
            "HEAD http://example.test/a?b HTTP/1.1",
        ),
    ] {
        let tried = house.json(&["explain", url, "--try"], 0, "explain")["tried"].clone();
        assert_eq!(tried["reached"], true, "{tried:#}");
        assert_eq!(tried["status"], 200);
        assert!(tried["connected_ms"].is_u64() && tried["answered_ms"].is_u64());
        let head = company.seen().pop().unwrap();
        assert!(head.starts_with(asked), "{head}");
    }

    let down = format!("127.0.0.1:{}", free_port());
    house.json(
        &["set", "upstream", &format!("http://{down}")],
        0,
        "settings",
    );
    let said = house.run(&["explain", "https://example.test/", "--try"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out.contains("HTTP 502") && said.out.contains(&down),
        "{}",
        said.out
    );
}

#[test]
fn an_explanation_is_given_in_japanese() {
    let mut house = House::new();
    house.set("LC_ALL", "ja_JP.UTF-8");
    let said = house.run(&["explain", "https://example.test/"]);
    assert!(said.out.contains("それぞれの環境での動作"), "{}", said.out);
}

#[test]
fn a_script_of_the_command_line_is_asked_as_the_engine_would_ask_it() {
    let house = House::new();
    let file = house.home().join("proxy.pac");
    let write = |body: &str| {
        let text = format!("function FindProxyForURL(url, host) {{ {body} }}");
        std::fs::write(&file, text).unwrap();
    };
    let pac = file.display().to_string();
    write(
        "if (dnsDomainIs(host, '.corp.example')) return 'DIRECT';\n\
         if (shExpMatch(host, 'r*.example')) return 'PROXY a:1; SOCKS5 b:2; DIRECT';\n\
         return 'HTTPS c:3';",
    );
    for (url, route, ways) in [
        ("https://git.corp.example/", "direct", json!(["direct"])),
        (
            "https://registry.example/",
            "upstream",
            json!(["http://a:1", "socks5h://b:2", "direct"]),
        ),
        ("http://other.example/", "upstream", json!(["https://c:3"])),
    ] {
        let explained = house.json(&["explain", url, "--pac", &pac], 0, "explain");
        assert_eq!(explained["route"], route, "{explained:#}");
        assert_eq!(explained["ways"], ways, "{explained:#}");
        let source = explained["source"]["english"].as_str().unwrap();
        assert!(source.contains("proxy.pac"), "{source}");
    }
    let url = "https://other.example/";
    let excepted = ["explain", url, "--pac", &pac, "--bypass", "other.example"];
    assert_eq!(house.json(&excepted, 0, "explain")["route"], "direct");
    // One that fails is seen to fail, and lets nothing out.
    write("throw new Error('not today');");
    let failed = house.json(&["explain", url, "--pac", &pac], 0, "explain");
    assert_eq!(failed["route"], "refused");
    let reason = failed["reason"]["english"].as_str().unwrap();
    assert!(reason.contains("not today"), "{reason}");
    std::fs::write(&file, "<html>log in</html>").unwrap();
    let wrong = house.run(&["explain", url, "--pac", &pac]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    assert!(wrong.err.contains("FindProxyForURL"), "{}", wrong.err);
}

#[test]
fn a_list_beside_a_script_that_is_set_answers_for_what_it_names_and_says_what_is_missing() {
    let house = House::new();
    let file = house.home().join("proxy.pac");
    let script = "function FindProxyForURL(url, host) { return 'PROXY a:1'; }";
    std::fs::write(&file, script).unwrap();
    house.write_settings(&format!(
        "mode = \"pac\"\npac = \"file://{}\"",
        file.display()
    ));
    let mut agent = house.agent();
    agent.until("the script is had", |status| {
        status["policy"]["kind"] == "pac"
    });
    let given = |url: &'static str| ["explain", url, "--bypass", "corp.example"];
    let named = house.json(&given("https://corp.example/"), 0, "explain");
    assert_eq!(named["route"], "direct");
    let other = house.json(&given("https://other.example/"), 1, "problem");
    assert_eq!(other["code"], "explain_needs_script");
}
