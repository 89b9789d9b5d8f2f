//! A real Docker daemon is asked, not its files.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod docker {
    mod dockerd;
    mod guests;
    mod networks;

    pub(crate) use dockerd::Dockerd;
}

use std::sync::Arc;
use std::time::Duration;

use proxy_engine::config::Policy;
use proxy_engine::control::InterceptionState;
use proxy_mirror::change::host::Local;
use proxy_mirror::change::{Asking, Desks, FileId, execute, undo};
use proxy_mirror::control::{EngineRuns, Said, TargetView};
use proxy_mirror::places::Rootless;
use proxy_mirror::settings::{Settings, Style};
use proxy_mirror::target::{self, Context, Daemon, TargetState};
use proxy_mirror::world::Relay;

use docker::Dockerd;

const RELAY: &str = "http://127.0.0.1:3182";

fn context(folder: &std::path::Path, docker: Daemon) -> Context {
    let root = folder.join("machine");
    std::fs::create_dir_all(root.join("etc/systemd/system")).unwrap();
    Context {
        // Podman may be installed here, and is another test's.
        settings: Settings {
            leave_alone: vec!["podman".into()],
            ..Settings::default()
        },
        policy: Policy::direct("test"),
        cause: Said::verbatim("test"),
        relay: Relay {
            port: 3182,
            containers: None,
        },
        engine: EngineRuns::Service,
        interception: InterceptionState::Off,
        rootless: Rootless {
            socket: folder.join("none.sock"),
            config: folder.join("config"),
        },
        docker,
        networks: Vec::new(),
        desks: Desks {
            local: Arc::new(Local::at(root)),
            user_journal: folder.join("user-journal"),
            machine_journal: folder.join("journal"),
            root: true,
            asking: Asking::Aside,
        },
        docker_cli: folder.join("docker-cli/config.json"),
        podman: target::podman::Place {
            conf: FileId::PodmanConf {
                path: folder.join("containers/containers.conf"),
            },
            folder: folder.join("containers"),
            system: folder.join("etc/containers"),
            memory: target::podman::Memory::default(),
        },
        buildx: folder.join("docker-cli/buildx"),
    }
}

async fn view(context: &Context, id: &str) -> TargetView {
    let targets = target::all(&Arc::new(context.clone())).await;
    let views = target::views(context, &targets).await;
    views.into_iter().find(|view| view.id.0 == id).unwrap()
}

async fn apply(context: &Context) {
    let targets = target::all(&Arc::new(context.clone())).await;
    let planned = target::plan(context, &targets).await;
    assert!(planned.view.refused.is_empty(), "{:#?}", planned.view);
    execute(&context.desks, &planned, &mut |_| {}).unwrap();
}

