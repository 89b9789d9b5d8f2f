//! A worker, seen from the engine.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::message::{Ask, FromWorker, LONGEST, Outcome, PIECE, ToWorker};
use super::soon::soon;
use super::{ARGUMENT, Program, WorkerError, inside};
use crate::pac::names::Names;
use crate::pac::{BUDGET, NAMES, Script};

/// A worker that is not ready by then is taken for dead: a busy machine, a big script.
const START: Duration = Duration::from_secs(10);

/// A process that runs one script. It is killed when this is dropped.
#[derive(Debug)]
pub(in crate::pac) struct Worker {
    // Its messages are whole: the runtime only asks when it can be read and written.
    socket: UnixStream,
    /// The number of the last question.
    asked: u64,
    buffer: Box<[u8]>,
    // Killed when it is dropped.
    child: Child,
}

impl Worker {
    /// Starts one, sees it shut in, and gives it the script.
    pub(in crate::pac) async fn start(
        program: &Program,
        script: &Script,
        names: &Names,
    ) -> Result<Self, WorkerError> {
        let program = match program {
            Program::At(path) => path.as_path(),
            Program::This if inside::is_recognised() => Path::new("/proc/self/exe"),
            Program::This => {
                let message = "this program cannot be started as a worker";
                return Err(WorkerError::Process(message.into()));
            }
        };
        let mut worker = Self::spawn(program)
            .map_err(|error| WorkerError::Process(format!("it does not start: {error}")))?;
        let ready = worker.prepare(script, names);
        match tokio::time::timeout(START, ready).await {
            Ok(ready) => ready.map(|()| worker),
            Err(_) => Err(WorkerError::Process("it does not come to its start".into())),
        }
    }

    fn spawn(program: &Path) -> io::Result<Self> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let mut command = Command::new(program);
        command
            .arg(ARGUMENT)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What is typed at the engine's terminal is not for it.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(zone) = std::env::var_os("TZ") {
            command.env("TZ", zone);
        }
        Ok(Self {
            child: command.spawn()?,
            socket: UnixStream::from_std(ours.into())?,
            asked: 0,
            buffer: vec![0; LONGEST].into(),
        })
    }

    async fn prepare(&mut self, script: &Script, names: &Names) -> Result<(), WorkerError> {
        match self.hear().await? {
            FromWorker::Confined => {}
            FromWorker::NotConfined(why) => {
                let message = format!("it cannot be shut in: {why}");
                return Err(WorkerError::Process(message));
            }
            _ => return Err(nonsense()),
        }
        let mut rest = script.text();
        loop {
            let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE));
            rest = behind;
            self.say(&ToWorker::Piece {
                text: piece.into(),
                last: rest.is_empty(),
            })
            .await?;
            if rest.is_empty() {
                break;
            }
        }
        let mut known = Ask::default();
        for _ in 0..NAMES {
            match self.hear().await? {
                FromWorker::Ready => return Ok(()),
                FromWorker::Unusable(why) => return Err(WorkerError::Script(shortened(&why))),
                FromWorker::Wants(wants) => {
                    let until = Instant::now() + BUDGET;
                    let found = names.find(wants, &mut known, until).await;
                    found.map_err(|busy| WorkerError::Process(busy.to_string()))?;
                    self.say(&ToWorker::Known(known.clone())).await?;
                }
                _ => return Err(nonsense()),
            }
        }
        Err(WorkerError::Script("it looks up too many names".into()))
    }

    /// Asks the script. Nobody else is asking; whoever asked before and did not wait is not answered
    /// any more.
    pub(in crate::pac) async fn ask(&mut self, ask: &Ask) -> Result<Outcome, WorkerError> {
        self.asked += 1;
        self.say(&ToWorker::Ask {
            id: self.asked,
            ask: ask.clone(),
        })
        .await?;
        let mut at_once = self.hear_at_once();
        loop {
            let heard = match at_once.take() {
                Some(heard) => heard,
                None => self.hear().await,
            };
            match heard? {
                FromWorker::Answer { id, outcome } if id == self.asked => {
                    return Ok(match outcome {
                        Outcome::Failed(why) => Outcome::Failed(shortened(&why)),
                        outcome => outcome,
                    });
                }
                FromWorker::Answer { .. } => {}
                _ => return Err(nonsense()),
            }
        }
    }

    async fn say(&self, what: &ToWorker) -> Result<(), WorkerError> {
        let message = serde_json::to_vec(what).map_err(|error| gone(&error.into()))?;
        self.socket
            .async_io(Interest::WRITABLE, || {
                Ok(send(&self.socket, &message, SendFlags::NOSIGNAL)?)
            })
            .await
            .map_err(|error| gone(&error))?;
        Ok(())
    }

    async fn hear(&mut self) -> Result<FromWorker, WorkerError> {
        let (socket, buffer) = (&self.socket, &mut self.buffer[..]);
        let length = socket
            .async_io(Interest::READABLE, || {
                Ok(recv(socket, &mut *buffer, RecvFlags::empty())?.0)
            })
            .await
            .map_err(|error| gone(&error))?;
        self.heard(length)
    }

    /// The answer, where it comes about as soon as one can: most scripts are quicker than it takes to
    /// put this thread to sleep and wake it up again.
    fn hear_at_once(&mut self) -> Option<Result<FromWorker, WorkerError>> {
        let length = soon(|| recv(&self.socket, &mut self.buffer[..], RecvFlags::DONTWAIT))?;
        Some(match length {
            Ok((length, _)) => self.heard(length),
            Err(error) => Err(gone(&error.into())),
        })
    }

    fn heard(&self, length: usize) -> Result<FromWorker, WorkerError> {
        match &self.buffer[..length] {
            [] => Err(WorkerError::Process("it has ended".into())),
            message => serde_json::from_slice(message).map_err(|_| nonsense()),
        }
    }

    /// Its process, while it has one.
    pub(in crate::pac) fn process(&self) -> Option<u32> {
        self.child.id()
    }
}

fn gone(error: &io::Error) -> WorkerError {
    WorkerError::Process(error.to_string())
}

fn nonsense() -> WorkerError {
    WorkerError::Process("it says what no worker says".into())
}

/// It is a stranger's word: one line.
fn shortened(why: &str) -> String {
    let line = why.chars().map(|c| if c.is_control() { ' ' } else { c });
    line.take(200).collect()
}
