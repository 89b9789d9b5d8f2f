//! What stands behind the address changes; nothing that uses the address notices.

use std::time::{Duration, Instant};

use testbed::{APP_IMAGE, Recorder, Workstation, wait_for};

use crate::office::{GANGWAY, Office, SOON, set_up, start_agent, succeed, text};

/// What new connections must meet after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The first or the second proxy.
    Proxy(usize),
    /// No proxy: and there is no other way out of the office.
    Off,
}

#[test]
fn a_hundred_changes_during_a_download_reach_new_connections_and_break_nothing() {
    let office = Office::open();
    let proxies = [3128, 3129]
        .map(|port| Recorder::start(&office.corp.proxy, Office::proxy_at(port)).unwrap());
    let ws = office.workstation();
    set_up(&ws, proxies[0].address());
    start_agent(&ws);
    ws.sh(&format!("docker pull -q {APP_IMAGE}")).unwrap();
    let dockerd = || ws.sh("systemctl show --property=MainPID docker").unwrap();
    let before = dockerd();

    ws.sh(&format!(
        "docker run -d --name download {APP_IMAGE} \
         curl -sSf -o /dev/null -w '%{{size_download}}' https://web.example.test/held"
    ))
    .unwrap();
    let held = || {
        office
            .origin
            .seen()
            .iter()
            .any(|seen| seen.head.starts_with("GET /held"))
    };
    wait_for("the download runs", SOON, || held().then_some(())).unwrap();

    let mut worst = Duration::ZERO;
    for turn in 0..100 {
        let way = [Way::Proxy(1), Way::Off, Way::Proxy(0)][turn % 3];
        // From the moment the person presses Return, the command's own time included.
        let start = Instant::now();
        change(&ws, &proxies, way);
        worst = worst.max(reached(&ws, &proxies, way, turn, start));
    }
    println!(
        "worst time until a change reached new connections: {} ms",
        worst.as_millis()
    );
    assert!(worst <= Duration::from_secs(1), "{worst:?}");
    assert_eq!(dockerd(), before);

    let running = ws
        .sh("docker inspect -f '{{.State.Running}}' download")
        .unwrap();
    assert_eq!(
        running.trim(),
        "true",
        "{}",
        ws.sh("docker logs download 2>&1").unwrap()
    );
    office.origin.release();
    assert_eq!(ws.sh("docker wait download").unwrap().trim(), "0");
    let size: u64 = ws
        .sh("docker logs download")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(size > 1_000_000, "{size}");
}

fn change(ws: &Workstation<'_>, proxies: &[Recorder; 2], way: Way) {
    match way {
        Way::Proxy(which) => {
            let url = format!("http://{}", proxies[which].address());
            succeed(ws, &["set", "upstream", &url]);
        }
        Way::Off => {
            succeed(ws, &["off"]);
        }
    }
}

/// How long after `start` the first new connection that went that way was made; 5 s are the end.
fn reached(
    ws: &Workstation<'_>,
    proxies: &[Recorder; 2],
    way: Way,
    turn: usize,
    start: Instant,
) -> Duration {
    // Directly nothing answers: the office's router drops what it has refused too often.
    let patience = if way == Way::Off { "0.3" } else { "2" };
    let mut requests = 0;
    wait_for(
        &format!("change {turn} to {way:?}"),
        Duration::from_secs(5),
        || {
            requests += 1;
            let elapsed = start.elapsed();
            // One URL a request, by which the proxies tell them apart.
            let url = format!(
                "http://web.example.test/bytes/{}",
                1 + turn * 1000 + requests
            );
            let fetched = ws.sh(&format!(
                "curl -s -m {patience} -o /dev/null -w '%{{http_code}}' \
                 -x http://127.0.0.1:3182 {url} || true"
            ));
            let answered = fetched.unwrap().trim() == "200";
            let asked = |which: usize| {
                proxies[which]
                    .lines()
                    .iter()
                    .any(|line| line.ends_with(&url))
            };
            let arrived = match way {
                Way::Proxy(which) => asked(which) && answered,
                Way::Off => !asked(0) && !asked(1) && !answered,
            };
            arrived.then_some(elapsed)
        },
    )
    .unwrap_or_else(|late| {
        panic!(
            "{late}: {}",
            text(&ws.exec(GANGWAY, &["status"]).unwrap().stdout)
        )
    })
}