#[tokio::test]
async fn an_old_daemon_gets_a_drop_in_which_is_in_force_only_after_its_restart() {
    let mut dockerd = Dockerd::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let context = context(
        folder.path(),
        Daemon::Socket(dockerd.socket_of_an_old_one()),
    );
    let before = view(&context, "docker-daemon").await;
    assert!(
        before.version.as_deref().unwrap().starts_with("20."),
        "{before:?}"
    );
    assert!(
        matches!(before.state, TargetState::Differs { .. }),
        "{before:?}"
    );
    apply(&context).await;
    let drop_in = folder
        .path()
        .join("machine/etc/systemd/system/docker.service.d/gangway.conf");
    let text = std::fs::read_to_string(&drop_in).unwrap();
    assert!(
        text.contains(&format!("Environment=\"HTTPS_PROXY={RELAY}\"")),
        "{text}"
    );
    let written = view(&context, "docker-daemon").await;
    assert!(
        matches!(&written.state, TargetState::NotInForce { reason } if reason.english.contains("restart dockerd by hand")),
        "{written:?}"
    );
    // What systemd would give it.
    let environment: Vec<(String, String)> = text
        .lines()
        .filter_map(|line| {
            line.strip_prefix("Environment=\"")?
                .strip_suffix('"')?
                .split_once('=')
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    dockerd.restart(&environment);
    let after = view(&context, "docker-daemon").await;
    assert!(
        matches!(after.state, TargetState::InForce { .. }),
        "{after:?}"
    );
    // A hand-edited file holds only after the next restart, and is said to differ.
    std::fs::write(&drop_in, text.replace("3182", "3183")).unwrap();
    let edited = view(&context, "docker-daemon").await;
    assert!(
        matches!(edited.state, TargetState::Differs { .. }),
        "{edited:?}"
    );
    std::fs::write(&drop_in, text).unwrap();
    undo(&context.desks, None).unwrap();
    assert!(!drop_in.exists());
    dockerd.restart(&[]);
    assert!(matches!(
        view(&context, "docker-daemon").await.state,
        TargetState::Differs { .. }
    ));
}

#[tokio::test]
async fn an_old_daemons_other_drop_in_that_has_the_last_word_is_named() {
    let dockerd = Dockerd::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let context = context(
        folder.path(),
        Daemon::Socket(dockerd.socket_of_an_old_one()),
    );
    let root = folder.path().join("machine");
    stand_in_for_systemd(&root);
    let drop_ins = root.join("etc/systemd/system/docker.service.d");
    std::fs::create_dir_all(&drop_ins).unwrap();
    let theirs = drop_ins.join("http-proxy.conf");
    let text = "[Service]\nEnvironment=\"HTTP_PROXY=http://ann:hunter2@proxy.test:3128\"\n";
    std::fs::write(&theirs, text).unwrap();
    let blocked = view(&context, "docker-daemon").await;
    assert!(
        matches!(&blocked.state, TargetState::Blocked { reason }
            if reason.english.contains("/docker.service.d/http-proxy.conf sets HTTP_PROXY") && !reason.english.contains("hunter2")),
        "{blocked:?}"
    );
    let targets = target::all(&Arc::new(context.clone())).await;
    let planned = target::plan(&context, &targets).await.view;
    assert!(
        planned.steps.is_empty(),
        "containers would stop for nothing: {planned:#?}"
    );
    // One that ours comes after is no obstacle.
    std::fs::rename(&theirs, drop_ins.join("00-http-proxy.conf")).unwrap();
    let differs = view(&context, "docker-daemon").await;
    assert!(
        matches!(differs.state, TargetState::Differs { .. }),
        "{differs:?}"
    );
}

/// A machine whose `systemctl cat` shows Docker's unit as the real one does, and that obeys to
/// everything else.
fn stand_in_for_systemd(root: &std::path::Path) {
    std::fs::create_dir_all(root.join("run/systemd/system")).unwrap();
    std::fs::create_dir_all(root.join("bin")).unwrap();
    for applet in ["sh", "cat"] {
        std::fs::copy("/bin/busybox", root.join("bin").join(applet))
            .expect("a static busybox must be installed: apt-get install busybox-static");
    }
    let systemctl = root.join("bin/systemctl");
    let script = "#!/bin/sh\n[ \"$2\" = cat ] || exit 0\n\
        for file in /etc/systemd/system/docker.service.d/*.conf; do\n\
        echo; echo \"# $file\"; cat $file\ndone\n";
    std::fs::write(&systemctl, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&systemctl, mode).unwrap();
}

#[tokio::test]
async fn no_service_means_no_file_of_roots_names_the_relay() {
    let dockerd = Dockerd::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let mut context = context(folder.path(), Daemon::Socket(dockerd.socket()));
    context.engine = EngineRuns::Embedded;
    let blocked = view(&context, "docker-daemon").await;
    assert!(
        matches!(&blocked.state, TargetState::Blocked { reason } if reason.english.contains("gangway engine install")),
        "{blocked:?}"
    );
    let targets = target::all(&Arc::new(context.clone())).await;
    assert!(target::plan(&context, &targets).await.view.steps.is_empty());
}

#[tokio::test]
async fn without_a_daemon_the_rest_works() {
    let folder = tempfile::tempdir().unwrap();
    let mut context = context(
        folder.path(),
        Daemon::Socket(folder.path().join("none.sock")),
    );
    context.relay.containers = Some([127, 0, 0, 1].into());
    std::fs::create_dir(folder.path().join("docker-cli")).unwrap();
    let daemon = view(&context, "docker-daemon").await;
    assert!(
        matches!(
            daemon.state,
            TargetState::NotInstalled | TargetState::Failed { .. }
        ),
        "{daemon:?}"
    );
    std::fs::write(&context.docker_cli, "{\"HttpHeaders\": {}}").unwrap();
    assert!(matches!(
        view(&context, "docker-cli").await.state,
        TargetState::Differs { .. }
    ));
    apply(&context).await;
    // Something must serve there before it counts.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    context.relay.port = listener.local_addr().unwrap().port();
    apply(&context).await;
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 502 Bad Gateway\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer)
            .await
            .unwrap();
        stream
    });
    let served = view(&context, "docker-cli").await;
    assert!(
        matches!(served.state, TargetState::InForce { .. }),
        "{served:?}"
    );
    let asked = tokio::time::timeout(Duration::from_secs(5), serve).await;
    drop(asked.expect("the relay's address is asked itself"));
    let gone = view(&context, "docker-cli").await;
    assert!(
        matches!(gone.state, TargetState::NotInForce { .. }),
        "{gone:?}"
    );
    undo(&context.desks, None).unwrap();
    let text = std::fs::read_to_string(&context.docker_cli).unwrap();
    assert_eq!(text, "{\"HttpHeaders\": {}}");
}

