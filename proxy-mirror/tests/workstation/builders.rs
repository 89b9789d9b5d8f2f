//! The builders of `docker buildx`: real buildx, real Docker, and the BuildKit of dockerd in the
//! containers (see `testbed/workstation/builder`).

use serde_json::Value;
use testbed::{APP_IMAGE, Squid, Workstation, wait_for};

use crate::office::{Office, SOON, gangway, set_up, state_of, status, succeed, text};

const FILE: &str = "/root/.docker/buildx/instances/mine";
const CONTAINER: &str = "buildx_buildkit_mine0";
const RELAY: &str = "http://172.17.0.1:3182";

/// The user's own builder, with options of theirs, that has built something: `build("kept")` is in its
/// cache. It is the one that `docker buildx build` takes.
fn with_a_builder_of_their_own(ws: &Workstation<'_>) {
    ws.load_builder_image().unwrap();
    let ca = "/etc/docker/certs.d/registry.example.test/ca.crt";
    let toml = format!("[registry.\"registry.example.test\"]\n  ca = [\"{ca}\"]\n");
    ws.write("/root/buildkitd.toml", toml).unwrap();
    ws.write("/root/kept/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")
        .unwrap();
    let pulls = format!("FROM {APP_IMAGE}\nCOPY Dockerfile /\n");
    ws.write("/root/pulls/Dockerfile", pulls).unwrap();
    let slow = "FROM scratch\nCOPY busybox /bin/busybox\n\
                RUN --network=none [\"/bin/busybox\", \"sleep\", \"77\"]\n";
    ws.write("/root/slow/Dockerfile", slow).unwrap();
    ws.sh("cp /bin/busybox /root/slow/").unwrap();
    ws.sh(
        "docker buildx create --name mine --driver docker-container --use \
         --driver-opt env.FOO=bar,restart-policy=always --buildkitd-flags '--debug' \
         --config /root/buildkitd.toml",
    )
    .unwrap();
    build(ws, "kept").unwrap();
}

