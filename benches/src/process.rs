//! What a process costs, as `/proc` tells it (proc(5)).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::error::{BenchError, Result};

/// Longest wait for memory to come to rest.
const REST: Duration = Duration::from_secs(10);
/// Memory is at rest when two looks this far apart agree.
const LOOKS: Duration = Duration::from_millis(1500);

/// A running process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self(pid)
    }

    pub(crate) fn pid(self) -> u32 {
        self.0
    }

    /// Seconds of processor time so far, in user and kernel mode, of all its threads. Work that
    /// the kernel does in soft interrupts is in it as far as it happened to interrupt this process.
    pub(crate) fn cpu_seconds(self) -> Result<f64> {
        let text = self.read("stat")?;
        // The name before the last parenthesis may hold spaces; `utime` and `stime` are fields 14
        // and 15, counted from 1.
        let fields: Vec<&str> = text
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().collect())
            .unwrap_or_default();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let per_second = rustix::param::clock_ticks_per_second();
        match (ticks(14), ticks(15)) {
            #[expect(clippy::cast_precision_loss, reason = "it is 100")]
            (Some(user), Some(kernel)) => Ok((user + kernel) / per_second as f64),
            _ => Err(BenchError::Unexpected(format!("no times in `{text}`"))),
        }
    }

    /// How often its threads that live went to sleep so far: each time, somebody had to wake them
    /// (proc(5), `voluntary_ctxt_switches`).
    pub(crate) fn sleeps(self) -> Result<f64> {
        let path = format!("/proc/{}/task", self.0);
        let threads = fs::read_dir(&path).map_err(BenchError::io(format!("list {path}")))?;
        let mut sum = 0.0;
        for thread in threads {
            let thread = thread.map_err(BenchError::io(format!("list {path}")))?;
            let status = self.read(&format!("task/{}/status", thread.file_name().display()))?;
            let times = { status.lines() }
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .and_then(|times| times.trim().parse::<f64>().ok());
            sum +=
                times.ok_or_else(|| BenchError::Unexpected(format!("no sleeps in `{status}`")))?;
        }
        Ok(sum)
    }

    /// Resident bytes, with what it shares with others.
    pub(crate) fn resident(self) -> Result<f64> {
        self.rollup("Rss:")
    }

    /// Resident bytes, what it shares divided among the sharers, as soon as they stay the same.
    pub(crate) fn proportional_at_rest(self) -> Result<f64> {
        let began = Instant::now();
        let mut last = self.rollup("Pss:")?;
        loop {
            std::thread::sleep(LOOKS);
            let now = self.rollup("Pss:")?;
            if (now - last).abs() < 16_384.0 || began.elapsed() > REST {
                return Ok(now);
            }
            last = now;
        }
    }

    /// Where its descriptors lead (proc(5), `fd`).
    pub(crate) fn descriptors(self) -> Result<Vec<String>> {
        let path = format!("/proc/{}/fd", self.0);
        let folder = fs::read_dir(&path).map_err(BenchError::io(format!("list {path}")))?;
        let links = folder.map(|entry| match fs::read_link(entry?.path()) {
            Ok(link) => Ok(Some(link.to_string_lossy().into_owned())),
            // Closed between the two looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        let links: io::Result<Vec<Option<String>>> = links.collect();
        let links = links.map_err(BenchError::io(format!("read {path}")))?;
        Ok(links.into_iter().flatten().collect())
    }

    fn rollup(self, name: &str) -> Result<f64> {
        let text = self.read("smaps_rollup")?;
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.parse::<f64>().ok())
            .map(|kib| kib * 1024.0)
            .ok_or_else(|| BenchError::Unexpected(format!("no {name} in `{text}`")))
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).map_err(BenchError::io(format!("read {path}")))
    }
}

/// How many of these descriptors are pipes that the process has to itself, two each.
pub(crate) fn pipes(descriptors: &[String]) -> usize {
    let mut ends: HashMap<&str, usize> = HashMap::new();
    for link in descriptors.iter().filter(|link| link.starts_with("pipe:")) {
        *ends.entry(link).or_default() += 1;
    }
    // Of a pipe to another process, only one end is here.
    ends.values().filter(|ends| **ends == 2).count()
}

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn a_process_that_works_and_allocates_shows_it() {
        let own = Process::new(std::process::id());
        let before = (
            own.cpu_seconds().expect("times"),
            own.resident().expect("rss"),
        );
        let block = vec![1_u8; 64 << 20];
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        while own.cpu_seconds().expect("times") < before.0 + 0.05 {
            sum += block.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            assert!(began.elapsed().as_secs() < 20, "no time passes: {sum}");
        }
        assert!(own.resident().expect("rss") > before.1 + 50e6);
    }

    #[test]
    fn a_process_that_sleeps_shows_how_often() {
        let own = Process::new(std::process::id());
        let before = own.sleeps().expect("sleeps");
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let times = own.sleeps().expect("sleeps") - before;
        assert!((20.0..200.0).contains(&times), "{times}");
    }
}
