//! The real app on a workstation with the engine's service and Docker: what is left when it quits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use proxy_mirror::control::{CredentialsState, EngineRuns, Status};
use testbed::{
    APP_IMAGE, BasicLogin, Ca, Child, CorpNet, Registry, Session, Squid, Workstation, wait_for,
};

use crate::desk::{APP, SOON, for_a_window, status_when};
use crate::tray::{Menu, item, panel};

const GANGWAY: &str = "/opt/gangway/gangway";

/// The program of that name of the same build.
fn built(name: &str) -> PathBuf {
    let program = Path::new(APP).with_file_name(name);
    let path = program.display();
    assert!(
        program.is_file(),
        "{path} is not built: build the workspace"
    );
    program
}

/// A command of somebody who sits at the workstation: in its network, and with its sockets in
/// `/run`. The libraries of a window are those of the machine that runs the tests.
fn at(ws: &Workstation<'_>, session: &Session, program: &Path) -> Command {
    // A link, as no mount of another namespace can be had.
    let run = format!("/proc/{}/root/run/gangway", ws.pid());
    let sit = format!("mount -t tmpfs run /run && ln -s {run} /run/gangway && exec \"$0\" \"$@\"");
    let mut command = session.command("nsenter");
    command
        .arg(format!("--net=/proc/{}/ns/net", ws.pid()))
        .args(["unshare", "--mount", "sh", "-ec", &sit])
        .arg(program);
    for_a_window(&mut command);
    command
}

fn settings(session: &Session, upstream: &str) {
    let folder = session.config_home().join("gangway");
    fs::create_dir_all(&folder).unwrap();
    let text = format!("mode = \"manual\"\nupstream = \"{upstream}\"\n");
    fs::write(folder.join("settings.toml"), text).unwrap();
}

fn store_password(ws: &Workstation<'_>, session: &Session, password: &Path) {
    let mut login = at(ws, session, &built("gangway"));
    login.arg("login").stdin(fs::File::open(password).unwrap());
    let said = login.output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

fn pull(ws: &Workstation<'_>) -> Output {
    // Asked of the registry again, whatever is here already.
    ws.sh(&format!(
        "docker rmi -f {APP_IMAGE} >/dev/null 2>&1 || true"
    ))
    .unwrap();
    ws.exec("docker", &["pull", "-q", APP_IMAGE]).unwrap()
}

/// The app with its tray item, from its start until `works` holds, and then quit in its menu.
async fn used_and_quit(ws: &Workstation<'_>, session: &Session, works: impl Fn(&Status) -> bool) {
    let (connection, mut coming) = panel(session).await;
    let mut app = at(ws, session, Path::new(APP));
    app.arg("--tray").stdin(Stdio::null());
    let mut app = Child::spawn(app).unwrap();
    let menu = Menu::of(&connection, item(&mut coming).await).await;
    status_when(session, works).await;
    let pulled = pull(ws);
    assert!(pulled.status.success(), "while it runs: {pulled:?}");
    menu.click(&menu.line("Quit", |_| true).await).await;
    let ended = wait_for("the app ends", SOON, || app.ended()).unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn the_app_quit_pulls_go_on_and_those_that_need_its_password_name_the_cause() {
    let (corp, ca) = (CorpNet::new().unwrap(), Ca::new().unwrap());
    let _registry = Registry::start(&corp, &ca).unwrap();
    let open = Squid::start(&corp).unwrap();
    let login = BasicLogin {
        user: "ann".into(),
        password: "s3cret".into(),
    };
    let guarded = Squid::with_basic(&corp, 3129, &login).unwrap();
    let ws = Workstation::start(&corp).unwrap();
    ws.trust(&ca).unwrap();
    ws.copy_in(&built("gangway"), GANGWAY).unwrap();
    ws.copy_in(&built("proxy-engine"), "/opt/gangway/proxy-engine")
        .unwrap();
    ws.sh(&format!(
        "{GANGWAY} set mode off && {GANGWAY} engine install --yes && {GANGWAY} apply --yes"
    ))
    .unwrap();
    assert!(!pull(&ws).status.success(), "nothing leads out but a proxy");
    let session = Session::with_display().unwrap();

    settings(&session, &format!("http://{}", open.address()));
    let through = |status: &Status, credentials| {
        let upstreams = status.engine.upstreams.iter();
        status.engine.runs == EngineRuns::Service
            && upstreams.map(|view| view.credentials).eq([credentials])
    };
    let no_password = |status: &Status| through(status, CredentialsState::NotNeeded);
    used_and_quit(&ws, &session, no_password).await;
    let pulled = pull(&ws);
    assert!(pulled.status.success(), "{pulled:?}");

    settings(&session, &format!("http://ann@{}", guarded.address()));
    let password = session.root().join("password");
    fs::write(&password, "s3cret\n").unwrap();
    store_password(&ws, &session, &password);
    let lent = |status: &Status| through(status, CredentialsState::Lent);
    used_and_quit(&ws, &session, lent).await;
    let refused = pull(&ws);
    assert!(!refused.status.success(), "{refused:?}");
    let said = String::from_utf8_lossy(&refused.stderr);
    let cause = said.contains("password") && said.contains("10.66.0.2:3129");
    assert!(cause, "{said}");
}