/// What a build prints.
fn build(ws: &Workstation<'_>, what: &str) -> Result<String, String> {
    let line = format!("timeout 60 docker buildx build --progress plain /root/{what} 2>&1");
    let output = ws.exec("sh", &["-c", &line]).unwrap();
    let said = text(&output.stdout);
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

/// What Docker says of the builder's container, in this template.
fn inspect(ws: &Workstation<'_>, template: &str) -> String {
    let line = format!("docker container inspect --format '{template}' {CONTAINER}");
    ws.sh(&line).unwrap()
}

/// All that has to stay, however often its container is another one.
fn what_stays(ws: &Workstation<'_>) -> [String; 4] {
    [
        inspect(
            ws,
            "{{json .Config.Cmd}} {{json .HostConfig.RestartPolicy}} {{json .HostConfig.Mounts}}",
        ),
        ws.sh(&format!("docker volume inspect {CONTAINER}_state"))
            .unwrap(),
        ws.sh("cat /root/.docker/buildx/current").unwrap(),
        ws.sh(&format!(
            "docker exec {CONTAINER} sh -c 'cat /etc/buildkit/buildkitd.toml; find /etc/buildkit'"
        ))
        .unwrap(),
    ]
}

fn the_file(ws: &Workstation<'_>) -> String {
    ws.sh(&format!("cat {FILE}; stat -c ' %a %U:%G' {FILE}"))
        .unwrap()
}

fn names_the_relay(file: &str) -> bool {
    let json = file.rsplit_once('}').map(|(json, _)| format!("{json}}}"));
    let json: Value = serde_json::from_str(&json.unwrap_or_default()).unwrap_or_default();
    let options = &json["Nodes"][0]["DriverOpts"];
    let names = ["env.http_proxy", "env.https_proxy"];
    options["env.FOO"] == "bar" && names.iter().all(|name| options[name] == RELAY)
}

/// What the status says of a builder.
fn said_of(ws: &Workstation<'_>, builder: &str) -> String {
    let status = status(ws);
    let targets = status["targets"].as_array().unwrap();
    let view = targets.iter().find(|view| view["id"] == builder);
    view.unwrap_or_else(|| panic!("{status:#}")).to_string()
}

fn planned(ws: &Workstation<'_>) -> Value {
    serde_json::from_slice(&gangway(ws, &["plan", "--json"]).stdout).unwrap()
}

#[test]
fn a_builder_is_made_anew_on_request_with_all_that_it_was_and_its_cache_and_given_back() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    with_a_builder_of_their_own(&ws);
    let (file, stays) = (the_file(&ws), what_stays(&ws));
    // Else interception brings it out, as it does any container.
    let settings = "[intercept]\nenabled = false\n";
    ws.write("/root/.config/gangway/settings.toml", settings)
        .unwrap();
    set_up(&ws, squid.address());
    build(&ws, "pulls").unwrap_err();

    // Offered, and nothing else.
    assert_eq!(state_of(&ws, "buildx:mine"), "blocked");
    let offer = said_of(&ws, "buildx:mine");
    assert!(
        offer.contains("gangway set recreate-builders yes"),
        "{offer}"
    );
    succeed(&ws, &["apply", "--yes"]);
    assert_eq!(the_file(&ws), file);
    let doctor = text(&gangway(&ws, &["doctor"]).stdout);
    assert_eq!(doctor.matches("recreate-builders").count(), 1, "{doctor}");
    assert!(!doctor.contains(CONTAINER), "it is said once: {doctor}");

    succeed(&ws, &["set", "recreate-builders", "yes"]);
    let plan = gangway(&ws, &["plan"]);
    assert_eq!(plan.status.code(), Some(2));
    let plan = text(&plan.stdout);
    for said in [
        "set env.http_proxy, env.https_proxy, env.no_proxy",
        "the container of builder mine is replaced",
        "+env.https_proxy=http://172.17.0.1:3182",
    ] {
        assert!(plan.contains(said), "{said}: {plan}");
    }
    assert!(
        !plan.contains("bar"),
        "the rest of the file is not shown: {plan}"
    );

    // While a build runs, it is left to it.
    ws.sh("systemd-run --quiet --unit=slow --setenv=HOME=/root docker buildx build /root/slow")
        .unwrap();
    wait_for("the build runs", SOON, || {
        let said = said_of(&ws, "buildx:mine");
        (said.contains("it is in use") && ws.sh("pgrep -f 'busybox sleep 77'").is_ok())
            .then_some(())
    })
    .unwrap();
    assert_eq!(planned(&ws)["steps"], Value::Array(Vec::new()));
    let id = inspect(&ws, "{{.Id}}");
    succeed(&ws, &["apply", "--yes"]);
    assert_eq!((inspect(&ws, "{{.Id}}"), the_file(&ws)), (id, file.clone()));
    ws.sh("systemctl stop slow").unwrap();
    wait_for("the build has ended", SOON, || {
        (!said_of(&ws, "buildx:mine").contains("it is in use")).then_some(())
    })
    .unwrap();

    succeed(&ws, &["apply", "--yes"]);
    assert_eq!(state_of(&ws, "buildx:mine"), "in_force");
    let environment = inspect(&ws, "{{json .Config.Env}}");
    for set in [
        "\"FOO=bar\"".to_owned(),
        format!("\"http_proxy={RELAY}\""),
        format!("\"https_proxy={RELAY}\""),
        "\"no_proxy=localhost,127.0.0.0/8".to_owned(),
    ] {
        assert!(environment.contains(&set), "{set}: {environment}");
    }
    assert_eq!(what_stays(&ws), stays);
    assert_eq!(planned(&ws)["steps"], Value::Array(Vec::new()), "once");
    let cached = build(&ws, "kept").unwrap();
    assert!(cached.contains("CACHED"), "{cached}");
    build(&ws, "pulls").unwrap();

    let said = succeed(&ws, &["undo", "buildx:mine", "--yes"]);
    assert!(said.contains("buildx:mine"), "{said}");
    assert_eq!(the_file(&ws), file);
    let environment = inspect(&ws, "{{json .Config.Env}}");
    assert!(
        environment.contains("FOO=bar") && !environment.contains("proxy"),
        "{environment}"
    );
    assert_eq!(what_stays(&ws), stays);
    let cached = build(&ws, "kept").unwrap();
    assert!(cached.contains("CACHED"), "{cached}");
    // squid writes of a connection once it has ended: with the old container.
    squid
        .logged("CONNECT registry.example.test:443", SOON)
        .unwrap();
    let kept = "grep -rl buildx /root/.local/state/gangway/journal || true";
    assert_eq!(ws.sh(kept).unwrap(), "");
}

