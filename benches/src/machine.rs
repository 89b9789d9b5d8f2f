//! The machine and the programs, as the results name them.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// How long the machine is watched.
const WATCH: Duration = Duration::from_millis(200);
/// Longest wait for it to come to rest between two sessions.
const REST: Duration = Duration::from_secs(3);

/// One line about the hardware and the kernel.
pub(crate) fn describe() -> String {
    let cores = thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cpu}, {cores} cores, {memory} of memory, Linux {}",
        kernel.trim()
    )
}

/// Name and version of each program that takes part.
pub(crate) fn versions(engine: &str) -> Vec<String> {
    let own = env!("CARGO_PKG_VERSION");
    let revision = first_line("git", &["rev-parse", "--short", "HEAD"]);
    [
        ("haproxy", "-v"),
        ("redsocks", "-v"),
        ("squid", "-v"),
        ("tinyproxy", "-v"),
        (engine, "--version"),
    ]
    .map(|(program, flag)| first_line(program, &[flag]))
    .into_iter()
    .chain([format!("Gangway {own}, commit {revision}")])
    .collect()
}

/// The share of processor time that nobody used during `watch`, between 0 and 1.
pub(crate) fn idle(watch: Duration) -> f64 {
    let before = times();
    thread::sleep(watch);
    let after = times();
    let [idle, all] = [after.0 - before.0, after.1 - before.1];
    if all > 0.0 { idle / all } else { 0.0 }
}

/// Waits until nine tenths of the machine are idle: what a session before left to the kernel to
/// tidy up is no part of the next. On a machine that others use it goes on after [`REST`].
pub(crate) fn settle() {
    let began = Instant::now();
    while idle(WATCH) < 0.9 && began.elapsed() < REST {}
}

/// Ticks that were idle, and all, since the machine started (proc(5), `/proc/stat`).
fn times() -> (f64, f64) {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        // What guests used is in the user's time already.
        .take(8)
        .filter_map(|ticks| ticks.parse().ok())
        .collect();
    let idle = ticks.get(3..5).map_or(0.0, |idle| idle.iter().sum());
    (idle, ticks.iter().sum())
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_once(':'))
        .map_or_else(|| "unknown".into(), |(_, value)| value.trim().to_owned())
}

/// What the program says first; its name where it says nothing.
fn first_line(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output();
    let text = said.map_or_else(
        |_| String::new(),
        |output| {
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr)
        },
    );
    let line = text.lines().next().map(str::trim).unwrap_or_default();
    if line.is_empty() {
        format!("{program} (it does not say)")
    } else {
        line.to_owned()
    }
}
