//! How many threads carry connections.

use crate::program::Program;
use crate::{echoes, origin, tunnel};

/// The threads of the program once it has carried something.
async fn threads(arguments: &[&str]) -> usize {
    let engine = Program::start(arguments).await;
    let mut stream = tunnel(engine.relay, origin().await).await.expect("opened");
    echoes(&mut stream, "carried").await.expect("carried");
    let tasks = format!("/proc/{}/task", engine.child.pid());
    std::fs::read_dir(tasks).expect("a process").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_threads_carry_connections_as_it_is_told_and_one_for_two_processors_else() {
    let one = threads(&["--threads", "1"]).await;
    assert_eq!(threads(&["--threads", "4"]).await, one + 3);
    let processors = std::thread::available_parallelism().expect("counted");
    let half = processors.get().div_ceil(2);
    assert_eq!(threads(&[]).await, one + half - 1);
}
