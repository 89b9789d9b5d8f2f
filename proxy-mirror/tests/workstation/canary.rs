//! A password that would be noticed anywhere.

use testbed::{APP_IMAGE, BasicLogin, Squid, Workstation, wait_for};

use crate::office::{Office, SOON, gangway, set_up, text};

const CANARY: &str = "canary-7f3a9c51e2";
/// `ann:canary-7f3a9c51e2` as Basic credentials carry it.
const ENCODED: &str = "YW5uOmNhbmFyeS03ZjNhOWM1MWUy";

/// A user's session: a bus, an unlocked keychain, the password stored by the command, the agent.
const SESSION: &str = "\
echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null
/opt/gangway/gangway login < /run/typed || exit
rm /run/typed
exec /opt/gangway/gangway run
";

#[test]
fn a_stored_password_opens_the_proxy_and_is_found_nowhere_but_in_the_keychain() {
    let office = Office::open();
    let login = BasicLogin {
        user: "ann".into(),
        password: CANARY.into(),
    };
    let squid = Squid::with_basic(&office.corp, 3129, &login).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    let upstream = format!("http://ann@{}", squid.address());
    let set = gangway(&ws, &["set", "upstream", &upstream]);
    assert!(set.status.success(), "{}", text(&set.stderr));
    ws.write("/run/typed", CANARY).unwrap();
    ws.write("/run/session", SESSION).unwrap();
    ws.sh("systemd-run --quiet --unit=session --setenv=HOME=/root \
         dbus-run-session -- sh /run/session")
        .unwrap();
    wait_for("the password opens the proxy", SOON, || {
        let pulled = ws.exec("docker", &["pull", "-q", APP_IMAGE]).ok()?;
        pulled.status.success().then_some(())
    })
    .unwrap_or_else(|late| {
        let log = ws.sh("journalctl -b --no-pager -u session -u gangway-engine");
        panic!("{late}: {}", log.unwrap_or_default())
    });
    ws.sh(&format!(
        "docker run --detach --name app {APP_IMAGE} sleep 60"
    ))
    .unwrap();
    for command in [&["status", "--json"][..], &["plan"], &["explain", "x.test"]] {
        let said = gangway(&ws, command);
        assert!(!text(&said.stdout).contains(CANARY), "{command:?}");
        assert!(!text(&said.stderr).contains(CANARY), "{command:?}");
    }

    let found = places(&ws);
    assert!(found.is_empty(), "{found}");
    // The search does find what is there to be found.
    ws.write("/var/tmp/planted", CANARY).unwrap();
    ws.sh(&format!(
        "docker run --detach --env PLANTED={CANARY} {APP_IMAGE} sleep 60"
    ))
    .unwrap();
    let found = places(&ws);
    for planted in ["var/tmp/planted", "/environ", "\"PLANTED="] {
        assert!(found.contains(planted), "{planted} not in {found}");
    }
}

/// Where the password, or what Basic makes of it, is seen on the whole machine but in the keychain.
fn places(ws: &Workstation<'_>) -> String {
    let search = format!(
        "set +e; cd / || exit
         for word in {CANARY} {ENCODED}; do
             grep -rlaF --devices=skip --exclude-dir=keyrings -e \"$word\" \
                 etc home root run tmp usr/local var 2>/dev/null
             for file in cmdline environ; do
                 for process in /proc/[0-9]*; do
                     # Not the search itself.
                     case $(readlink $process/exe) in */grep | */sh | */dash) continue ;; esac
                     grep -qaF -e \"$word\" $process/$file 2>/dev/null && echo $process/$file
                 done
             done
             journalctl --no-pager | grep -F -e \"$word\"
             docker ps --all --quiet | xargs docker inspect | grep -F -e \"$word\"
             docker info 2>&1 | grep -F -e \"$word\"
         done; true"
    );
    ws.sh(&search).unwrap()
}
