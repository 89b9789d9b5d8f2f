//! Why a goal is missed: where the engine's time goes, and how often it asks the kernel.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Child, wait_for};

use crate::error::{BenchError, Result};
use crate::load::{bulk, connections, latency, requests};
use crate::measure::Measure;
use crate::process::Process;
use crate::rig::Rig;
use crate::way::{Style, Way};

/// How long is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// Longest wait for a tool to write down what it saw.
const WRITTEN: Duration = Duration::from_secs(30);
/// Connections one after the other for each look at what a first byte waits for.
const SINGLES: u16 = 5_000;
/// Lines of a list that are worth reading.
const LINES: usize = 20;

/// What is profiled for a missed goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    NewTls,
    FirstByte,
    Bulk,
    Requests,
    Tunnels,
    Memory,
}

impl Subject {
    /// The one that explains this measure.
    pub(crate) fn of(measure: Measure) -> Self {
        match measure {
            Measure::NewTls | Measure::NewTlsCpu => Self::NewTls,
            Measure::FirstByte | Measure::Exchange => Self::FirstByte,
            Measure::Bulk | Measure::BulkCpu => Self::Bulk,
            Measure::Requests | Measure::RequestsCpu => Self::Requests,
            Measure::Tunnels | Measure::TunnelsCpu => Self::Tunnels,
            Measure::IdleTunnel | Measure::AtRest => Self::Memory,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::NewTls => "new TLS connections",
            Self::FirstByte => "first byte of a new connection",
            Self::Bulk => "bulk",
            Self::Requests => "plain-HTTP requests",
            Self::Tunnels => "new CONNECT tunnels",
            Self::Memory => "memory at rest",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::NewTls | Self::FirstByte | Self::Bulk | Self::Memory => Style::Transparent,
            Self::Requests | Self::Tunnels => Style::Explicit,
        }
    }

    /// The peer whose system calls stand beside the engine's.
    fn rival(self) -> Way {
        match self {
            // It has a CONNECT to wait for, too.
            Self::FirstByte => Way::Redsocks,
            Self::NewTls | Self::Bulk | Self::Memory => Way::HaProxy,
            Self::Requests | Self::Tunnels => Way::Tinyproxy,
        }
    }

    /// Loads the way; how much was done, in connections, requests or Gbit.
    fn load(self, rig: &Rig) -> Result<f64> {
        Ok(match self {
            Self::NewTls | Self::Tunnels => {
                rig.load(|client| connections::run(client, LOOK))?.count()
            }
            Self::FirstByte => {
                rig.load(|client| latency::first_byte(client, usize::from(SINGLES)))?;
                f64::from(SINGLES)
            }
            Self::Requests => rig.load(|client| requests::run(client, LOOK))?.count(),
            Self::Bulk => rig.load(|client| bulk::run(client, LOOK))?.all,
            Self::Memory => 0.0,
        })
    }
}

/// The profile in Markdown. A tool that is not allowed here says so in its place.
pub(crate) fn describe(subject: Subject) -> Result<String> {
    let rig = Rig::open(Way::Gangway, subject.style())?;
    let process = rig
        .process()
        .ok_or_else(|| BenchError::Unexpected("Gangway's way has no relay".into()))?;
    let title = subject.title();
    if subject == Subject::Memory {
        let list = mappings(process)?;
        return Ok(format!(
            "### Profile: {title}\n\nThe engine's largest mappings, KiB resident:\n\n\
             ```\n{list}```\n"
        ));
    }
    let time = time(subject, &rig, process)?;
    let slept = sleeps(subject, &rig, process)?;
    let own = calls(subject, &rig, process)?;
    drop(rig);
    let rival = Rig::open(subject.rival(), subject.style())?;
    let (others, other) = match rival.process() {
        Some(process) => (
            sleeps(subject, &rival, process)?,
            calls(subject, &rival, process)?,
        ),
        None => Default::default(),
    };
    let name = subject.rival().name();
    Ok(format!(
        "### Profile: {title}\n\nWhere the engine's time goes (`perf`, share of its own time):\n\n\
         ```\n{time}```\n\nSystem calls of the engine (`strace`): how many, and how many for \
         one connection, request or Gbit; it went to sleep {slept:.2} times for each:\n\n\
         ```\n{own}```\n\nSystem calls of {name}, which went to sleep {others:.2} times:\n\n\
         ```\n{other}```\n"
    ))
}

