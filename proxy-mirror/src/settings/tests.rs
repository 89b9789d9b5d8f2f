use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::control::SettingsChange;

mod pause;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn load_text(text: &str) -> Result<Settings, SettingsError> {
    let folder = folder();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    load(&path)
}

fn place_and_what(text: &str) -> (String, String) {
    let error = load_text(text).unwrap_err();
    let place = error.place(std::path::Path::new(""));
    let place = place.split_once("settings.toml:").unwrap().1.to_owned();
    (place, error.what())
}

#[test]
fn without_a_file_the_defaults_hold() {
    assert_eq!(
        load(&folder().path().join("none")).unwrap(),
        Settings::default()
    );
}

#[test]
fn every_known_key_is_read_and_every_key_read_is_known() {
    let full = Settings {
        off_until: Some(1),
        profile: Some("office".into()),
        upstream: Some("http://ann@proxy.corp:3128".parse().unwrap()),
        upstream_ca: Some("/etc/corp/ca.pem".into()),
        pac: Some("http://wpad.corp/proxy.pac".to_owned()),
        ..Settings::default()
    };
    let document = toml_edit::ser::to_document(&full).unwrap();
    let mut keys = Vec::new();
    for (name, item) in document.iter() {
        match item.as_table_like() {
            Some(table) => keys.extend(table.iter().map(|(inner, _)| format!("{name}.{inner}"))),
            None => keys.push(name.to_owned()),
        }
    }
    let mut known = keys::KNOWN.to_vec();
    known.sort_unstable();
    keys.sort_unstable();
    assert_eq!(keys, known);
}

#[test]
fn every_word_that_can_be_meant_can_be_written() {
    use super::word::Word;
    fn all<T: Word + Serialize>() {
        for word in T::WORDS {
            let read: T = serde_json::from_value((*word).into()).unwrap();
            assert_eq!(serde_json::to_value(read).unwrap(), *word);
        }
    }
    all::<Mode>();
    all::<Style>();
}

#[test]
fn a_malformed_file_is_refused_with_line_and_column() {
    let (place, what) = place_and_what("mode = \"manual\"\nupstream = \n");
    assert_eq!(place, "2:12", "{what}");
    let (place, what) = place_and_what("# x\nmode = \"mannual\"\n");
    assert_eq!(place, "2:8", "{what}");
    assert_eq!(
        what,
        "`mannual` is none of `system`, `manual`, `pac`, `off`: did you mean `manual`?"
    );
    let (place, what) = place_and_what("style = \"mirrored\"\n");
    assert_eq!(place, "1:9", "{what}");
    assert!(what.ends_with("did you mean `mirror`?"), "{what}");
    let (_, what) = place_and_what("resume = \"\\u001b[2Jquux\"\n");
    assert_eq!(
        what,
        "`\\u{1b}[2Jquux` is none of `system`, `manual`, `pac`, `off`"
    );
    let (place, what) = place_and_what("upstream = \"http://a b:1\"");
    assert_eq!(
        (place.as_str(), what.as_str()),
        ("1:12", "the proxy URL holds a control character or a space")
    );
    let (place, _) = place_and_what("[relay]\nport = 70000\n");
    assert_eq!(place, "2:8");
    let (place, what) = place_and_what("pac = \"ftp://x\"");
    assert_eq!(place, "1:7");
    assert!(what.contains("http://HOST/FILE"), "{what}");
}

#[test]
fn a_newline_or_nul_in_a_proxy_url_is_refused() {
    for bad in ["http://a:1\\nx", "http://a\\u0000:1", "http://a%0a@b:1"] {
        let (_, what) = place_and_what(&format!("upstream = \"{bad}\""));
        assert!(what.contains("control character"), "{what}");
        let change = SettingsChange {
            upstream: Some(bad.replace("\\n", "\n").replace("\\u0000", "\0")),
            ..SettingsChange::default()
        };
        assert!(
            super::change(&Settings::default(), &change).is_err(),
            "{bad}"
        );
    }
}