/// A `docker` that does this in the place of its first call whose words match, or after it.
fn instead(ws: &Workstation<'_>, words: &str, what: &str) {
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *'{words}'*) [ -e /done ] || {{ touch /done; {what}; }} ;; esac\n\
         exec /usr/bin/docker \"$@\"\n"
    );
    ws.write("/usr/local/bin/docker", script).unwrap();
    ws.sh("chmod 755 /usr/local/bin/docker; rm -f /done")
        .unwrap();
}

#[test]
fn wherever_apply_is_killed_the_builder_is_the_old_or_the_new_one_and_the_next_finishes_or_undoes()
{
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    with_a_builder_of_their_own(&ws);
    set_up(&ws, squid.address());
    succeed(&ws, &["set", "recreate-builders", "yes"]);
    let (old, stays) = (the_file(&ws), what_stays(&ws));
    let boot = "buildx inspect --bootstrap";
    let (before, after) = (
        "kill -9 $PPID; exit",
        "/usr/bin/docker \"$@\"; kill -9 $PPID; exit",
    );
    for (number, (words, killed)) in [
        // Asked first, before anything is written.
        ("container inspect", before),
        ("container stop", before),
        ("container stop", after),
        ("container rm", after),
        (boot, before),
        (boot, after),
    ]
    .into_iter()
    .enumerate()
    {
        instead(&ws, words, killed);
        assert_eq!(
            gangway(&ws, &["apply", "--yes"]).status.code(),
            None,
            "{words}"
        );
        ws.sh("test -e /done; rm /usr/local/bin/docker").unwrap();
        let file = the_file(&ws);
        assert!(names_the_relay(&file) || file == old, "{words}: {file}");
        // Whatever it is, it builds, and with its cache.
        let cached = build(&ws, "kept").unwrap();
        assert!(cached.contains("CACHED"), "{words}: {cached}");
        assert_eq!(what_stays(&ws), stays, "{words}");
        if number % 2 == 0 {
            succeed(&ws, &["apply", "--yes"]);
            assert_eq!(state_of(&ws, "buildx:mine"), "in_force", "{words}");
        }
        succeed(&ws, &["undo", "--yes", "buildx:mine"]);
        assert_eq!(the_file(&ws), old, "{words}");
        assert!(
            !inspect(&ws, "{{json .Config.Env}}").contains("proxy"),
            "{words}"
        );
        assert_eq!(what_stays(&ws), stays, "{words}");
        succeed(&ws, &["set", "leave-alone", "-"]);
    }

    // One that does not come up with ours comes up without.
    instead(&ws, boot, "echo no room >&2; exit 1");
    let failed = gangway(&ws, &["apply", "--yes"]);
    let said = text(&failed.stderr);
    assert!(
        said.contains("no room") && said.contains("again what it was"),
        "{said}"
    );
    assert_eq!(the_file(&ws), old);
    assert_eq!(what_stays(&ws), stays);
    let runs = inspect(&ws, "{{.State.Running}} {{json .Config.Env}}");
    assert!(
        runs.starts_with("true") && !runs.contains("proxy"),
        "{runs}"
    );
    assert!(build(&ws, "kept").unwrap().contains("CACHED"));

    // A build that begins after the plan was made is not cut.
    instead(
        &ws,
        "container inspect",
        "/usr/bin/docker exec -d buildx_buildkit_mine0 sleep 60",
    );
    let failed = gangway(&ws, &["apply", "--yes"]);
    let said = text(&failed.stderr);
    assert!(said.contains("The builder mine is in use"), "{said}");
    assert_eq!(the_file(&ws), old);
    ws.sh("rm /usr/local/bin/docker").unwrap();
}