/// How often the process went to sleep, for one connection, request or Gbit.
fn sleeps(subject: Subject, rig: &Rig, process: Process) -> Result<f64> {
    let before = process.sleeps()?;
    let done = subject.load(rig)?;
    Ok((process.sleeps()? - before) / done)
}

fn time(subject: Subject, rig: &Rig, process: Process) -> Result<String> {
    let dir = tempfile::tempdir().map_err(BenchError::io("make a folder for a profile"))?;
    let data = dir.path().join("perf.data").display().to_string();
    let pid = process.pid().to_string();
    let seconds = LOOK.as_secs().to_string();
    let mut record = Command::new("perf");
    record.args([
        "record",
        "-q",
        "-e",
        "cpu-clock",
        "-F",
        "997",
        "-p",
        &pid,
        "-o",
        &data,
    ]);
    record.args(["--", "sleep", &seconds]);
    record.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut record = Child::spawn(record)?;
    // On a busy machine perf takes its time to begin.
    while record.ended().is_none() {
        subject.load(rig)?;
    }
    let recorded = record.output(WRITTEN)?;
    if !recorded.status.success() {
        return Ok(format!(
            "perf cannot be used here: {}\n",
            String::from_utf8_lossy(&recorded.stderr).trim()
        ));
    }
    let mut report = Command::new("perf");
    report.args([
        "report",
        "--stdio",
        "--no-children",
        "-s",
        "dso,sym",
        "-i",
        &data,
    ]);
    let report = report.output().map_err(BenchError::io("run perf report"))?;
    let text = String::from_utf8_lossy(&report.stdout).into_owned();
    Ok(first(text.lines().filter(|line| {
        !line.starts_with('#') && !line.trim().is_empty()
    })))
}

fn calls(subject: Subject, rig: &Rig, process: Process) -> Result<String> {
    let dir = tempfile::tempdir().map_err(BenchError::io("make a folder for a profile"))?;
    let seen = dir.path().join("calls");
    let words = dir.path().join("words");
    let file = fs::File::create(&words).map_err(BenchError::io("make a file for strace"))?;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-U", "name,calls", "-S", "calls", "-o"]);
    strace.arg(&seen).args(["-p", &process.pid().to_string()]);
    strace
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file);
    let mut strace = Child::spawn(strace)?;
    let said = || fs::read_to_string(&words).unwrap_or_default();
    let attached = wait_for("strace watches", WRITTEN, || {
        if said().contains("attached") {
            return Some(true);
        }
        strace.ended().map(|_| false)
    })?;
    if !attached {
        return Ok(format!("strace cannot be used here: {}\n", said().trim()));
    }
    let done = subject.load(rig)?;
    strace.signal(Signal::INT);
    strace.output(WRITTEN)?;
    let text = fs::read_to_string(&seen).map_err(BenchError::io("read what strace saw"))?;
    let counted = text.lines().filter_map(|line| {
        let (name, calls) = line.trim().split_once(char::is_whitespace)?;
        let calls: f64 = calls.trim().parse().ok()?;
        Some(format!("{name:<16} {calls:>9} {:>8.2}", calls / done))
    });
    Ok(first(counted))
}

/// The largest mappings by what is resident of them (proc(5), `smaps`).
fn mappings(process: Process) -> Result<String> {
    let path = format!("/proc/{}/smaps", process.pid());
    let text = fs::read_to_string(&path).map_err(BenchError::io(format!("read {path}")))?;
    let mut name = "";
    let mut sizes: Vec<(u64, &str)> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("Rss:") => {
                let size = words.next().and_then(|kib| kib.parse().ok());
                sizes.push((size.unwrap_or_default(), name));
            }
            Some(word) if !word.ends_with(':') => name = line.get(73..).unwrap_or("anonymous"),
            _ => {}
        }
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    Ok(first(
        sizes.iter().map(|(kib, name)| format!("{kib:>8} {name}")),
    ))
}

fn first(lines: impl Iterator<Item = impl AsRef<str>>) -> String {
    lines
        .take(LINES)
        .fold(String::new(), |text, line| text + line.as_ref() + "\n")
}
