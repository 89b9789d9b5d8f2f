//! What lies in its memory.

use rustix::process::Signal;

use crate::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_no_core_file_in_which_a_password_would_be() {
    let folder = tempfile::tempdir().expect("folder");
    let line = format!(
        "cd {}; ulimit -c unlimited; exec \"$@\"",
        folder.path().display()
    );
    let engine = Program::start_under(&["sh", "-c", &line, "sh"], &[]).await;
    let limits = format!("/proc/{}/limits", engine.child.pid());
    let limits = std::fs::read_to_string(limits).expect("limits");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    // A program that collects core files is not started at a limit of one byte.
    assert_eq!(core[4..6], ["1", "1"], "{core:?}");
    engine.child.signal(Signal::ABORT);
    let ended = engine.child.output(crate::DEADLINE).expect("ended");
    assert!(!ended.status.success());
    let left = std::fs::read_dir(folder.path()).expect("folder").count();
    assert_eq!(left, 0, "a core file");
}
