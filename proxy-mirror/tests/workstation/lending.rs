//! Who may lend to the installed service: a plain user, from the moment they install it.

use testbed::{APP_IMAGE, BasicLogin, Squid, wait_for};

use crate::office::{GANGWAY, Office, SOON, text};
use crate::user::User;

const PASSWORD: &str = "s3cret";

/// A user's session: a bus, an unlocked keychain, the password stored by the command, the agent.
const SESSION: &str = "\
echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null
echo s3cret | /opt/gangway/gangway login || exit
exec /opt/gangway/gangway run
";

#[test]
fn a_user_lends_without_a_new_log_in_and_a_stranger_is_told_how() {
    let office = Office::open();
    let login = BasicLogin {
        user: "ann".into(),
        password: PASSWORD.into(),
    };
    let squid = Squid::with_basic(&office.corp, 3129, &login).unwrap();
    let ws = office.workstation();
    let (dev, eve) = (User::of(&ws, "dev"), User::of(&ws, "eve"));
    assert_eq!(dev.uid, 1000);
    ws.sh("umask 337; echo 'dev ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/dev")
        .unwrap();
    let upstream = format!("http://ann@{}", squid.address());
    dev.succeed(&["set", "upstream", &upstream]);
    ws.write("/run/session", SESSION).unwrap();
    // Their session begins before there is a service, or a group.
    let agent = dev.start("dbus-run-session -- sh /run/session");

    dev.succeed(&["engine", "install", "--yes"]);
    dev.succeed(&["apply", "--yes"]);
    wait_for("the password opens the proxy", SOON, || {
        let pulled = dev
            .command("docker")
            .args(["pull", "-q", APP_IMAGE])
            .output();
        pulled.ok()?.status.success().then_some(())
    })
    .unwrap_or_else(|late| {
        let log = ws.sh("journalctl -b --no-pager -u 'agent-*' -u 'gangway*'");
        panic!(
            "{late}: {:#}\n{}",
            dev.json(&["status"]),
            log.unwrap_or_default()
        )
    });
    assert_eq!(dev.json(&["status"])["agent_pid"], agent);
    assert_eq!(dev.json(&["status"])["notices"], serde_json::json!([]));

    // Somebody else of this machine: the route, not the say.
    let command = eve.told();
    assert_eq!(command, "sudo gpasswd -a eve gangway");
    let mut attach = eve.command("curl");
    attach
        .args(["-sS", "--unix-socket", "/run/gangway/engine.sock"])
        .args(["-X", "POST", "http://engine/v1/attach?user=dev"]);
    let answer = text(&attach.output().unwrap().stdout);
    assert!(
        answer.contains("engine_not_yours") && answer.contains(&command),
        "{answer}"
    );
    ws.sh(&command).unwrap();
    let status = eve.json(&["status"]);
    assert!(
        !status["notices"].to_string().contains("gpasswd"),
        "{status:#}"
    );
    assert_eq!(status["engine"]["runs"], "service");

    dev.succeed(&["undo", "--yes"]);
    dev.succeed(&["engine", "remove", "--yes"]);
    let left = ws.sh("getent group gangway || true; id -nG dev");
    assert_eq!(left.unwrap(), "dev docker\n");
}

#[test]
fn engine_remove_takes_out_of_the_group_whom_install_put_there_and_nobody_else() {
    let office = Office::open();
    let ws = office.workstation();
    let eve = User::of(&ws, "eve");
    ws.sh("useradd --system --user-group gangway; gpasswd -a eve gangway")
        .unwrap();
    let group = || ws.sh("getent group gangway").unwrap();
    let before = group();
    let install = |uid: &str| {
        ws.sh(&format!(
            "SUDO_UID={uid} {GANGWAY} engine install --yes 2>&1"
        ))
    };
    // The database decides who that is, not who says so.
    let refused = install("4242").unwrap_err().to_string();
    let why = "no user of this machine has the id 4242";
    assert!(refused.contains(why), "{refused}");
    assert_eq!(group(), before);
    install(&eve.uid.to_string()).unwrap();
    assert_eq!(group(), before);
    install("1000").unwrap();
    install("1000").unwrap();
    assert_eq!(group().trim(), format!("{},dev", before.trim()));
    let file = "cat /var/lib/gangway/lenders | grep -v '#'";
    assert_eq!(ws.sh(file).unwrap(), "dev\n");
    ws.sh(&format!("{GANGWAY} engine remove --yes")).unwrap();
    assert_eq!(group(), before);
}
