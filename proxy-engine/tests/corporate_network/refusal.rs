//! A route that fails is refused. Nothing goes direct that the policy sends to a proxy, although
//! it could.

use testbed::{Behaviour, Recorder};

use super::office::{NEAR, Office};

const RELAY: &str = "10.244.0.1:3182";

/// What the pod's `curl` prints and says, with these arguments before the URL.
fn pod_curls(office: &Office, args: &[&str], url: &str) -> (String, String) {
    let fixed = [
        "-sS",
        "-m",
        "10",
        "-k",
        "-w",
        "\n%{http_code} %{http_connect}",
    ];
    let all = [&fixed[..], args, &[url]].concat();
    let output = office.corp.pod.exec("curl", &all).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn an_upstream_that_fails_makes_no_connection_direct() {
    let office = Office::open();
    let near = office.near();
    let [plain, tls] = ["http", "https"].map(|scheme| format!("{scheme}://{NEAR}/hello"));
    for url in [&plain, &tls] {
        let (said, _) = pod_curls(&office, &[], url);
        assert!(said.ends_with("200 000"), "reached without us: {said}");
    }
    let before = near.seen().len();
    let flags = ["--upstream", "http://10.66.0.2:3128", "--listen", RELAY];
    let _engine = office.engine(&flags, "");
    let every_way_ends = |status: &str| {
        for args in [&[][..], &["-x", RELAY]] {
            let (said, _) = pod_curls(&office, args, &plain);
            assert!(said.ends_with(&format!("{status} 000")), "{args:?}: {said}");
            let (said, why) = pod_curls(&office, args, &tls);
            let connect = if args.is_empty() { "000" } else { status };
            assert!(
                said.ends_with(&format!("000 {connect}")),
                "{args:?}: {said}"
            );
            // Who knows of no proxy sees its connection end, and no violence.
            assert!(!why.contains("reset"), "{args:?}: {why}");
        }
    };
    // Nobody listens there yet.
    every_way_ends("502");
    let upstream = Recorder::start(&office.corp.proxy, "10.66.0.2:3128".parse().unwrap()).unwrap();
    upstream.behave(Behaviour::Refuse("403 Forbidden".into()));
    every_way_ends("403");
    upstream.behave(Behaviour::Login("Basic dXNlcjpwYXNz".into()));
    every_way_ends("407");
    assert_eq!(
        near.seen().len(),
        before,
        "the origin was reached without the proxy"
    );
}
