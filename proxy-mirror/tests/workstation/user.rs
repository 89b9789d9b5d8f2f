//! A plain user of a machine.

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

use testbed::Machine;

use crate::office::{GANGWAY, SOON, text};

/// Somebody who is not root.
pub(crate) struct User<'m> {
    pub(crate) machine: &'m Machine,
    pub(crate) name: &'static str,
    pub(crate) uid: u32,
}

impl<'m> User<'m> {
    /// The user of that name, who is made where there is none. They have a folder for sockets, as
    /// a log-in makes one.
    pub(crate) fn of(machine: &'m Machine, name: &'static str) -> Self {
        let made = format!("id -u {name} 2>/dev/null || {{ useradd -m {name}; id -u {name}; }}");
        let uid = machine.sh(&made).unwrap().trim().parse().unwrap();
        let folder = format!("install -d -o {name} -m 700 /run/user/{uid}");
        machine.sh(&folder).unwrap();
        Self { machine, name, uid }
    }

    /// What a shell of theirs has in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("HOME", format!("/home/{}", self.name)),
            ("USER", self.name.to_owned()),
            ("XDG_RUNTIME_DIR", format!("/run/user/{}", self.uid)),
        ]
    }

    /// A command that will run as them.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.machine.command("setpriv");
        command
            .args(["--reuid", self.name, "--regid", self.name, "--init-groups"])
            .args(["--", program])
            .envs(self.environment());
        command
    }

    /// Runs `gangway` as them, where there is no terminal.
    pub(crate) fn gangway(&self, args: &[&str]) -> Output {
        let mut command = self.command(GANGWAY);
        command.args(args).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, for what must work.
    pub(crate) fn succeed(&self, args: &[&str]) -> String {
        let output = self.gangway(args);
        assert!(
            output.status.success(),
            "{}: gangway {} ended with {:?}\n{}{}\n{}",
            self.name,
            args.join(" "),
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
            self.machine
                .sh("journalctl -b --no-pager | tail -n 40")
                .unwrap_or_default()
        );
        text(&output.stdout)
    }

    /// What `gangway` says as JSON, whatever its exit code.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.gangway(&[args, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr))
        })
    }

    /// Starts a shell line as theirs, that ends in an agent, and waits for that: its process id.
    pub(crate) fn start(&self, line: &str) -> u64 {
        let (name, uid) = (self.name, self.uid);
        let environment = self
            .environment()
            .map(|(key, value)| format!("--setenv={key}={value}"));
        let run = format!(
            "systemd-run --quiet --unit=agent-{name} --uid={uid} {} {line}",
            environment.join(" ")
        );
        self.machine.sh(&run).unwrap();
        testbed::wait_for("their agent answers", SOON, || {
            let status = self.gangway(&["status", "--json"]);
            let status: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
            status["agent_pid"].as_u64()
        })
        .unwrap_or_else(|late| {
            let log = format!("journalctl -b --no-pager -u agent-{name}");
            panic!("{late}: {}", self.machine.sh(&log).unwrap_or_default())
        })
    }

    /// The command that the status says must be run.
    pub(crate) fn told(&self) -> String {
        let notices = self.json(&["status"])["notices"].to_string();
        let command = notices.split('`').find(|part| part.starts_with("sudo "));
        command.unwrap_or_else(|| panic!("{notices}")).to_owned()
    }

    /// Runs a shell line on a terminal, types `password` wherever one is asked for, and returns
    /// whether it succeeded and what was on the screen.
    pub(crate) fn on_terminal(&self, line: &str, password: &str) -> (bool, String) {
        let mut command = self.command("timeout");
        command
            .args(["120", "script", "-qec", line, "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut terminal = command.spawn().unwrap();
        let mut keyboard = terminal.stdin.take().unwrap();
        let mut screen = terminal.stdout.take().unwrap();
        let (mut shown, mut answered) = (Vec::new(), 0);
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = screen.read(&mut chunk) {
            shown.extend_from_slice(&chunk[..read]);
            let asked = text(&shown).matches("assword for ").count();
            for _ in answered..asked {
                writeln!(keyboard, "{password}").unwrap();
            }
            answered = asked;
        }
        (terminal.wait().unwrap().success(), text(&shown))
    }
}
