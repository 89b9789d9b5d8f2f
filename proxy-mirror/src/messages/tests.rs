use super::*;

fn arguments(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split('{')
        .skip(1)
        .map(|part| part.split_once('}').expect("every { has its }").0)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn both_languages_have_the_same_keys_and_arguments() {
    let english = &Catalogue::of(Language::En).texts;
    let japanese = &Catalogue::of(Language::Ja).texts;
    let keys = |texts: &'static BTreeMap<String, String>| texts.keys().collect::<Vec<_>>();
    assert_eq!(keys(english), keys(japanese));
    for (key, text) in english {
        assert_eq!(arguments(text), arguments(&japanese[key]), "{key}");
        assert!(
            !text.trim().is_empty() && !japanese[key].trim().is_empty(),
            "{key}"
        );
    }
}

#[test]
fn keys_are_names_that_the_window_can_call() {
    for key in Catalogue::of(Language::En).texts.keys() {
        let plain = key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        assert!(
            plain && !key.starts_with(|c: char| c.is_ascii_digit()),
            "{key}"
        );
    }
}

#[test]
fn the_language_follows_posix() {
    let of = |vars: &[(&str, &str)]| {
        Language::from_vars(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(of(&[("LANG", "ja_JP.UTF-8")]), Language::Ja);
    assert_eq!(
        of(&[("LANG", "ja_JP.UTF-8"), ("LC_ALL", "C")]),
        Language::En
    );
    assert_eq!(of(&[("LANG", "ja_JP.UTF-8"), ("LC_ALL", "")]), Language::Ja);
    assert_eq!(of(&[]), Language::En);
}

#[test]
fn a_problem_without_its_arguments_falls_back_to_its_own_sentence() {
    let whole = Problem::new("not_carried_over", "english")
        .with("origin", "prefs.js")
        .with("what", "x");
    assert!(
        Catalogue::of(Language::Ja)
            .problem(&whole)
            .contains("prefs.js")
    );
    let partial = Problem::new("not_carried_over", "english").with("origin", "prefs.js");
    assert_eq!(Catalogue::of(Language::Ja).problem(&partial), "english");
    let unknown = Problem::new("no_such_code", "english");
    assert_eq!(Catalogue::of(Language::Ja).problem(&unknown), "english");
}

#[test]
fn an_argument_that_looks_like_a_place_is_not_filled_again() {
    let problem = Problem::new("not_carried_over", "")
        .with("origin", "{what}")
        .with("what", "x");
    assert!(
        Catalogue::of(Language::En)
            .problem(&problem)
            .contains("{what}")
    );
}

/// The codes that `Problem::new("…"` and `code()` name in a room's source.
fn codes(folder: &std::path::Path) -> Vec<(String, std::path::PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources stand beside the test") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            found.extend(codes(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("sources are text");
            // Tests at the end of a file make problems of their own.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for start in ["Problem::new(", "code: "] {
                for part in text.split(start).skip(1) {
                    let code = part
                        .trim_start()
                        .strip_prefix('"')
                        .and_then(|rest| rest.split_once('"'));
                    found.extend(code.map(|(code, _)| (code.to_owned(), path.clone())));
                }
            }
            // `Self::Stale { .. } => "plan_stale",`
            if text.contains("fn code(") || text.contains("let code = match") {
                for part in text.split("=> \"").skip(1) {
                    found.extend(
                        part.split_once('"')
                            .map(|(code, _)| (code.to_owned(), path.clone())),
                    );
                }
            }
        }
    }
    found.retain(|(code, _)| {
        !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    });
    found
}

#[test]
fn every_problem_of_the_engine_and_the_agent_can_be_told_in_both_languages() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let english = &Catalogue::of(Language::En).texts;
    let mut seen = 0;
    for room in ["src", "../proxy-engine/src"] {
        for (code, file) in codes(&here.join(room)) {
            seen += 1;
            let key = format!("problem_{code}");
            assert!(
                english.contains_key(&key),
                "{}: no {key} in messages/en.json",
                file.display()
            );
        }
    }
    assert!(
        seen > 30,
        "only {seen} codes were found: has the way they are written changed?"
    );
}

/// What `Said::new("key", &[("name", …), …])` names in a room's source: the key and its arguments.
fn sentences(folder: &std::path::Path) -> Vec<(String, std::path::PathBuf)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources stand beside the test") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            found.extend(sentences(&path));
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).expect("sources are text");
            for part in text.split("\"said_").skip(1) {
                let (key, _) = part.split_once('"').expect("a text has its end");
                found.push((format!("said_{key}"), path.clone()));
            }
        }
    }
    found
}

#[test]
fn every_sentence_is_in_the_catalogue_and_none_is_left_over() {
    let rooms = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let english = &Catalogue::of(Language::En).texts;
    let said = sentences(&rooms);
    for (key, file) in &said {
        assert!(english.contains_key(key), "{}: {key}", file.display());
    }
    for key in english.keys().filter(|key| key.starts_with("said_")) {
        assert!(
            said.iter().any(|(said, _)| said == key),
            "nobody says {key}"
        );
    }
}

#[test]
fn a_sentence_is_said_in_each_language_and_in_english_where_it_is_in_none() {
    let japanese = Catalogue::of(Language::Ja);
    let pac = Said::new("said_pac", &[("url", &"http://w/p.pac")]);
    assert_eq!(pac.english, "PAC file http://w/p.pac");
    assert_eq!(japanese.said(&pac), "PAC ファイル http://w/p.pac");
    let theirs = Said::verbatim("connection refused");
    assert_eq!(japanese.said(&theirs), "connection refused");
    let problem = Said::from(
        Problem::new("settings_unreadable", "english")
            .with("file", "f")
            .with("reason", "r"),
    );
    assert!(japanese.said(&problem).contains("設定ファイル f"));
}