#[test]
fn a_password_in_the_file_is_refused_and_not_repeated() {
    let error = load_text("upstream = \"http://ann:s3cret@p:1\"").unwrap_err();
    assert!(error.to_string().contains("gangway login"), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn an_unknown_key_is_refused_with_the_one_that_was_meant() {
    let (place, what) = place_and_what("mode = \"off\"\nupsteam = \"http://a:1\"\n");
    assert_eq!(
        (place.as_str(), what.as_str()),
        ("2:1", "unknown key `upsteam`: did you mean `upstream`?")
    );
    let (place, what) = place_and_what("[relay]\nprot = 1\n");
    assert_eq!(
        (place.as_str(), what.as_str()),
        (
            "2:1",
            "unknown key `relay.prot`: did you mean `relay.port`?"
        )
    );
    assert_eq!(
        place_and_what("port = 1").1,
        "unknown key `port`: did you mean `relay.port`?"
    );
    assert_eq!(place_and_what("quux = 1").1, "unknown key `quux`");
}

#[test]
fn saving_keeps_comments_order_and_line_ends() {
    let folder = folder();
    let path = folder.path().join("settings.toml");
    let old = "# mine\r\nstyle = \"relay\" # why\r\n\r\nmode = \"system\"   # kept\r\n[relay]\r\nclients = [ \"10.0.0.0/8\" ]\r\n";
    std::fs::write(&path, old).unwrap();
    let mut settings = load(&path).unwrap();
    settings.mode = Mode::Off;
    save(&path, &settings).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        old.replace("\"system\"", "\"off\"")
    );
}

#[cfg(unix)]
#[test]
fn saving_keeps_the_mode_and_a_symbolic_link() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let target = folder.path().join("dotfiles.toml");
    let path = folder.path().join("settings.toml");
    std::fs::write(&target, "").unwrap();
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    save(
        &path,
        &Settings {
            mode: Mode::Off,
            ..Settings::default()
        },
    )
    .unwrap();
    assert!(path.is_symlink());
    assert_eq!(
        std::fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o640
    );
    assert_eq!(load(&target).unwrap().mode, Mode::Off);
}

#[test]
fn a_malformed_file_is_not_written_over() {
    let folder = folder();
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, "mode = ").unwrap();
    assert!(save(&path, &Settings::default()).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mode = ");
}

fn changed(current: &Settings, change: &SettingsChange) -> Settings {
    super::change(current, change).unwrap().settings
}

#[test]
fn switching_on_returns_to_the_mode_before() {
    let manual = changed(
        &Settings::default(),
        &SettingsChange {
            mode: Some(Mode::Manual),
            upstream: Some("http://p:1".to_owned()),
            ..SettingsChange::default()
        },
    );
    let switch = |settings: &Settings, on| {
        changed(
            settings,
            &SettingsChange {
                on: Some(on),
                ..SettingsChange::default()
            },
        )
    };
    let off = switch(&switch(&manual, false), false);
    assert_eq!(off.mode, Mode::Off);
    let on = switch(&off, true);
    assert_eq!(on, manual);
    assert_eq!(switch(&on, true), manual);
}

#[test]
fn a_password_in_a_changed_upstream_is_split_off() {
    let change = SettingsChange {
        upstream: Some("http://ann:s3cret@p.corp:3128".to_owned()),
        ..SettingsChange::default()
    };
    let changed = super::change(&Settings::default(), &change).unwrap();
    assert_eq!(
        changed.settings.upstream.unwrap().to_string(),
        "http://ann@p.corp:3128"
    );
    assert_eq!(changed.password.unwrap().expose_secret(), "s3cret");
}

