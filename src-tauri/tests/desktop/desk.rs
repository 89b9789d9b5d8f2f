//! A desk: a session with an upstream proxy, and the app in it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use proxy_mirror::control::client::Client;
use proxy_mirror::control::{Door, Problem, Status};
use testbed::{Behaviour, Child, Recorder, Session};

/// The first start reads fonts and compiles nothing: seconds on two busy cores.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// A session in which the environment names a proxy. Nothing in it intercepts, and nothing of the
/// machine is touched.
pub(crate) struct Desk {
    pub(crate) session: Session,
    pub(crate) upstream: String,
    /// Where the engine listens.
    pub(crate) relay: SocketAddr,
    proxy: Recorder,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// The same, whose docker command line shall be told the company's proxy itself: a plan that
    /// has a step. Docker itself is left alone, where the machine has one.
    pub(crate) fn mirroring() -> Self {
        Self::with(
            "mode = \"manual\"\nstyle = \"mirror\"\nupstream = \"http://proxy.corp.example:3128\"\n\
             leave_alone = [\"docker-daemon\", \"podman\", \"clusters\"]\n",
        )
    }

    pub(crate) fn with(top: &str) -> Self {
        let session = Session::with_display().unwrap();
        let proxy = Recorder::on_loopback().unwrap();
        // Bound once to learn of a free port; the engine binds it again in a moment.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let relay = free.unwrap();
        let settings = format!(
            "{top}[relay]\nport = {}\n\n[intercept]\nenabled = false\n",
            relay.port()
        );
        let folder = session.config_home().join("gangway");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("settings.toml"), settings).unwrap();
        Self {
            session,
            upstream: format!("http://{}", proxy.address()),
            relay,
            proxy,
        }
    }

    /// The upstream refuses everything from now on, and somebody has asked for something.
    pub(crate) fn is_refused(&self) {
        self.proxy.behave(Behaviour::Refuse("403 Forbidden".into()));
        assert_eq!(self.status_of_a_request(), "403");
    }

    /// The upstream asks everybody for this from now on. One that never asks is sent nothing.
    pub(crate) fn wants(&self, authorization: &str) {
        self.proxy.behave(Behaviour::Login(authorization.into()));
    }

    /// What the upstream has been asked so far, after another request.
    pub(crate) fn heads_after_a_request(&self) -> Vec<String> {
        self.status_of_a_request();
        self.proxy.heads()
    }

    fn status_of_a_request(&self) -> String {
        let mut stream = TcpStream::connect(self.relay).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(
            stream,
            "CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n"
        )
        .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[9..]).into_owned()
    }

    /// A program that sees this desk; also what it starts does.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.session.command(program);
        command.env("https_proxy", &self.upstream);
        for_a_window(&mut command);
        command
    }

    /// The app, started with these arguments.
    pub(crate) fn app(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(APP);
        command.args(arguments);
        Child::spawn(command).unwrap()
    }

    /// What the agent says, as soon as there is one and `wanted` holds.
    pub(crate) async fn status_when(&self, wanted: impl Fn(&Status) -> bool) -> Status {
        status_when(&self.session, wanted).await
    }
}

/// What a program with a window needs where there is no desktop: no graphics card, no screen reader
/// and no container here, in the tests alone.
pub(crate) fn for_a_window(command: &mut Command) {
    command
        .env("LANG", "C.UTF-8")
        .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
        .env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1")
        .env("NO_AT_BRIDGE", "1")
        .env("GSETTINGS_BACKEND", "memory");
}

/// What the session's agent says, as soon as there is one and `wanted` holds.
pub(crate) async fn status_when(session: &Session, wanted: impl Fn(&Status) -> bool) -> Status {
    let socket = session.runtime_dir().join("gangway/agent.sock");
    let asked = async {
        loop {
            if let Ok(status) = ask(&socket).await
                && wanted(&status)
            {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    match tokio::time::timeout(SOON, asked).await {
        Ok(status) => status,
        Err(late) => panic!("{late}: not what was wanted: {:#?}", ask(&socket).await),
    }
}

/// The app as cargo built it for these tests.
pub(crate) const APP: &str = env!("CARGO_BIN_EXE_gangway-app");

async fn ask(socket: &std::path::Path) -> Result<Status, Problem> {
    let client = Client::connect(socket)
        .await
        .map_err(|error| Problem::new("connect", error.to_string()))?;
    client.status().await
}
