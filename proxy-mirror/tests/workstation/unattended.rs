//! A machine that nobody logs in to: the service has its password from systemd.

use testbed::{APP_IMAGE, BasicLogin, Squid, Workstation, wait_for};

use crate::office::{Office, SOON, set_up, succeed};

const PASSWORD: &str = "s3cret \"\\ 'é";

/// The line that the unit itself names, taken in.
const DROP_IN: &str = "\
d=/etc/systemd/system/gangway-engine.service.d; mkdir -p $d
{ echo '[Service]'
  sed -n 's/^#\\(LoadCredentialEncrypted=\\)/\\1/p' /etc/systemd/system/gangway-engine.service
} > $d/override.conf
test $(wc -l < $d/override.conf) = 2
systemctl daemon-reload
systemctl restart gangway-engine
";

#[test]
fn the_service_has_its_password_out_of_a_file_that_systemd_decrypts_and_after_a_boot_too() {
    let office = Office::open();
    let login = BasicLogin {
        user: "ann".into(),
        password: PASSWORD.into(),
    };
    let squid = Squid::with_basic(&office.corp, 3129, &login).unwrap();
    let mut ws = office.workstation();
    set_up(&ws, squid.address());
    let upstream = format!("http://ann@{}", squid.address());
    succeed(&ws, &["set", "upstream", &upstream]);
    let refused = ws.exec("docker", &["pull", "-q", APP_IMAGE]).unwrap();
    assert!(!refused.status.success(), "nobody lent a password");

    let password = PASSWORD.replace('\\', "\\\\").replace('"', "\\\"");
    let credentials = format!(
        "[[credentials]]\nproxy = \"{}\"\nuser = \"ann\"\npassword = \"{password}\"\n",
        squid.address()
    );
    ws.write("/run/credentials.toml", credentials).unwrap();
    ws.sh(
        "mkdir -p /etc/gangway; \
         systemd-creds encrypt --name=gangway-credentials /run/credentials.toml /etc/gangway/credentials; \
         rm /run/credentials.toml",
    )
    .unwrap();
    ws.sh(DROP_IN).unwrap();
    pulls(&ws);
    // Where systemd lends it, nobody but root and the service can look.
    let search =
        "grep -rlaF --exclude-dir=credentials s3cret /etc /var/lib /run 2>/dev/null || true";
    let plain = ws.sh(search);
    assert_eq!(plain.unwrap(), "");

    ws.restart().unwrap();
    pulls(&ws);
}

fn pulls(ws: &Workstation<'_>) {
    let pull = format!("docker image rm -f {APP_IMAGE}; docker pull -q {APP_IMAGE}");
    wait_for("docker pull", SOON, || ws.sh(&pull).ok()).unwrap_or_else(|late| {
        let log = ws.sh(
            "set +e; systemctl cat gangway-engine | tail -n 4; P=$(systemctl show -P MainPID gangway-engine); ls -lAR /proc/$P/root/run/credentials; \
             nsenter -t $P -m ls -lAR /run/credentials; systemctl show gangway-engine | grep -i cred; \
             tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID gangway-engine)/environ; \
             journalctl -b --no-pager -u 'gangway*' | head -n 30; true",
        );
        panic!("{late}: {}", log.unwrap_or_default())
    });
}
