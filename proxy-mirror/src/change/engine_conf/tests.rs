use std::path::{Path, PathBuf};

use proptest::prelude::*;
use toml::{Table, Value};

use crate::change::render::{Inverse, inverse, render, take_back};
use crate::change::{Change, FileId};

const RELAY: &str = "http://172.17.0.1:3182";

fn change(proxy: &str, for_containers: bool) -> Change {
    let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Change::SetEngineEnv {
        file: FileId::PodmanConf {
            path: PathBuf::from("/home/ann/.config/containers/containers.conf"),
        },
        environment: vec![
            of("https_proxy", proxy),
            of("HTTPS_PROXY", proxy),
            of("no_proxy", "localhost,10.0.0.0/8"),
        ],
        for_containers,
    }
}

fn path() -> &'static Path {
    Path::new("containers.conf")
}

fn rendered_by(change: &Change, text: &str) -> String {
    let bytes = render(change, path(), Some(text.as_bytes()), None).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn rendered(text: &str) -> String {
    rendered_by(&change(RELAY, true), text)
}

/// What `undo` makes of it where somebody else has changed the file, to what it is now.
fn taken_out(before: &str, after: &str, now: &str) -> Option<String> {
    let before = (!before.is_empty()).then_some(before.as_bytes());
    let (after, now) = (after.as_bytes(), now.as_bytes());
    let inverse = inverse(&change(RELAY, true), path(), before, after, None).unwrap();
    let bytes = take_back(&inverse, path(), before, now).unwrap();
    bytes.map(|bytes| String::from_utf8(bytes).unwrap())
}

fn refusal(text: &str) -> String {
    let error = render(&change(RELAY, true), path(), Some(text.as_bytes()), None);
    error.unwrap_err().to_string()
}

#[test]
fn an_absent_file_becomes_a_table_with_a_list() {
    let list = "env = [\n  \"https_proxy=http://172.17.0.1:3182\",\n  \"HTTPS_PROXY=http://172.17.0.1:3182\",\n  \"no_proxy=localhost,10.0.0.0/8\",\n]\n";
    assert_eq!(rendered(""), format!("[engine]\n{list}"));
    assert_eq!(
        rendered("# mine\n[containers]\ntz = \"local\"\n"),
        format!("# mine\n[containers]\ntz = \"local\"\n\n[engine]\n{list}")
    );
    assert_eq!(
        rendered("[engine] # mine\n# env = []\nruntime = \"crun\"\n"),
        format!("[engine] # mine\n{list}# env = []\nruntime = \"crun\"\n")
    );
}

#[test]
fn variables_of_the_users_own_stay_beside_ours_and_an_old_proxy_is_replaced_in_its_place() {
    assert_eq!(
        rendered("[engine]\nenv=[ 'https_proxy=http://old:1', \"A=b\" ] # mine\n"),
        "[engine]\nenv=[ \"https_proxy=http://172.17.0.1:3182\", \"A=b\", \
         \"HTTPS_PROXY=http://172.17.0.1:3182\", \"no_proxy=localhost,10.0.0.0/8\" ] # mine\n"
    );
    // A list of Podman 4.6 and later, with lines and comments of the user's.
    let text = "[engine]\r\nenv = [\r\n\t\"A=b\", # one, two\r\n\t{append = true} # three\r\n\t# four\r\n]\r\n";
    let after = rendered(text);
    assert_eq!(
        after,
        "[engine]\r\nenv = [\r\n\t\"A=b\", # one, two\r\n\t{append = true}, # three\
         \r\n\t\"https_proxy=http://172.17.0.1:3182\",\
         \r\n\t\"HTTPS_PROXY=http://172.17.0.1:3182\",\
         \r\n\t\"no_proxy=localhost,10.0.0.0/8\"\r\n\t# four\r\n]\r\n"
    );
    assert_eq!(taken_out(text, &after, &after).as_deref(), Some(text));
}

#[test]
fn podman_follows_the_first_of_several_entries_and_so_does_this() {
    let text = "[engine]\nenv = [\"https_proxy=http://a:1\", \"https_proxy=http://b:1\"]\n";
    let after = rendered(text);
    assert!(after.contains("[\"https_proxy=http://172.17.0.1:3182\", \"https_proxy=http://b:1\""));
    assert_eq!(taken_out(text, &after, &after).as_deref(), Some(text));
}

#[test]
fn what_somebody_else_wrote_since_is_kept() {
    let text = "[containers]\r\ntz = \"local\"";
    let after = rendered(text);
    // A variable and a key of theirs, and a proxy that is another than ours.
    let now = after
        .replace("env = [", "runtime = \"crun\"\r\nenv = [\r\n  \"A=b\",")
        .replace("no_proxy=localhost,10.0.0.0/8", "no_proxy=.corp.test");
    assert_eq!(
        taken_out(text, &after, &now).as_deref(),
        Some(
            "[containers]\r\ntz = \"local\"\r\n\r\n[engine]\r\nruntime = \"crun\"\r\nenv = [\r\n  \"A=b\",\r\n  \"no_proxy=.corp.test\",\r\n]"
        )
    );
    assert_eq!(taken_out(text, &after, &after).as_deref(), Some(text));
    // What they took out stays out.
    let text = "[engine]\nenv = ['https_proxy=http://old:1', 'A=b']\n";
    let after = rendered(text);
    let now = after.replace("\"https_proxy=http://172.17.0.1:3182\", ", "");
    assert_ne!(now, after);
    assert_eq!(
        taken_out(text, &after, &now).as_deref(),
        Some("[engine]\nenv = ['A=b']\n")
    );
    let nothing = rendered("");
    assert_eq!(taken_out("", &nothing, &nothing), None);
}

#[test]
fn a_crash_between_two_changes_leaves_either_and_both_are_ours() {
    let text = "[engine]\nenv = ['A=b']\n";
    let (first, then) = (change("http://10.0.0.1:1", true), change(RELAY, true));
    let old = rendered_by(&first, text);
    let new = rendered_by(&then, &old);
    let of = |change: &Change, after: &str, earlier: Option<&Inverse>| {
        let before = Some(text.as_bytes());
        inverse(change, path(), before, after.as_bytes(), earlier).unwrap()
    };
    let earlier = of(&first, &old, None);
    let on_its_way = of(&then, &new, Some(&earlier)).or(&earlier);
    for now in [&old, &new] {
        let theirs = now.replace("'A=b'", "'A=c'");
        let left = take_back(
            &on_its_way,
            path(),
            Some(text.as_bytes()),
            theirs.as_bytes(),
        );
        assert_eq!(
            left.unwrap().unwrap(),
            text.replace("A=b", "A=c").as_bytes()
        );
    }
}

#[test]
fn containers_are_kept_from_an_address_that_they_cannot_reach_unless_the_user_says_otherwise() {
    let withheld = change("http://127.0.0.1:3182", false);
    let after = rendered_by(&withheld, "[containers]\ntz = \"local\"\n");
    assert!(
        after.starts_with("[containers]\nhttp_proxy = false # Gangway: "),
        "{after}"
    );
    assert_eq!(rendered_by(&withheld, &after), after, "once");
    assert!(
        !rendered(&after).contains("http_proxy = false"),
        "it has an address again"
    );
    for theirs in ["true", "false", "false # mine"] {
        let text = format!("[containers]\nhttp_proxy = {theirs}\n");
        for change in [&withheld, &change(RELAY, true)] {
            let after = rendered_by(change, &text);
            assert!(after.starts_with(&text), "{after}");
        }
    }
}

#[test]
fn what_cannot_be_edited_is_named_and_left_alone() {
    assert!(refusal("[engine]\nenv = [\n").starts_with("containers.conf:"));
    assert!(refusal("[engine]\nenv = \"A=b\"\n").contains("`engine.env` is there, and is no list"));
    assert!(refusal("engine = 3\n").contains("`engine` is there, and is no table"));
    assert!(refusal("[[engine]]\n").contains("`engine` is there, and is no table"));
    let withheld = change("http://127.0.0.1:3182", false);
    let inline = render(
        &withheld,
        path(),
        Some(b"containers = { tz = \"local\" }\n"),
        None,
    );
    assert!(
        inline
            .unwrap_err()
            .to_string()
            .contains("write it as `[containers]`")
    );
    let not_text = render(&change(RELAY, true), path(), Some(b"a = \"\xff\"\n"), None);
    assert!(
        not_text
            .unwrap_err()
            .to_string()
            .contains(":1:6: this is not UTF-8")
    );
}

/// One entry of the list, as people write it.
fn entry() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[A-Za-z_]{1,6}=[ -!#-&(-\\[\\]-~ä]{0,8}",
        Just("https_proxy=http://ann:old@theirs.test:1".to_owned()),
        Just("no_proxy=a,b".to_owned()),
    ];
    (text, any::<bool>()).prop_map(|(text, literal)| {
        if literal {
            format!("'{text}'")
        } else {
            format!("\"{text}\"")
        }
    })
}

