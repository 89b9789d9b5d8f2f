use std::path::PathBuf;

use toml_edit::{DocumentMut, Key};

use super::super::file::{load_of, save_of};
use super::super::{
    BY_NETWORK, DockerSettings, Files, InterceptSettings, Managed, Mode, PacUnavailable, Profile,
    RelaySettings, Settings, Style, load, save,
};
use super::*;
use crate::messages::{Catalogue, Language};

const VERSION_1: &str = include_str!("fixtures/version-1.toml");
const VERSION_1_SAID: &str = include_str!("fixtures/version-1-said.toml");
const NEWER: &str = include_str!("fixtures/newer.toml");
const OLDER: &str = include_str!("fixtures/older.toml");
const BROUGHT_OVER: &str = include_str!("fixtures/older-brought-over.toml");

/// Steps that no Gangway has: `proxy` became `upstream`, and then the word `none` became `off`.
const STEPS: Versions = Versions(&[proxy_is_upstream, none_is_off]);

fn proxy_is_upstream(document: &mut DocumentMut) -> Result<(), String> {
    let table = document.as_table_mut();
    if table.contains_key("proxy") && table.contains_key("upstream") {
        return Err("`proxy` and `upstream` are the same: leave one out".to_owned());
    }
    let names: Vec<String> = table.iter().map(|(name, _)| name.to_owned()).collect();
    for name in names {
        let Some((key, item)) = table.remove_entry(&name) else {
            continue;
        };
        let key = match name.as_str() {
            "proxy" => Key::new("upstream").with_leaf_decor(key.leaf_decor().clone()),
            _ => key,
        };
        table.insert_formatted(&key, item);
    }
    Ok(())
}

fn none_is_off(document: &mut DocumentMut) -> Result<(), String> {
    let Some(mode) = document.get_mut("mode").and_then(Item::as_value_mut) else {
        return Ok(());
    };
    match mode.as_str() {
        Some("none") => {
            let decor = mode.decor().clone();
            *mode = "off".into();
            *mode.decor_mut() = decor;
            Ok(())
        }
        Some(_) => Ok(()),
        None => Err("`mode` is no word".to_owned()),
    }
}

struct Machine(tempfile::TempDir);

impl Machine {
    fn new(user: &str, managed: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        std::fs::write(machine.user(), user).unwrap();
        std::fs::write(machine.managed(), managed).unwrap();
        machine
    }

    fn user(&self) -> PathBuf {
        self.0.path().join("settings.toml")
    }

    fn managed(&self) -> PathBuf {
        self.0.path().join("managed.toml")
    }

    fn texts(&self) -> (String, String) {
        let read = |path| std::fs::read_to_string(path).unwrap();
        (read(self.user()), read(self.managed()))
    }