#[test]
fn a_mode_without_what_it_needs_is_refused() {
    for (mode, field) in [(Mode::Manual, "upstream"), (Mode::Pac, "pac")] {
        let change = SettingsChange {
            mode: Some(mode),
            ..SettingsChange::default()
        };
        match super::change(&Settings::default(), &change) {
            Err(SettingsError::Refused { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{other:?}"),
        }
    }
}

fn docker(yes: bool) -> DockerSettings {
    DockerSettings {
        live_restore: yes,
        restart_swarm: !yes,
        recreate_builders: yes,
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let mode = || {
        prop_oneof![
            Just(Mode::System),
            Just(Mode::Manual),
            Just(Mode::Pac),
            Just(Mode::Off)
        ]
    };
    let upstream = prop::option::of((
        "[a-z]{1,9}",
        1u16..,
        prop::option::of("[^\\x00-\\x1f\\x7f-\\x9f]{1,9}"),
    ));
    let login = "http://[a-z]{1,9}@[a-z]{1,9}:[1-9][0-9]{0,3}";
    let rule = prop_oneof![
        Just("*".to_owned()),
        "[a-z]{1,9}\\.example",
        "\\.[a-z]{1,9}\\.example",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        (any::<std::net::Ipv4Addr>(), 0u8..=32).prop_map(|(ip, bits)| format!("{ip}/{bits}")),
    ];
    let bypass = prop::collection::vec(rule, 0..5);
    let ports = prop_oneof![
        Just(Ports::All),
        Just(Ports::default()),
        Just("1,8443".parse().unwrap())
    ];
    (
        mode(),
        mode(),
        any::<bool>(),
        upstream,
        prop::option::of("https://[a-z]{1,9}/x"),
        bypass,
        1u16..,
        any::<bool>(),
        ports,
        prop::collection::vec("\\PC{0,12}", 0..3),
        prop::collection::vec(login, 0..3),
    )
        .prop_map(
            |(
                mode,
                resume,
                mirror,
                upstream,
                pac,
                bypass,
                port,
                enabled,
                ports,
                leave_alone,
                logins,
            )| {
                Settings {
                    mode,
                    resume,
                    off_until: None,
                    profile: None,
                    profiles: Vec::new(),
                    style: if mirror { Style::Mirror } else { Style::Relay },
                    upstream: upstream.map(|(host, port, user)| {
                        format!("http://{host}:{port}")
                            .parse::<Upstream>()
                            .unwrap()
                            .with_user(user)
                    }),
                    fallbacks: logins.iter().map(|url| url.parse().unwrap()).collect(),
                    upstream_ca: pac.as_ref().map(|_| "/etc/corp/ca.pem".into()),
                    tickets: { leave_alone.iter() }
                        .map(|_| format!("proxy.test:{port}").parse().unwrap())
                        .collect(),
                    pac,
                    pac_unavailable: PacUnavailable::Direct,
                    bypass: Bypass(bypass.iter().map(|rule| rule.parse().unwrap()).collect()),
                    rules: { logins.iter() }
                        .map(|url| {
                            format!("example.com,.lab.test={url},direct")
                                .parse()
                                .unwrap()
                        })
                        .collect(),
                    logins: logins.iter().map(|url| url.parse().unwrap()).collect(),
                    relay: RelaySettings {
                        port,
                        clients: Vec::new(),
                    },
                    intercept: InterceptSettings {
                        enabled,
                        interfaces: Vec::new(),
                        ports,
                    },
                    leave_alone,
                    docker: docker(mirror),
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_saved_is_read_back(first in settings(), second in settings()) {
        let folder = folder();
        let path = folder.path().join("settings.toml");
        save(&path, &first).unwrap();
        prop_assert_eq!(&load(&path).unwrap(), &first);
        save(&path, &second).unwrap();
        prop_assert_eq!(&load(&path).unwrap(), &second);
    }

    #[test]
    fn no_text_makes_loading_panic(text in "([a-z]{1,9} = (\"[ -~]{0,9}\"|[0-9]{1,5}|\\[\\])\n|\\[relay\\]\n|\\PC{0,5}\n){0,8}") {
        let _ = load_text(&text);
    }
}