fn list() -> impl Strategy<Value = String> {
    let entries = prop::collection::vec(entry(), 0..4);
    let layout = prop::sample::select(vec![
        ("[", ", ", "]"),
        ("[ ", " ,", " ]"),
        ("[\n  ", ",\n  ", "\n]"),
        ("[\n\t", ", # it's one, two\n\t", " # [last\n]"),
        ("[\n", "\n , ", "\n  ]"),
    ]);
    (entries, layout, any::<bool>()).prop_map(|(entries, (open, between, close), comma)| {
        let comma = if comma && !entries.is_empty() {
            ","
        } else {
            ""
        };
        format!("{open}{}{comma}{close}", entries.join(between))
    })
}

/// A `containers.conf` as somebody's editor left it.
fn conf() -> impl Strategy<Value = String> {
    let behind = prop::sample::select(vec!["", " # mine", "\n# mine", "\n\n"]);
    let engine = (prop::option::of(list()), 0..5, behind).prop_map(|(list, form, behind)| {
        let list = list.map(|list| format!("env = {list}{behind}"));
        match (form, list) {
            (0, _) => String::new(),
            (1, Some(list)) => format!("[engine]\nruntime = \"crun\"\n{list}\n[engine.runtimes]\n"),
            (1, None) => "[engine.runtimes]\ncrun = [\"/usr/bin/crun\"]\n".to_owned(),
            (2, Some(list)) => format!("[ engine ] # {{\n{list}\nruntime = 'crun'\n"),
            (2, None) => "[engine]\n# env = []\n".to_owned(),
            (3, Some(list)) => format!("engine.runtime = \"crun\"\nengine.{list}\n"),
            (3, None) => "engine.runtime = \"crun\"\n".to_owned(),
            (_, Some(list)) if !list.contains(['#', '\n']) => format!("engine = {{ {list} }}\n"),
            (_, _) => "engine = { runtime = \"crun\" } # mine\n".to_owned(),
        }
    });
    let containers = prop::sample::select(vec![
        "",
        "[containers]\n",
        "[containers]\ntz = \"local\"\nhttp_proxy = true\n",
        "\n# [engine]\n[network] # env = []\nmtu = 0x10\n\n",
        "[containers]\nenv = [\"TOKEN=x\"]\n[secrets.opts]\na = \"\"\"\n[engine]\nenv = []\n\"\"\"\n",
    ]);
    (engine, containers, any::<(bool, bool, bool)>()).prop_map(
        |(engine, others, (newline, crlf, mark))| {
            // Keys without a header come first.
            let mut text = format!("# top\n{engine}{others}");
            if !newline {
                text.truncate(text.trim_end().len());
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            if mark {
                text.insert(0, '\u{feff}');
            }
            text
        },
    )
}

fn meaning(text: &str) -> Table {
    text.trim_start_matches('\u{feff}').parse().unwrap()
}

/// What Podman would have: the first entry of each name, in order.
fn variables(text: &str) -> Vec<(String, String)> {
    let meaning = meaning(text);
    let list = meaning.get("engine").and_then(|engine| engine.get("env"));
    let mut found: Vec<(String, String)> = Vec::new();
    for entry in list.and_then(Value::as_array).into_iter().flatten() {
        let (name, value) = entry.as_str().unwrap().split_once('=').unwrap();
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found.sort();
    found
}

/// Everything else.
fn others(text: &str) -> Table {
    let mut meaning = meaning(text);
    if let Some(Value::Table(engine)) = meaning.get_mut("engine") {
        engine.remove("env");
        if engine.is_empty() {
            meaning.remove("engine");
        }
    }
    if let Some(Value::Table(containers)) = meaning.get_mut("containers") {
        if containers.get("http_proxy") == Some(&Value::Boolean(false)) {
            containers.remove("http_proxy");
        }
        if containers.is_empty() {
            meaning.remove("containers");
        }
    }
    meaning
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn only_ours_is_set_and_taken_out_again(text in conf(), for_containers in any::<bool>()) {
        let change = change(RELAY, for_containers);
        let after = rendered_by(&change, &text);
        prop_assert_eq!(&rendered_by(&change, &after), &after);
        let Change::SetEngineEnv { environment, .. } = &change else { unreachable!() };
        let mut wanted = variables(&text);
        wanted.retain(|(name, _)| !environment.iter().any(|(ours, _)| ours == name));
        wanted.extend(environment.clone());
        wanted.sort();
        prop_assert_eq!(variables(&after), wanted);
        prop_assert_eq!(others(&after), others(&text));
        // Every line that is not ours is still there, in its order.
        // But for the comma that an entry needs once another one follows.
        let plain = |text: &str| text.replace(',', "");
        let after_plain = plain(&after);
        let mut lines = after_plain.lines();
        let theirs = |line: &&str| {
            !line.contains("env") && !line.contains("proxy") && !line.starts_with("engine =")
        };
        for line in plain(&text).lines().filter(theirs) {
            prop_assert!(lines.any(|kept| kept.starts_with(line)), "{:?} in {}", line, after);
        }

        let inverse: Inverse =
            inverse(&change, path(), Some(text.as_bytes()), after.as_bytes(), None).unwrap();
        let stored = serde_json::to_string(&inverse).unwrap();
        let inverse: Inverse = serde_json::from_str(&stored).unwrap();
        let back = take_back(&inverse, path(), Some(text.as_bytes()), after.as_bytes()).unwrap();
        let back = back.map(|bytes| String::from_utf8(bytes).unwrap()).unwrap_or_default();
        prop_assert_eq!(meaning(&back), meaning(&text));
        // A quotation mark of another kind is all that may differ.
        prop_assert_eq!(back.replace('\'', "\""), text.replace('\'', "\""));
    }
}
