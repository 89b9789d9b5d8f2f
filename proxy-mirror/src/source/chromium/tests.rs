//! Files as Chromium 120 to 140 write them and as Chrome Enterprise's documentation gives them.

use std::fs;

use super::*;
use crate::source::{Lost, Says};

/// A home with a browser in it, and the machine's policies.
struct Machine(tempfile::TempDir);

const STATE: &str = r#"{"profile":{"last_used":"Profile 1","info_cache":{"Default":{}}}}"#;

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn policy(&self, text: &str) -> &Self {
        self.write("etc/opt/chrome/policies/managed/proxy.json", text)
    }

    fn profile(&self, proxy: &str) -> &Self {
        self.write("home/.config/google-chrome/Local State", STATE)
            .write(
                "home/.config/google-chrome/Profile 1/Preferences",
                &format!(r#"{{"browser":{{}},"proxy":{proxy},"session":{{}}}}"#),
            )
    }

    fn source(&self, id: SourceId) -> Chromium {
        let mut places = Places::from_vars(|name| {
            (name == "HOME").then(|| self.0.path().join("home").into_os_string())
        })
        .unwrap();
        places.etc = self.0.path().join("etc");
        Chromium::family(&places)
            .find(|browser| browser.id == id)
            .unwrap()
    }

    fn reading(&self) -> Reading {
        self.source(SourceId::Chrome).read().unwrap()
    }

    fn says(&self) -> String {
        self.reading().says.to_string()
    }

    fn proxy(&self) -> (String, String, Vec<Lost>) {
        match self.reading().says {
            Says::Proxy {
                upstream,
                bypass,
                lost,
            } => (upstream.to_string(), bypass.to_string(), lost),
            other => panic!("{other:?}"),
        }
    }

    fn origin(&self) -> String {
        self.shortened(&self.reading().origin.to_string())
    }

    fn error(&self) -> String {
        self.shortened(
            &self
                .source(SourceId::Chrome)
                .read()
                .unwrap_err()
                .to_string(),
        )
    }

    fn shortened(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn fixed(server: &str) -> String {
    format!(r#"{{"ProxySettings":{{"ProxyMode":"fixed_servers","ProxyServer":"{server}"}}}}"#)
}

#[test]
fn without_the_browser_and_without_a_proxy_of_its_own_it_says_nothing() {
    let machine = Machine::new();
    assert_eq!(machine.origin(), "not installed for this user");
    machine.profile("{}");
    assert_eq!(machine.reading().says, Says::Nothing);
    assert_eq!(machine.origin(), "it follows the system");
    machine.profile(r#"{"mode":"system"}"#);
    assert_eq!(machine.reading().says, Says::Nothing);
}

#[test]
fn every_mode_of_a_policy_says_what_the_browser_does() {
    let machine = Machine::new();
    for (settings, says) in [
        (r#""ProxyMode":"direct""#, "no proxy"),
        (r#""ProxyMode":"auto_detect""#, "automatic detection"),
        (
            r#""ProxyMode":"pac_script","ProxyPacUrl":"data:text/plain,'PROXY u:p@http://x'""#,
            "PAC file data:… (36 bytes)",
        ),
        (
            r#""ProxyMode":"pac_script","ProxyPacUrl":"http://wpad.corp/p.pac""#,
            "PAC file http://wpad.corp/p.pac",
        ),
        (
            r#""ProxyMode":"fixed_servers","ProxyServer":"proxy.corp:3128""#,
            "http://proxy.corp:3128",
        ),
        (r#""ProxyMode":"system""#, "nothing"),
        (r#""ProxyServerMode":0"#, "no proxy"),
        (r#""ProxyServerMode":1"#, "automatic detection"),
        (
            r#""ProxyServerMode":2,"ProxyServer":"proxy.corp:3128""#,
            "http://proxy.corp:3128",
        ),
        (
            r#""ProxyServerMode":2,"ProxyPacUrl":"http://wpad.corp/p.pac""#,
            "PAC file http://wpad.corp/p.pac",
        ),
        (r#""ProxyServerMode":3"#, "nothing"),
    ] {
        machine.policy(&format!(r#"{{"ProxySettings":{{{settings}}}}}"#));
        assert_eq!(machine.says(), says, "{settings}");
        machine.policy(&format!("{{{settings}}}"));
        assert_eq!(machine.says(), says, "as single policies: {settings}");
    }
}

#[test]
fn a_managed_policy_stands_over_the_profile_and_that_over_a_recommended_one() {
    let machine = Machine::new();
    machine.write(
        "etc/opt/chrome/policies/recommended/proxy.json",
        &fixed("recommended:1"),
    );
    assert_eq!(machine.says(), "http://recommended:1");
    machine.profile(r#"{"mode":"fixed_servers","server":"profile:1"}"#);
    assert_eq!(machine.says(), "http://profile:1");
    assert_eq!(
        machine.origin(),
        "home/.config/google-chrome/Profile 1/Preferences: proxy"
    );
    machine.policy(&fixed("managed:1"));
    assert_eq!(machine.says(), "http://managed:1");
    assert_eq!(
        machine.origin(),
        "etc/opt/chrome/policies/managed/proxy.json: ProxySettings"
    );
}

#[test]
fn the_last_policy_file_by_name_wins_and_the_dictionary_stands_over_single_policies() {
    let machine = Machine::new();
    machine.write("etc/opt/chrome/policies/managed/90.json", &fixed("last:1"));
    machine.write("etc/opt/chrome/policies/managed/10.json", &fixed("first:1"));
    machine.write("etc/opt/chrome/policies/managed/99.txt", &fixed("no:1"));
    assert_eq!(machine.says(), "http://last:1");
    machine.write(
        "etc/opt/chrome/policies/managed/95.json",
        r#"{"ProxyMode":"fixed_servers","ProxyServer":"single:1","HomepageLocation":"a"}"#,
    );
    assert_eq!(machine.says(), "http://last:1");
}

#[test]
fn policies_may_hold_comments_and_commas_at_the_end() {
    let machine = Machine::new();
    machine.policy(
        "\u{feff}// By the network team\n{\n  \"ProxyMode\": \"fixed_servers\", /* static */\n  \
         \"ProxyServer\": \"proxy.corp:3128\",\n  \"ProxyBypassList\": \"*.corp;<local>\",\n}\n",
    );
    let (upstream, bypass, lost) = machine.proxy();
    assert_eq!(upstream, "http://proxy.corp:3128");
    assert_eq!(bypass, ".corp,<local>");
    assert_eq!(lost, []);
}

#[test]
fn the_proxy_for_https_is_followed_then_that_for_http_then_that_for_the_rest() {
    let machine = Machine::new();
    for (server, upstream, lost) in [
        ("proxy.corp", "http://proxy.corp:80", vec![]),
        ("https://proxy.corp", "https://proxy.corp:443", vec![]),
        ("socks://proxy.corp", "socks5h://proxy.corp:1080", vec![]),
        ("socks=proxy.corp", "socks4://proxy.corp:1080", vec![]),
        ("[2001:db8::1]", "http://[2001:db8::1]:80", vec![]),
        (
            "http=a:1;https=b:2",
            "http://b:2",
            vec![Lost::other_for_http()],
        ),
        ("http=a:1;https=a:1", "http://a:1", vec![]),
        ("http=a:1", "http://a:1", vec![Lost::none_for_https()]),
        (
            "http=a:1;socks=socks5://c:3",
            "socks5h://c:3",
            vec![Lost::other_for_http()],
        ),
        (
            "a:1, b:2",
            "http://a:1",
            vec!["further proxies stand in the list; the first is followed".into()],
        ),
    ] {
        machine.policy(&fixed(server));
        let (read, _, said) = machine.proxy();
        assert_eq!((read.as_str(), said), (upstream, lost), "{server}");
    }
    machine.policy(&fixed("direct://"));
    assert_eq!(machine.reading().says, Says::Direct);
    machine.policy(&fixed("quic://proxy.corp:443"));
    assert_eq!(machine.says(), "quic proxy");
}

#[test]
fn what_the_browser_refuses_is_refused_with_its_place() {
    let machine = Machine::new();
    let place = "etc/opt/chrome/policies/managed/proxy.json";
    for (policy, error) in [
        (
            r#"{"ProxyServer":"proxy:1"}"#,
            "{P}: ProxyServer: `ProxyMode` is not set: the browser ignores the rest without it",
        ),
        (
            r#"{"ProxySettings":{"ProxyMode":"fixed_servers"}}"#,
            "{P}: ProxySettings: the mode needs `ProxyServer`, and it is not set",
        ),
        (
            r#"{"ProxyMode":"fixed"}"#,
            "{P}: ProxyMode: `ProxyMode` is `fixed`: it is one of direct, auto_detect, \
             pac_script, fixed_servers, system",
        ),
        (
            r#"{"ProxyServerMode":7}"#,
            "{P}: ProxyServerMode: `ProxyServerMode` is 7: it is a number from 0 to 3",
        ),
        (
            r#"{"ProxySettings":[]}"#,
            "{P}: ProxySettings: `ProxySettings` is not an object",
        ),
        ("[]", "{P}: is not a JSON object"),
        (
            "{\n  \"ProxyMode\": \"direct\",\n  \"ProxyServer\"\n}",
            "{P}:4:1: Expected colon after the string or word in object property",
        ),
    ] {
        machine.policy(policy);
        assert_eq!(machine.error(), error.replace("{P}", place), "{policy}");
    }
    machine.policy(&fixed("ann:secret@proxy.corp:3128"));
    assert_eq!(
        machine.error(),
        format!("{place}: ProxySettings: the proxy holds a user or a password: none is read there")
    );
}

#[test]
fn a_profile_named_outside_of_the_browsers_folder_is_not_followed() {
    let machine = Machine::new();
    machine
        .write("home/evil/Preferences", r#"{"proxy":{"mode":"direct"}}"#)
        .write(
            "home/.config/google-chrome/Local State",
            r#"{"profile":{"last_used":"../../evil"}}"#,
        )
        .write(
            "home/.config/google-chrome/Default/Preferences",
            r#"{"proxy":{"mode":"auto_detect"}}"#,
        );
    assert_eq!(machine.says(), "automatic detection");
}

#[test]
fn each_browser_reads_its_own_folders_snap_and_flatpak_among_them() {
    for (id, folder) in [
        (
            SourceId::Chrome,
            ".var/app/com.google.Chrome/config/google-chrome",
        ),
        (SourceId::Edge, ".config/microsoft-edge"),
        (SourceId::Brave, ".config/BraveSoftware/Brave-Browser"),
        (SourceId::Chromium, "snap/chromium/common/chromium"),
    ] {
        let machine = Machine::new();
        machine.write(
            &format!("home/{folder}/Default/Preferences"),
            r#"{"proxy":{"mode":"direct"}}"#,
        );
        for other in [
            SourceId::Chrome,
            SourceId::Edge,
            SourceId::Brave,
            SourceId::Chromium,
        ] {
            let says = machine.source(other).read().unwrap().says;
            assert_eq!(says == Says::Direct, other == id, "{folder} by {other:?}");
        }
    }
}

#[test]
fn the_files_that_were_read_are_watched() {
    let machine = Machine::new();
    machine.profile(r#"{"mode":"direct"}"#);
    let watched = machine.source(SourceId::Chrome).watched();
    for file in [
        "home/.config/google-chrome/Local State",
        "home/.config/google-chrome/Profile 1/Preferences",
        "etc/opt/chrome/policies/managed",
    ] {
        assert!(watched.contains(&machine.0.path().join(file)), "{file}");
    }
}

mod registry;