#[test]
fn other_builders_are_shown_with_the_reason_and_left_alone_and_a_password_is_never_shown() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    ws.sh(
        "docker buildx create --name far --driver remote tcp://192.0.2.1:1234\n\
         docker context create other --docker host=unix:///var/run/docker.sock\n\
         docker buildx create --name two --driver docker-container\n\
         docker buildx create --name two --append --driver docker-container other\n\
         docker buildx create --name away --driver docker-container other\n\
         docker buildx create --name own --driver docker-container \
         --driver-opt env.HTTPS_PROXY=http://ann:canary@old.test:1,env.FOO=bar\n\
         docker buildx create --name plain --driver docker-container\n\
         echo '{\"Name\":\"broken\"' > /root/.docker/buildx/instances/broken\n\
         chmod 600 /root/.docker/buildx/instances/broken",
    )
    .unwrap();
    let files = || {
        ws.sh("cd /root/.docker/buildx/instances; sha256sum *")
            .unwrap()
    };
    let before = files();
    succeed(&ws, &["set", "recreate-builders", "yes"]);
    for (builder, said) in [
        ("far", "its driver is remote"),
        ("two", "it has 2 nodes"),
        ("away", "another Docker than the one asked here: other"),
        ("broken", "instances/broken:"),
        (
            "own",
            "was made with none for HTTP, http://ann@old.test:1 for HTTPS",
        ),
        ("plain", "was made without a proxy"),
    ] {
        let of = said_of(&ws, &format!("buildx:{builder}"));
        assert!(of.contains(said), "{builder}: {of}");
    }
    for args in [
        &["plan"][..],
        &["plan", "--json"],
        &["status", "--json"],
        &["doctor", "--json"],
        &["explain", "https://web.example.test", "--json"],
    ] {
        let said = text(&gangway(&ws, args).stdout);
        assert!(
            said.contains("own") && !said.contains("canary"),
            "{args:?}: {said}"
        );
    }
    succeed(&ws, &["apply", "--yes"]);
    // They do not run: what starts next is told, and nothing was started.
    for builder in ["buildx:own", "buildx:plain"] {
        let of = said_of(&ws, builder);
        assert!(
            of.contains("in_force") && of.contains("it does not run"),
            "{of}"
        );
    }
    assert_eq!(ws.sh("docker container ls --all --quiet").unwrap(), "");
    // What Go reads first says the same.
    let own: Value =
        serde_json::from_str(&ws.sh("cat /root/.docker/buildx/instances/own").unwrap()).unwrap();
    let options = &own["Nodes"][0]["DriverOpts"];
    for name in ["env.http_proxy", "env.https_proxy", "env.HTTPS_PROXY"] {
        assert_eq!(options[name], RELAY, "{own}");
    }
    assert_eq!(options["env.FOO"], "bar");
    // buildx understands what was written, and takes it for its own.
    let known = ws.sh("docker buildx inspect own").unwrap();
    assert!(
        known.contains("env.https_proxy=\"http://172.17.0.1:3182\""),
        "{known}"
    );
    for untouched in ["far", "two", "away", "broken"] {
        let line = |files: &str| {
            let of = files.lines().find(|line| line.ends_with(untouched));
            of.map(str::to_owned)
        };
        assert_eq!(line(&files()), line(&before));
    }
    succeed(&ws, &["undo", "--yes"]);
    assert_eq!(files(), before);
}
