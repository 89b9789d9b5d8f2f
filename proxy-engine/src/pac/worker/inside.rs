//! The worker's own `main`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::javascript::{Engine, NotRead, Prepared};
use super::message::{Ask, FromWorker, LONGEST, Outcome, ToWorker};
use super::soon::soon;
use super::{ARGUMENT, sandbox};
use crate::pac::Script;

/// Whether this program's `main` calls [`serve_if_asked`]: another one, started again as a worker,
/// would be itself once more.
static RECOGNISES: AtomicBool = AtomicBool::new(false);

/// Serves as a worker, and never returns, where this program was started as one. The first thing in
/// the `main` of every program that holds an engine: there must be no other thread yet.
pub fn serve_if_asked() {
    RECOGNISES.store(true, Ordering::Relaxed);
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == ARGUMENT) && arguments.next().is_none() {
        // Its parent hears why by the socket, and sees the end.
        exit(i32::from(serve().is_err()));
    }
}

/// Whether this program can be started as a worker.
pub(super) fn is_recognised() -> bool {
    RECOGNISES.load(Ordering::Relaxed)
}

fn serve() -> io::Result<()> {
    let stdin = io::stdin();
    let parent = Parent(stdin.as_fd());
    // Somebody typed the word.
    if rustix::net::sockopt::socket_type(parent.0)? != rustix::net::SocketType::SEQPACKET {
        return Err(io::Error::other("this is for the engine alone"));
    }
    let mut buffer = vec![0; LONGEST];
    // Now, for the time zone is read from a file.
    let prepared = Prepared::new();
    match sandbox::confine() {
        Ok(()) => parent.say(&FromWorker::Confined)?,
        Err(error) => {
            parent.say(&FromWorker::NotConfined(error.to_string()))?;
            return Err(error);
        }
    }
    let script = script(&parent, &mut buffer)?;
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(why) => return parent.say(&FromWorker::Unusable(why)),
    };
    let mut known = Ask::default();
    let mut engine = loop {
        match prepared.read(&script, known) {
            Ok(engine) => break engine,
            Err(NotRead::Unusable(why)) => return parent.say(&FromWorker::Unusable(why)),
            Err(NotRead::Wants(wants)) => {
                parent.say(&FromWorker::Wants(wants))?;
                known = match parent.hear(&mut buffer)? {
                    Some(ToWorker::Known(known)) => known,
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                };
            }
        }
    };
    drop(script);
    parent.say(&FromWorker::Ready)?;
    answer(&parent, &mut engine, &mut buffer)
}

fn script(parent: &Parent<'_>, buffer: &mut [u8]) -> io::Result<String> {
    let mut script = String::new();
    loop {
        match parent.hear(buffer)? {
            Some(ToWorker::Piece { text, last }) => {
                if script.len() + text.len() > Script::MOST {
                    return Err(io::Error::other("too long a script"));
                }
                script.push_str(&text);
                if last {
                    return Ok(script);
                }
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn answer(parent: &Parent<'_>, engine: &mut Engine, buffer: &mut [u8]) -> io::Result<()> {
    while let Some(heard) = parent.hear(buffer)? {
        let ToWorker::Ask { id, ask } = heard else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let outcome = engine.ask(ask);
        let ends = matches!(outcome, Outcome::Exhausted { .. });
        parent.say(&FromWorker::Answer { id, outcome })?;
        if ends {
            break;
        }
    }
    Ok(())
}

struct Parent<'a>(BorrowedFd<'a>);

impl Parent<'_> {
    fn say(&self, what: &FromWorker) -> io::Result<()> {
        let message = serde_json::to_vec(what)?;
        send(self.0, &message, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// The next message; `None` once the parent is gone.
    fn hear(&self, buffer: &mut [u8]) -> io::Result<Option<ToWorker>> {
        let at_once = soon(|| recv(self.0, &mut *buffer, RecvFlags::DONTWAIT));
        let (length, _) = match at_once {
            Some(heard) => heard?,
            None => rustix::io::retry_on_intr(|| recv(self.0, &mut *buffer, RecvFlags::empty()))?,
        };
        match &buffer[..length] {
            [] => Ok(None),
            message => Ok(Some(serde_json::from_slice(message)?)),
        }
    }
}
