//! What an administrator has fixed in `/etc/gangway/managed.toml`.

use testbed::Squid;

use crate::office::{Office, gangway, status, succeed, text};

const MANAGED: &str = "/etc/gangway/managed.toml";

#[test]
fn what_is_fixed_for_the_machine_holds_for_everybody_and_says_why() {
    let office = Office::open();
    let squid = Squid::start(&office.corp).unwrap();
    let ws = office.workstation();
    succeed(&ws, &["set", "upstream", "http://mine.test:1"]);
    let upstream = format!("http://{}", squid.address());
    ws.write(
        MANAGED,
        format!("reason = \"policy 7\"\nmode = \"manual\"\nupstream = \"{upstream}\"\nleave_alone = []\n"),
    )
    .unwrap();
    let now = status(&ws);
    assert_eq!(now["policy"]["upstreams"][0], upstream.as_str(), "{now:#}");

    let refused = |arguments: &[&str]| {
        let output = gangway(&ws, arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let said = text(&output.stderr);
        let named = said.contains(MANAGED) && said.contains("policy 7");
        assert!(named, "{arguments:?}: {said}");
    };
    refused(&["off"]);
    refused(&["off", "--for", "30m"]);
    refused(&["set", "upstream", "http://mine.test:2"]);
    let said = succeed(&ws, &["set", "bypass", "intra.test"]);
    let fixed = "fixed by the administrator: mode, upstream, leave_alone (policy 7; ";
    assert!(said.contains(fixed), "{said}");

    // Nothing is given back that the next `apply` would bring again.
    succeed(&ws, &["set", "style", "mirror"]);
    succeed(&ws, &["apply", "--yes"]);
    let config = || ws.sh("cat /root/.docker/config.json").unwrap();
    assert!(config().contains(&upstream));
    refused(&["undo", "docker-cli", "--yes"]);
    assert!(config().contains(&upstream));

    ws.write(MANAGED, "mode = \"manul\"\n").unwrap();
    let broken = text(&gangway(&ws, &["set", "bypass", "x.test"]).stderr);
    assert!(
        broken.contains("managed.toml, line 1, column 8"),
        "{broken}"
    );
    ws.sh(&format!("rm {MANAGED}")).unwrap();
    let own = status(&ws);
    assert_eq!(own["policy"]["upstreams"][0], "http://mine.test:1");
}