    fn with<T>(&self, then: impl FnOnce(Files<'_>) -> T) -> T {
        let (user, managed) = (self.user(), self.managed());
        then(Files {
            user: &user,
            managed: Some(&managed),
        })
    }
}

fn full() -> Settings {
    let upstream = |url: &str| url.parse().unwrap();
    Settings {
        mode: Mode::Off,
        resume: Mode::Manual,
        off_until: Some(9_999_999_999),
        profile: Some("office".into()),
        style: Style::Mirror,
        upstream: Some(upstream("http://ann@proxy.corp.example:3128")),
        fallbacks: vec![
            upstream("socks5h://second.corp.example:1080"),
            upstream("http://direct.corp.example:8080"),
        ],
        upstream_ca: Some("/etc/corp/ca.pem".into()),
        tickets: vec!["proxy.corp.example:3128".parse().unwrap()],
        pac: Some("http://wpad.corp.example/proxy.pac".into()),
        pac_unavailable: PacUnavailable::Direct,
        bypass: ".corp.example,10.0.0.0/8,<local>".parse().unwrap(),
        rules: vec![
            "registry.example.com=http://other:8080".parse().unwrap(),
            ".lab.example=direct".parse().unwrap(),
        ],
        logins: vec![upstream("http://ann@proxy.corp.example:3128")],
        relay: RelaySettings {
            port: 4000,
            clients: vec!["192.168.7.0/24".parse().unwrap()],
        },
        intercept: InterceptSettings {
            enabled: false,
            interfaces: vec!["cni0".parse().unwrap(), "br-*".parse().unwrap()],
            ports: "80,8443".parse().unwrap(),
        },
        leave_alone: vec!["docker-cli".into()],
        docker: DockerSettings {
            live_restore: true,
            restart_swarm: true,
            recreate_builders: true,
        },
        profiles: vec![Profile {
            name: "office".into(),
            gateway: vec!["10.1.0.1".parse().unwrap()],
            dns_suffix: vec!["corp.example".into()],
            interface: vec!["tun0".parse().unwrap()],
            reachable: vec!["proxy.corp.example:3128".parse().unwrap()],
            mode: Some(Mode::Manual),
            upstream: Some(upstream("http://proxy.corp.example:8080")),
            fallbacks: Some(vec![upstream("http://second.corp.example:8080")]),
            pac: Some("http://wpad.corp.example/office.pac".into()),
            bypass: Some(".office.example".parse().unwrap()),
            rules: vec![".lab.example=direct".parse().unwrap()],
        }],
    }
}

#[test]
fn settings_of_version_1_mean_what_they_always_did_whether_or_not_they_say_so() {
    assert_ne!(full().profile.as_deref(), Some(BY_NETWORK));
    for text in [VERSION_1, VERSION_1_SAID] {
        let machine = Machine::new(text, "");
        assert_eq!(machine.with(|files| load(files)).unwrap(), full());
        let settings = Settings {
            style: Style::Relay,
            ..full()
        };
        machine.with(|files| save(files, &settings)).unwrap();
        let changed = text.replace("style = \"mirror\"", "style = \"relay\"");
        assert_eq!(machine.texts().0, changed);
    }
    for managed in [VERSION_1, VERSION_1_SAID] {
        let machine = Machine::new("mode = \"manual\"\n", managed);
        assert_eq!(machine.with(|files| load(files)).unwrap(), full());
        let fixed = machine.with(Managed::read).unwrap().keys;
        assert_eq!(fixed.len(), super::super::keys::KNOWN.len());
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_as_it_is() {
    for (user, managed, at_fault) in [
        (NEWER, "", "settings.toml"),
        ("", NEWER, "managed.toml"),
        (
            "",
            "reason = \"x\"\nversion = 9223372036854775807",
            "managed.toml",
        ),
        ("version = 2", "", "settings.toml"),
    ] {
        let machine = Machine::new(user, managed);
        let before = machine.texts();
        let read = machine.with(|files| load(files)).unwrap_err();
        let written = machine.with(|files| save(files, &full())).unwrap_err();
        for error in [read, written] {
            let SettingsError::Newer {
                path, newest: 1, ..
            } = &error
            else {
                panic!("{error:?}");
            };
            assert!(path.ends_with(at_fault), "{error}");
            assert!(
                error.to_string().contains("a newer Gangway wrote"),
                "{error}"
            );
            assert!(error.what().ends_with("nothing was changed"), "{error}");
            assert!(error.to_string().starts_with(&error.place(path)), "{error}");
            let japanese = Catalogue::of(Language::Ja).problem(&error.problem());
            assert!(japanese.contains("新しい Gangway"), "{japanese}");
        }
        assert_eq!(machine.texts(), before);
    }
    let error = Machine::new(NEWER, "")
        .with(|files| load(files))
        .unwrap_err();
    assert!(
        error.to_string().contains("settings.toml:3:11: "),
        "{error}"
    );
    assert!(error.to_string().contains("in version 7"), "{error}");
}

#[test]
fn a_version_that_is_none_is_refused_with_its_place() {
    for (text, place) in [
        ("version = 0", ":1:11"),
        ("version = -1", ":1:11"),
        ("# x\nversion = \"1\"", ":2:11"),
        ("version = 1.0", ":1:11"),
        ("[version]\nof = 1", ":1:1"),
        ("version.of = 1", ":1:"),
    ] {
        let machine = Machine::new(text, "");
        let error = machine.with(|files| load(files)).unwrap_err().to_string();
        assert!(error.contains(&format!("settings.toml{place}")), "{error}");
        assert!(
            error.ends_with("`version` is a whole number from 1 to 1"),
            "{error}"
        );
    }
    let machine = Machine::new("\nvresion = 1", "");
    let error = machine.with(|files| load(files)).unwrap_err().to_string();
    assert!(
        error.ends_with(":2:1: unknown key `vresion`: did you mean `version`?"),
        "{error}"
    );
}

#[test]
fn an_older_file_is_brought_over_in_memory_and_on_disk_with_the_next_change() {
    let machine = Machine::new(OLDER, "");
    let mut settings = machine.with(|files| load_of(STEPS, files)).unwrap();
    let upstream = settings.upstream.as_ref().map(ToString::to_string);
    assert_eq!(upstream.as_deref(), Some("http://proxy.corp.example:3128"));
    assert_eq!((settings.mode, settings.relay.port), (Mode::Off, 4000));
    machine
        .with(|files| save_of(STEPS, files, &settings))
        .unwrap();
    assert_eq!(
        machine.texts().0,
        OLDER,
        "nothing was changed, so nothing is written"
    );

    settings.style = Style::Relay;
    machine
        .with(|files| save_of(STEPS, files, &settings))
        .unwrap();
    let changed = BROUGHT_OVER.replace("style = \"mirror\"\n", "style = \"relay\"\r\n");
    assert_eq!(machine.texts().0, changed);
    assert_eq!(
        machine.with(|files| load_of(STEPS, files)).unwrap(),
        settings
    );

    // What is written now is none of an older Gangway's business.
    let error = machine.with(|files| load(files)).unwrap_err();
    assert!(
        matches!(error, SettingsError::Newer { version: 3, .. }),
        "{error:?}"
    );
}

#[test]
fn only_the_steps_from_the_files_own_version_on_are_taken() {
    let path = Path::new("settings.toml");
    let over = |text| STEPS.migrated(path, text).map(Cow::into_owned);
    assert_eq!(over(OLDER).unwrap(), BROUGHT_OVER);
    let second = "version = 2 # x\nproxy = \"a\"\nmode = \"none\"\n";
    let third = "version = 3 # x\nproxy = \"a\"\nmode = \"off\"\n";
    assert_eq!(over(second).unwrap(), third);
    assert_eq!(over(third).unwrap(), third);
    assert_eq!(
        over("").unwrap(),
        "version = 3\n",
        "a new file says its version"
    );
    assert_eq!(
        over("# only words\n").unwrap(),
        "version = 3\n# only words\n"
    );
    assert_eq!(
        over("# of the table\n[relay]\nport = 1").unwrap(),
        "version = 3\n# of the table\n[relay]\nport = 1"
    );
    for (text, what) in [
        ("mode = 7", "`mode` is no word"),
        ("proxy = 1\nupstream = 1", "leave one out"),
    ] {
        let error = over(text).unwrap_err();
        assert!(error.to_string().ends_with(what), "{error}");
    }
}

#[test]
fn an_error_in_an_older_file_points_into_the_file_as_it_is() {
    for (text, place) in [
        // `version = 3` comes to stand above the table.
        ("proxy = \"http://a:1\"\n[relay]\nport = 70000\n", ":3:8: "),
        ("proxy = \"http://a b:1\"\n", ":1:"),
        ("[relay]\r\nprot = 1\r\n", ":2:1: unknown key `relay.prot`"),
        ("\n\nmode = \"nine\"", ":3:8: "),
    ] {
        let machine = Machine::new(text, "");
        let error = machine.with(|files| load_of(STEPS, files)).unwrap_err();
        let named = format!("settings.toml{place}");
        assert!(error.to_string().contains(&named), "{error}");
    }
}

#[test]
fn an_administrators_older_file_fixes_what_it_meant() {
    let machine = Machine::new("mode = \"manual\"\n", OLDER);
    let before = machine.texts();
    let managed = machine
        .with(|files| Managed::read_of(STEPS, files))
        .unwrap();
    assert_eq!(managed.keys, ["mode", "style", "upstream", "relay.port"]);
    let mut settings = machine.with(|files| load_of(STEPS, files)).unwrap();
    assert_eq!((settings.mode, settings.style), (Mode::Off, Style::Mirror));
    settings.mode = Mode::Manual;
    let refused = machine.with(|files| save_of(STEPS, files, &settings));
    assert!(
        matches!(refused, Err(SettingsError::Managed { key: "mode", .. })),
        "{refused:?}"
    );
    assert_eq!(machine.texts(), before);
}
