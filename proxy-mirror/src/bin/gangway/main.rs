//! The `gangway` command: what the window shows and does, for the terminal and for scripts.

mod arguments;
mod ask;
mod command;
mod demo;
mod exit;
mod output;
mod words;

use std::io::IsTerminal as _;

use clap::Parser;
use proxy_mirror::control::Problem;

use self::arguments::{Arguments, Command};
use self::exit::{Exit, Failure};
use self::output::Output;
use self::words::Words;

fn main() -> Exit {
    // It holds an engine where no service is installed.
    proxy_engine::pac::worker::serve_if_asked();
    proxy_mirror::rootless::listen_if_asked();
    proxy_engine::memory::leave_no_core_file();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // `--help` and `--version` come this way too; a closed pipe is not worth a word.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Ok
            };
        }
    };
    let output = Output::new(arguments.json);
    let words = Words::from_env();
    log_to_stderr(arguments.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return report(output, words, &Failure::from(error)),
    };
    let exit = runtime.block_on(async {
        match until_interrupted(arguments.command, output, words).await {
            Ok(exit) => exit,
            Err(failure) => report(output, words, &failure),
        }
    });
    // A prompt may still wait for a line that nobody will type.
    runtime.shutdown_background();
    exit
}

async fn until_interrupted(
    command: Command,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    if command.ends_by_itself() {
        return command::carry_out(command, output, words).await;
    }
    tokio::select! {
        done = command::carry_out(command, output, words) => done,
        signalled = tokio::signal::ctrl_c() => {
            signalled?;
            Ok(Exit::Interrupted)
        }
    }
}

fn report(output: Output, words: Words, failure: &Failure) -> Exit {
    if failure.exit == Exit::Interrupted {
        return failure.exit;
    }
    if output.is_json() {
        output.json(&failure.problem);
    } else {
        eprintln!(
            "gangway: {}",
            output::plain(&words.problem(&failure.problem))
        );
    }
    failure.exit
}

/// Logs are for whoever looks into a failure: warnings by default, more with `-v` or `RUST_LOG`.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "gangway=warn,proxy_mirror=warn,proxy_engine=warn",
        1 => "gangway=info,proxy_mirror=info,proxy_engine=info",
        _ => "gangway=debug,proxy_mirror=debug,proxy_engine=debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// The problem of a value that cannot be: kept here so that every command words it alike.
fn invalid(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure {
        exit: Exit::Usage,
        problem: Problem::new("argument_invalid", format!("{what}: {error}"))
            .with("what", what)
            .with("error", error),
    }
}
