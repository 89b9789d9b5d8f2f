//! The relays that are measured, each on the node with a configuration of `benches/peers/`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::{env, fs};

use testbed::net::{POD_BRIDGE, PROXY};
use testbed::squid::SharedName;
use testbed::{Child, Row};

use crate::error::{BenchError, Result};
use crate::origin::{TLS, UPSTREAM};
use crate::way::{Style, Way};

/// Where every relay listens on the node.
pub(crate) const PORT: u16 = 3183;
/// The node's address on the pods' bridge.
pub(crate) const NODE_INSIDE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 244, 0, 1);

/// One running relay; ends when dropped.
#[derive(Debug)]
pub(crate) struct Peer {
    // Dropped in this order: the program, then what it writes to.
    child: Child,
    dir: tempfile::TempDir,
    // Squid's shared memory, whoever else runs one here.
    _shared: SharedName,
}

impl Peer {
    /// Starts the relay of `way` in `row.node`, and brings the pods' traffic to it where it does
    /// not do so itself. `None` for a way without one.
    pub(crate) fn start(way: Way, style: Style, row: &Row) -> Result<Option<Self>> {
        let dir = tempfile::Builder::new()
            .prefix("gangway-bench-")
            .tempdir()
            .map_err(BenchError::io("make a folder for a peer"))?;
        let folder = dir.path().display().to_string();
        let shared = SharedName::new();
        let Some(mut command) = command(way, style, row, &folder, &shared)? else {
            return Ok(None);
        };
        if style == Style::Transparent && way != Way::Gangway {
            row.node.sh(&format!(
                "nft 'table ip peer {{ chain prerouting {{ \
                 type nat hook prerouting priority dstnat; \
                 iifname {POD_BRIDGE} tcp dport {TLS} redirect to :{PORT}; }}; }}'"
            ))?;
        }
        let words = fs::File::create(dir.path().join("stderr"))
            .map_err(BenchError::io("make a file for a peer's words"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words);
        let child = Child::spawn(command)?;
        Ok(Some(Self {
            child,
            dir,
            _shared: shared,
        }))
    }

    /// The process that does all the work.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// What it printed.
    pub(crate) fn words(&self) -> String {
        // Unreadable words are no words: the caller has a failure to tell already.
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }
}

fn command(
    way: Way,
    style: Style,
    row: &Row,
    dir: &str,
    shared: &SharedName,
) -> Result<Option<Command>> {
    let config = |name: &str, template: &str| {
        let path = PathBuf::from(dir).join(name);
        fs::write(&path, filled(template, dir))
            .map_err(BenchError::io(format!("write {}", path.display())))?;
        Ok::<_, BenchError>(path.display().to_string())
    };
    let (program, args): (String, Vec<String>) = match way {
        Way::Routed => return Ok(None),
        Way::HaProxy => {
            let file = config("haproxy.cfg", include_str!("../peers/haproxy.cfg"))?;
            ("haproxy".into(), vec!["-db".into(), "-f".into(), file])
        }
        Way::Redsocks => {
            let file = config("redsocks.conf", include_str!("../peers/redsocks.conf"))?;
            ("redsocks".into(), vec!["-c".into(), file])
        }
        Way::Squid => {
            let file = config("squid.conf", include_str!("../peers/squid.conf"))?;
            // Squid writes as the user `proxy`.
            row.node.sh(&format!("chown proxy {dir}"))?;
            let name = shared.as_str().into();
            let args = vec!["-N".into(), "-n".into(), name, "-f".into(), file];
            ("squid".into(), args)
        }
        Way::Tinyproxy => {
            let file = config("tinyproxy.conf", include_str!("../peers/tinyproxy.conf"))?;
            ("tinyproxy".into(), vec!["-d".into(), "-c".into(), file])
        }
        Way::Gangway => (engine()?, gangway(style)),
    };
    let mut command = row.node.command(program);
    command.args(args);
    Ok(Some(command))
}

fn gangway(style: Style) -> Vec<String> {
    let line = match style {
        Style::Transparent => format!(
            "run --transparent 0.0.0.0:{PORT} --intercept {POD_BRIDGE} --upstream http://{UPSTREAM}"
        ),
        Style::Explicit => format!("run --listen {NODE_INSIDE}:{PORT}"),
    };
    line.split(' ').map(str::to_owned).collect()
}

/// The engine that was built with this program.
pub(crate) fn engine() -> Result<String> {
    let own = env::current_exe().map_err(BenchError::io("find this program"))?;
    // Beside this program; a test stands one folder deeper.
    own.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("proxy-engine"))
        .find(|path| path.is_file())
        .map(|path| path.display().to_string())
        .ok_or_else(|| {
            BenchError::Unexpected(format!(
                "no proxy-engine beside {}: build it first (`make bench` does)",
                own.display()
            ))
        })
}

fn filled(template: &str, dir: &str) -> String {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    template
        .replace("{dir}", dir)
        .replace("{port}", &PORT.to_string())
        .replace("{threads}", &threads.to_string())
        .replace("{origin}", &format!("{PROXY}:{TLS}"))
        .replace("{upstream-ip}", &UPSTREAM.ip().to_string())
        .replace("{upstream-port}", &UPSTREAM.port().to_string())
}
