//! Docker behind each kind of proxy that companies have: what it pulls, builds and runs comes through.

use std::time::Duration;

use testbed::kdc::PROXY_NAME;
use testbed::net::PROXY;
use testbed::{APP_IMAGE, Access, BasicLogin, Danted, Kdc, Squid, TlsFront, Workstation, wait_for};

use crate::office::{GANGWAY, Office, SOON, set_up, start_agent, state_of, status, succeed};

/// A user's session: a bus, an unlocked keychain, the agent.
const SESSION: &str = "\
echo | gnome-keyring-daemon --unlock --components=secrets >/dev/null
exec /opt/gangway/gangway run
";

/// Fetched while an image is built, by HTTP and HTTPS.
const DOCKERFILE: &str = "\
FROM registry.example.test/app:1
RUN curl -sSf -m 20 -o /a https://web.example.test/bytes/100000 && \
    curl -sSf -m 20 -o /b http://web.example.test/bytes/100000
";

fn login(password: &str) -> BasicLogin {
    BasicLogin {
        user: "ann".into(),
        password: password.into(),
    }
}

/// Everything set up, and an agent that has a keychain.
fn keychain_session(ws: &Workstation<'_>, upstream: std::net::SocketAddr) {
    set_up(ws, upstream);
    ws.write("/root/app/Dockerfile", DOCKERFILE).unwrap();
    ws.write("/run/session", SESSION).unwrap();
    ws.sh("systemd-run --quiet --unit=session --setenv=HOME=/root \
         dbus-run-session -- sh /run/session")
        .unwrap();
    wait_for("the agent answers", SOON, || {
        status(ws)["agent_pid"].as_u64()
    })
    .unwrap();
}

/// From here on this proxy, with this password where it wants one.
fn change_to(ws: &Workstation<'_>, upstream: &str, password: Option<&str>) {
    succeed(ws, &["set", "upstream", upstream]);
    if let Some(password) = password {
        ws.write("/run/typed", password).unwrap();
        ws.sh(&format!("{GANGWAY} login < /run/typed; rm /run/typed"))
            .unwrap();
    }
}

/// A pull, a build, a program that knows the relay, and a container that knows of no proxy.
fn docker_gets_through(ws: &Workstation<'_>, what: &str) {
    let told = || {
        ws.sh("journalctl -b --no-pager -u session -u agent -u gangway-engine | tail -n 40")
            .unwrap_or_default()
    };
    let pull = || {
        let pulled = ws.sh(&format!(
            "docker image rm -f {APP_IMAGE} >/dev/null 2>&1; docker pull -q {APP_IMAGE}"
        ));
        pulled.ok()
    };
    wait_for("docker pull", SOON, pull).unwrap_or_else(|late| panic!("{what}: {late}\n{}", told()));
    for command in [
        "docker build --quiet --pull --no-cache --tag built /root/app",
        "curl -sSf -m 20 -x http://127.0.0.1:3182 https://web.example.test/hello",
        &format!(
            "docker run --rm --env http_proxy= --env HTTPS_PROXY= --env https_proxy= \
             --env HTTP_PROXY= {APP_IMAGE} \
             curl -sSf -m 20 https://web.example.test/hello http://web.example.test/hello"
        ),
    ] {
        ws.sh(command)
            .unwrap_or_else(|error| panic!("{what}: {error}\n{}", told()));
    }
    let sizes = ws.sh("docker run --rm built stat -c %s /a /b").unwrap();
    assert_eq!(sizes, "100000\n100000\n", "{what}");
}

