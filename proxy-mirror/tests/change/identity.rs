//! Whatever a person's files hold: applied and undone, they are what they were.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use proptest::prelude::*;
use proxy_mirror::change::undo;
use serde_json::Value;

use crate::sandbox::{Sandbox, cli_config, containers_conf, daemon_json, drop_in};

/// Any object, with what Gangway sets among its members now and then.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~äß\\n]{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z\\-]{1,6}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let proxies = prop::option::of(prop::sample::select(vec![
        serde_json::json!({}),
        serde_json::json!({"http-proxy": "http://theirs.test:1"}),
        serde_json::json!({"default": {"httpProxy": "http://theirs.test:1"}, "tcp://h:1": {}}),
    ]));
    let members = prop::collection::btree_map("[a-z\\-]{1,8}", value, 0..4);
    (members, proxies).prop_map(|(mut members, proxies)| {
        members.remove("proxies");
        members.extend(proxies.map(|proxies| ("proxies".to_owned(), proxies)));
        Value::Object(members.into_iter().collect())
    })
}

/// The document as somebody's editor left it.
fn text() -> impl Strategy<Value = Vec<u8>> {
    (
        document(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(document, pretty, crlf, newline, mark)| {
            let mut text = if pretty {
                serde_json::to_string_pretty(&document).unwrap()
            } else {
                document.to_string()
            };
            if newline {
                text.push('\n');
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            if mark {
                text.insert(0, '\u{feff}');
            }
            text.into_bytes()
        })
}

/// A `containers.conf`: a table in each of the ways in which it can be written, and others around it.
fn conf() -> impl Strategy<Value = Vec<u8>> {
    let engine = prop::sample::select(vec![
        "",
        "[engine]\nruntime = 'crun'\n",
        "[engine]\nenv = ['A=b', \"https_proxy=http://ann:x@theirs.test:1\"] # mine\n",
        "[engine]\nenv = [\n\t# none yet\n]\n",
        "engine.runtime = \"crun\"\n",
        "engine = { env = [], runtime = \"crun\" }\n",
        "[engine.runtimes]\ncrun = [\"/bin/crun\"]\n",
    ]);
    let others = prop::sample::select(vec![
        "",
        "[containers]\nhttp_proxy = true # mine\n",
        "\n[containers]\ntz = \"local\"\n\n\n",
    ]);
    (engine, others, "[ -~äß]{0,8}", any::<bool>(), any::<bool>()).prop_map(
        |(engine, others, comment, crlf, newline)| {
            let mut text = format!("# {comment}\n{engine}{others}");
            if !newline {
                text.pop();
            }
            if crlf {
                text = text.replace('\n', "\r\n");
            }
            text.into_bytes()
        },
    )
}

fn put(machine: &Sandbox, path: &str, file: Option<&(Vec<u8>, u32, u32)>) {
    let path = machine.root().join(path);
    if let Some((bytes, mode, group)) = file {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        chown(&path, Some(0), Some(*group)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn applied_and_undone_every_file_is_what_it_was(
        daemon in prop::option::of((text(), prop::sample::select(vec![0o600, 0o640, 0o644]), 0u32..9)),
        cli in prop::option::of((text(), prop::sample::select(vec![0o600, 0o664]), 0u32..9)),
        podman in prop::option::of((conf(), prop::sample::select(vec![0o600, 0o664]), 0u32..9)),
        again in any::<bool>(),
    ) {
        let machine = Sandbox::new();
        put(&machine, "etc/docker/daemon.json", daemon.as_ref());
        put(&machine, "home/.docker/config.json", cli.as_ref());
        put(&machine, "home/.config/containers/containers.conf", podman.as_ref());
        std::fs::create_dir_all(machine.root().join("home")).unwrap();
        let before = machine.picture();
        let config = cli_config(Path::new("/home/.docker/config.json"));
        let conf = containers_conf(Path::new("/home/.config/containers/containers.conf"));
        let changes = [daemon_json(), drop_in("http://127.0.0.1:3182"), config, conf];
        machine.apply(&changes).unwrap();
        prop_assert_ne!(machine.picture(), before.clone());
        if again {
            machine.apply(&changes).unwrap();
        }
        undo(&machine.desks, None).unwrap();
        prop_assert_eq!(machine.picture(), before);
    }
}
