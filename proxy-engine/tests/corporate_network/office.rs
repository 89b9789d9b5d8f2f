//! The machines that these tests share.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use testbed::kdc::PROXY_NAME;
use testbed::net::{POD_BRIDGE, PROXY};
use testbed::{Ca, Child, CorpNet, Netns, Origin, wait_for};

/// A public address that this office reaches without its proxy, once [`Office::near`] has it.
pub(crate) const NEAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// A corporate network with origins outside.
pub(crate) struct Office {
    pub(crate) corp: CorpNet,
    pub(crate) ca: Ca,
    pub(crate) origin: Origin,
    files: tempfile::TempDir,
    environment: Mutex<Vec<(String, String)>>,
}

impl Office {
    pub(crate) fn open() -> Self {
        let corp = CorpNet::new().unwrap();
        let ca = Ca::new().unwrap();
        let origin = Origin::start(&corp, &ca).unwrap();
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("ca.pem"), ca.pem()).unwrap();
        Self {
            corp,
            ca,
            origin,
            files,
            environment: Mutex::default(),
        }
    }

    /// An origin at [`NEAR`].
    pub(crate) fn near(&self) -> Origin {
        let router = &self.corp.router;
        router.ip(&format!("addr add {NEAR}/32 dev lan")).unwrap();
        Origin::inside(router, &[IpAddr::V4(NEAR)], &[], &self.ca).unwrap()
    }

    /// The engine on the node, intercepting the pods' bridge, with `stdin` as its input; up when
    /// it says that interception is in force.
    pub(crate) fn engine(&self, flags: &[&str], stdin: &str) -> Child {
        let mut command = self.corp.node.command(env!("CARGO_BIN_EXE_proxy-engine"));
        command.args(["run", "--transparent", "0.0.0.0:3183", "[::]:3183"]);
        command.args([
            "--intercept",
            POD_BRIDGE,
            "--control",
            &self.file("engine.sock"),
        ]);
        command.args(flags);
        command.envs(self.environment.lock().unwrap().iter().cloned());
        command.stdin(Stdio::piped());
        let mut engine = Child::spawn(command).unwrap();
        engine.stdin().unwrap().write_all(stdin.as_bytes()).unwrap();
        wait_for("interception is in force", Duration::from_secs(5), || {
            assert!(
                engine.ended().is_none(),
                "the engine ended: its words stand above"
            );
            let status = self.try_status()?;
            assert_ne!(status["interception"]["kind"], "failed", "{status:#}");
            (status["interception"]["kind"] == "on").then_some(())
        })
        .unwrap();
        engine
    }

    /// What the next engine's environment has beside the usual.
    pub(crate) fn set_environment(&self, environment: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        *self.environment.lock().unwrap() = environment.iter().map(owned).collect();
    }

    /// The node knows the company's proxy by its name.
    pub(crate) fn name_the_proxy(&self) {
        let etc = std::path::Path::new("/etc/netns").join(self.corp.node.name());
        let hosts = format!("127.0.0.1 localhost\n{PROXY} {PROXY_NAME}\n");
        std::fs::write(etc.join("hosts"), hosts).unwrap();
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        self.try_status().unwrap()
    }

    fn try_status(&self) -> Option<serde_json::Value> {
        let mut ask = std::process::Command::new("curl");
        ask.args([
            "-sS",
            "--unix-socket",
            &self.file("engine.sock"),
            "http://engine/v1/status",
        ]);
        serde_json::from_slice(&ask.output().unwrap().stdout).ok()
    }

    /// The body of a successful answer, or what `curl` says went wrong.
    pub(crate) fn pod_gets(&self, url: &str) -> Result<String, String> {
        self.curl(&["-f", url])
    }

    /// The same for a program of the node's that knows the relay.
    pub(crate) fn node_gets(&self, url: &str) -> Result<String, String> {
        let flags = ["-f", "-x", "http://127.0.0.1:3182", "--noproxy", "", url];
        self.curl_in(&self.corp.node, &flags)
    }

    /// The status of the answer to a body of so many bytes.
    pub(crate) fn pod_posts(&self, url: &str, bytes: usize) -> Result<String, String> {
        let body = self.file("body");
        std::fs::write(&body, vec![b'x'; bytes]).unwrap();
        let body = format!("@{body}");
        let flags = [
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--data-binary",
            &body,
            url,
        ];
        self.curl(&flags)
    }

    /// Head and body of whatever answer comes.
    pub(crate) fn pod_asks(&self, url: &str) -> String {
        self.curl(&["-i", url]).unwrap()
    }

    /// The same of a program of the node's that knows the relay.
    pub(crate) fn node_asks(&self, url: &str) -> String {
        let flags = ["-i", "-x", "http://127.0.0.1:3182", "--noproxy", "", url];
        self.curl_in(&self.corp.node, &flags).unwrap()
    }

    /// Starts a download in the pod; its `curl` ends well when all of it came.
    pub(crate) fn pod_downloads(&self, url: &str) -> Child {
        let mut command = self.corp.pod.command("curl");
        command.args([
            "-sSf",
            "-o",
            "/dev/null",
            "--cacert",
            &self.file("ca.pem"),
            url,
        ]);
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        Child::spawn(command).unwrap()
    }

    /// Swaps the policy's upstream, `None` for none, and nothing else of it.
    pub(crate) fn swap(&self, upstream: Option<&str>) {
        let mut policy = self.status()["policy"].take();
        policy["default"] = match upstream {
            Some(url) => serde_json::json!({ "kind": "upstreams", "upstreams": [url] }),
            None => serde_json::json!({ "kind": "direct" }),
        };
        let mut put = std::process::Command::new("curl");
        put.args([
            "-sSf",
            "--unix-socket",
            &self.file("engine.sock"),
            "-X",
            "PUT",
        ]);
        put.args([
            "-H",
            "Content-Type: application/json",
            "-d",
            &policy.to_string(),
        ]);
        put.arg("http://engine/v1/policy");
        let output = put.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    pub(crate) fn curl(&self, flags: &[&str]) -> Result<String, String> {
        self.curl_in(&self.corp.pod, flags)
    }

    fn curl_in(&self, at: &Netns, flags: &[&str]) -> Result<String, String> {
        let ca = self.file("ca.pem");
        let mut args = vec!["-sS", "-m", "10", "--cacert", &ca];
        args.extend(flags);
        let output = at.exec("curl", &args).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() {
            Ok(text(output.stdout))
        } else {
            Err(text(output.stderr))
        }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.files.path().join(name).display().to_string()
    }
}
