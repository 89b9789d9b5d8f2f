//! Commands answer the same with and without an agent, in JSON and in words.

use crate::house::House;
use crate::origin::Recorder;

#[test]
fn commands_answer_the_same_with_and_without_an_agent() {
    let company = Recorder::start("the company");
    let mut house = House::new();
    house.set("https_proxy", company.url());
    house.set("http_proxy", company.url());
    house.set("no_proxy", ".corp.example");
    let ask = |house: &House| {
        (
            house.json(&["explain", "https://example.com/"], 0, "explain"),
            house.json(&["explain", "http://git.corp.example:8080"], 0, "explain"),
            house.json(&["status"], 0, "status")["policy"].clone(),
            house.json(&["status"], 0, "status")["sources"].clone(),
        )
    };
    let alone = ask(&house);
    assert_eq!(alone.0["route"], "upstream");
    assert_eq!(alone.0["upstream"], company.url());
    assert_eq!(alone.1["route"], "direct");
    let _agent = house.agent();
    assert_eq!(ask(&house), alone);
}

#[test]
fn no_route_is_explained_from_settings_that_cannot_be_read() {
    let house = House::new();
    std::fs::write(house.settings_file(), "mode = \n").unwrap();
    let said = house.run(&["explain", "https://example.test/"]);
    assert_eq!(said.code, 1, "{}", said.out);
    assert!(
        said.out.is_empty() && said.err.contains("settings.toml, line 1"),
        "{}",
        said.err
    );
}

#[test]
fn a_malformed_settings_file_is_named_with_line_and_column() {
    for (text, place) in [
        ("mode = \"system\"\nmdoe = 3\n", ":2:1: "),
        ("[relay]\n port = 3182\n prot = 1\n", ":3:2: "),
        ("mode = \"system\"\n\nstyle = relay\n", ":3:9: "),
    ] {
        let house = House::new();
        std::fs::write(house.settings_file(), text).unwrap();
        let before = house.files();
        let problem = house.json(&["set", "style", "relay"], 1, "problem");
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains("settings.toml"), "{message}");
        assert!(message.contains(place), "{message}");
        let same = |file: &(std::path::PathBuf, Vec<u8>)| before.contains(file);
        assert!(house.files().iter().all(same), "something was written");
    }
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let house = House::new();
    let said = house.run(&["set", "upstream", "http://ann:hunter2@proxy.test:3128"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.err.contains("gangway login"), "{}", said.err);
    assert!(!said.err.contains("hunter2"), "{}", said.err);
}

#[test]
fn a_wrong_value_is_wrong_usage_whoever_finds_it() {
    let house = House::new();
    let settings = || std::fs::read(house.settings_file()).unwrap();
    let before = settings();
    for arguments in [
        &["set", "upstream", "gopher://proxy.test:70"][..],
        &["set", "pac", "ftp://wpad.test/proxy.pac"],
        &["set", "pac", "http://ann:hunter2@wpad.test/proxy.pac"],
        &["set", "mode", "manual"],
        &["set", "mode", "mannual"],
        &["set", "style", "mirored"],
        &["set", "bypass", "a b"],
        &["explain", "gopher://example.com/"],
        &["login", "proxy.test"],
        &["logout", "http://proxy.test"],
    ] {
        let said = house.run(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {}{}", said.out, said.err);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
    }
    let said = house.run(&["set", "mode", "mannual"]);
    assert!(said.err.contains("'manual'"), "{}", said.err);
    assert_eq!(settings(), before, "something was written");
}

#[test]
fn logout_without_an_upstream_says_how_to_log_out() {
    let said = House::new().run(&["logout"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(
        said.err.contains("`gangway logout http://") && !said.err.contains("gangway login"),
        "{}",
        said.err
    );
}

#[test]
fn the_engines_status_names_what_it_speaks_of() {
    let said = House::new().run(&["engine", "status"]);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(
        said.out
            .starts_with("Engine\n  None runs, and none is installed"),
        "{}",
        said.out
    );
}

#[test]
fn without_settings_no_file_is_named_as_the_one_that_decided() {
    let house = House::new();
    std::fs::remove_file(house.settings_file()).unwrap();
    let explanation = house.json(&["explain", "https://example.com/"], 0, "explain");
    let source = &explanation["source"]["english"];
    assert_eq!(source, "the default", "{explanation:#}");
}

#[test]
fn a_newline_in_a_proxy_url_is_refused() {
    let house = House::new();
    for url in [
        "http://proxy.test:3128\nExecStart=/bin/sh",
        "http://pro\txy:1",
    ] {
        let said = house.run(&["set", "upstream", url]);
        assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    }
}

#[test]
fn a_pac_file_that_cannot_be_had_is_refused_openly_never_direct() {
    let house = House::new();
    let view = house.json(
        &["set", "pac", "http://127.0.0.1:9/proxy.pac"],
        0,
        "settings",
    );
    assert_eq!(view["mode"], "pac");
    let explanation = house.json(&["explain", "https://example.com/"], 0, "explain");
    assert_eq!(explanation["route"], "refused");
}

#[test]
fn an_url_that_is_none_is_named() {
    let house = House::new();
    house.json(&["explain", "http://"], 2, "problem");
    house.json(&["explain", "http://exa mple.com/"], 2, "problem");
}

#[test]
fn japanese_is_spoken_where_it_is_asked_for() {
    let mut house = House::new();
    house.set("LANG", "ja_JP.UTF-8");
    house.mirror_into_cli("http://ann@proxy.test:3128");
    for (arguments, english) in [
        (&["status"][..], ["nothing", "asks for the password"]),
        (
            &["explain", "http://10.0.0.1/"],
            ["private network", "built in"],
        ),
    ] {
        let said = house.run(arguments);
        let japanese = |c| ('\u{3040}'..='\u{9fff}').contains(&c);
        assert!(said.out.contains(japanese), "{}", said.out);
        for words in english {
            assert!(!said.out.contains(words), "{words}: {}", said.out);
        }
    }
    house.mirror_into_cli("http://proxy.test:3128");
    let said = house.run(&["plan"]);
    assert!(
        said.out.contains("を設定") && !said.out.contains("goes away"),
        "{}",
        said.out
    );
}

#[test]
fn nothing_is_coloured_but_a_terminal() {
    let house = House::new();
    assert!(!house.run(&["status"]).out.contains('\x1b'));
}

#[test]
fn a_bare_command_teaches() {
    let house = House::new();
    let bare = house.run(&[]);
    assert_eq!(bare.code, 2);
    let help = house.run(&["--help"]);
    assert_eq!(help.code, 0);
    for said in [bare.err, help.out] {
        assert!(said.starts_with("One proxy address for Docker"), "{said}");
        assert!(said.contains("gangway apply"), "{said}");
        assert!(!said.contains("helper"), "{said}");
    }
    assert_eq!(house.run(&["frobnicate"]).code, 2);
}

#[test]
fn the_help_of_a_command_says_what_it_changes_and_shows_it() {
    let house = House::new();
    for (command, changes, example) in [
        ("undo", "are again what they were", "gangway undo --yes"),
        ("on", "Changes `mode` in settings.toml", "gangway on && "),
        ("off", "nothing restarts", "gangway off && gangway undo"),
        ("set", "settings.toml", "gangway set upstream http://"),
        ("engine", "broker", "gangway engine install"),
    ] {
        let said = house.run(&[command, "--help"]);
        assert_eq!(said.code, 0, "{}", said.err);
        assert!(
            said.out.contains(changes) && said.out.contains(example),
            "{}",
            said.out
        );
    }
}