#[tokio::test]
async fn a_malformed_cli_file_is_named_and_nothing_is_planned_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut context = context(
        folder.path(),
        Daemon::Socket(folder.path().join("none.sock")),
    );
    context.relay.containers = Some([127, 0, 0, 1].into());
    std::fs::create_dir(folder.path().join("docker-cli")).unwrap();
    std::fs::write(&context.docker_cli, "{\n  oops\n}").unwrap();
    let view = view(&context, "docker-cli").await;
    assert!(
        matches!(&view.state, TargetState::Failed { reason } if reason.english.contains("config.json:2:3: ")),
        "{view:?}"
    );
    let targets = target::all(&Arc::new(context.clone())).await;
    let planned = target::plan(&context, &targets).await.view;
    assert!(planned.steps.is_empty(), "{planned:#?}");
    assert_eq!(planned.refused[0].target.0, "docker-cli");
}

#[tokio::test]
async fn a_mirrored_upstream_never_asks_for_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let mut context = context(
        folder.path(),
        Daemon::Socket(folder.path().join("none.sock")),
    );
    std::fs::create_dir(folder.path().join("docker-cli")).unwrap();
    std::fs::write(&context.docker_cli, "{}").unwrap();
    context.settings.style = Style::Mirror;
    let upstreams = |url: &str| proxy_engine::config::DefaultRoute::Upstreams {
        upstreams: vec![url.parse().unwrap()],
    };
    context.policy.default = upstreams("http://ann@proxy.corp.example:3128");
    let blocked = view(&context, "docker-cli").await;
    assert!(
        matches!(&blocked.state, TargetState::Blocked { reason } if reason.english.contains("password of ann")),
        "{blocked:?}"
    );
    context.policy.default = upstreams("http://proxy.corp.example:3128");
    context.policy.bypass = ".corp.example".parse().unwrap();
    apply(&context).await;
    let text = std::fs::read_to_string(&context.docker_cli).unwrap();
    assert!(
        text.contains("http://proxy.corp.example:3128") && text.contains(",.corp.example"),
        "{text}"
    );
}