#[test]
fn docker_pulls_builds_and_runs_through_a_squid_that_asks_for_a_password_in_each_way() {
    let office = Office::open();
    let first = Squid::start(&office.corp).unwrap();
    let kdc = Kdc::start(&office.corp, "ann", "pw").unwrap();
    let ws = office.workstation();
    ws.write("/etc/krb5.conf", std::fs::read(kdc.config()).unwrap())
        .unwrap();
    ws.sh(&format!("echo '{PROXY} {PROXY_NAME}' >> /etc/hosts"))
        .unwrap();
    keychain_session(&ws, first.address());
    let odd = "c0rrect h:rse@%\"'é";
    let negotiate = Access::Negotiate {
        keytab: kdc.keytab(),
        config: kdc.config(),
    };
    for (port, what, host, access, password, known_as) in [
        (
            3131,
            "Basic",
            "10.66.0.2",
            Access::Hashed(login(odd)),
            odd,
            " ann",
        ),
        (
            3132,
            "Digest",
            "10.66.0.2",
            Access::Digest(login(odd)),
            odd,
            " ann",
        ),
        (
            3133,
            "NTLM",
            "10.66.0.2",
            Access::Ntlm(login(odd)),
            odd,
            "\\ann",
        ),
        (
            3134,
            "Negotiate",
            PROXY_NAME,
            negotiate,
            "pw",
            " ann@CORP.TEST",
        ),
    ] {
        let squid = Squid::with_access(&office.corp, port, &access).unwrap();
        change_to(&ws, &format!("http://ann@{host}:{port}"), Some(password));
        docker_gets_through(&ws, what);
        let known = || {
            let log = squid.log();
            let mut tunnels = log
                .iter()
                .filter(|line| line.starts_with("CONNECT registry.example.test:443 200"));
            tunnels.any(|line| line.ends_with(known_as)).then_some(())
        };
        wait_for("squid knows who it was", SOON, known)
            .unwrap_or_else(|late| panic!("{what}: {late}: {:#?}", squid.log()));
    }
}

#[test]
fn docker_pulls_builds_and_runs_through_socks_and_through_a_proxy_in_tls() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let front = TlsFront::start(
        &office.corp,
        3130,
        &office.ca,
        &["10.66.0.2"],
        squid.address(),
    )
    .unwrap();
    let danted = Danted::start(&office.corp, 1080, Some(&login("s3cret"))).unwrap();
    let ws = office.workstation();
    keychain_session(&ws, squid.address());

    let socks = format!("socks5h://ann@{}", danted.address());
    change_to(&ws, &socks, Some("s3cret"));
    let before = squid.log().len();
    docker_gets_through(&ws, "SOCKS 5");
    assert_eq!(squid.log().len(), before, "another way was taken");

    change_to(&ws, &format!("https://{}", front.address()), None);
    docker_gets_through(&ws, "TLS to the proxy");
    assert!(squid.log().len() > before);
}

#[test]
fn a_script_from_a_server_in_tls_decides_for_docker_and_is_read_again_within_a_minute() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let other = Squid::with_access(&office.corp, 3135, &Access::Open).unwrap();
    let danted = Danted::start(&office.corp, 1080, None).unwrap();
    let served = tempfile::tempdir().unwrap();
    let script = |usual: &str| {
        let fresh = served.path().join("fresh");
        let text = format!(
            "function FindProxyForURL(url, host) {{\n\
             \x20 if (dnsDomainIs(host, 'registry.example.test')) return 'SOCKS5 {}; DIRECT';\n\
             \x20 return '{usual}';\n}}\n",
            danted.address()
        );
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(&fresh, served.path().join("proxy.pac")).unwrap();
    };
    script(&format!("PROXY {}", squid.address()));
    let folder = served.path().display().to_string();
    let web = ["httpd", "-f", "-p", "10.66.0.2:8081", "-h", &folder];
    let _web = office.corp.proxy.spawn("busybox", &web).unwrap();
    let behind = Office::proxy_at(8081);
    let front = TlsFront::start(&office.corp, 8443, &office.ca, &["10.66.0.2"], behind).unwrap();
    let ws = office.workstation();
    set_up(&ws, squid.address());
    ws.write("/root/app/Dockerfile", DOCKERFILE).unwrap();
    start_agent(&ws);
    let address = format!("https://{}/proxy.pac", front.address());
    succeed(&ws, &["set", "pac", &address]);
    docker_gets_through(&ws, "a script");
    // The registry by SOCKS, all else by squid: containers that know of no proxy, too.
    let tunnels = |squid: &Squid, to: &str| {
        let log = squid.log();
        log.iter().any(|line| line.starts_with(to))
    };
    assert!(!tunnels(&squid, "CONNECT registry.example.test"));
    assert!(tunnels(&squid, "GET http://web.example.test/hello"));
    assert!(danted.log().contains("pass(1): tcp/connect"));
    assert_eq!(state_of(&ws, "docker-daemon"), "in_force");

    script(&format!("PROXY {}", other.address()));
    let get = "curl -sSf -m 20 -x http://127.0.0.1:3182 http://web.example.test/hello";
    wait_for("the new script", Duration::from_secs(75), || {
        ws.sh(get).unwrap();
        tunnels(&other, "GET http://web.example.test/hello").then_some(())
    })
    .unwrap();
}
