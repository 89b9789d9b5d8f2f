//! `proxy-engine`: the data plane as a program.

mod exit;
mod run;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proxy_engine::config::RunFlags;
use proxy_engine::intercept::broker::{self, BrokerError, BrokerOptions, EngineUser, OnLoss};

use self::exit::Exit;
use self::run::{Beginning, RunError};

/// A connection takes and gives back some forty pieces of memory. This one does it in half the time
/// of the system's, and gives back to the machine what thousands of tunnels left (`make bench`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Forwards connections towards a company's proxy: those of clients that know it (explicit), those
/// that interception brings (transparent), and those that other engines pass on (chained).
///
/// People rarely start this by hand: `gangway run` and the service do. To try it:
///
///   proxy-engine run --upstream http://proxy.example.com:8080 --bypass .example.com
///   curl -x 127.0.0.1:3182 https://example.org
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str =
    "Exit codes: 0 ended as it was told to, 1 failed and said why, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the engine until SIGTERM or SIGINT
    ///
    /// Direct are: private networks, names without a dot, and what --bypass names. Everything else
    /// goes to the first --upstream that answers; without any, it is direct too.
    ///
    /// An explicit proxy on 127.0.0.1:3182:
    ///   proxy-engine run --upstream http://proxy.example.com:8080
    ///
    /// Intercept what containers send, as one process (root; it drops its capabilities):
    ///   proxy-engine run --transparent 0.0.0.0:3183 --intercept docker0 'br-*' \
    ///     --upstream http://proxy.example.com:8080
    ///
    /// Serve another world (a virtual machine, a cluster's node) by this engine's policy. Once, a
    /// key on both sides, then the engine that decides, and the one that asks it about everything:
    ///   (umask 077; echo "vm-1 $(head -c 32 /dev/urandom | base64)" > chain.key)
    ///   proxy-engine run --upstream http://proxy.example.com:8080 \
    ///     --chained 192.0.2.1:3184 --chained-keys chain.key
    ///   proxy-engine run --chain 192.0.2.1:3184 --chain-key chain.key \
    ///     --transparent 0.0.0.0:3183 --intercept docker0 'br-*'
    ///
    /// The deciding engine dials nothing that is private to the other world but what --bypass
    /// names, and its credentials serve clients there as they serve containers here.
    ///
    /// See what it does:
    ///   proxy-engine run --control /run/gangway/engine.sock …
    ///   curl --unix-socket /run/gangway/engine.sock http://engine/v1/status
    ///
    /// Give it a password without an agent (authority, user, password, each ended by NUL):
    ///   proxy-engine run --upstream http://me@proxy.example.com:8080 --credentials-fd 3 \
    ///     3< <(printf 'proxy.example.com:8080\0me\0%s\0' "$PASSWORD")
    #[command(verbatim_doc_comment)]
    Run(Box<RunFlags>),
    /// Say whether `run` would understand these flags, all of them together, and end
    ///
    /// Nothing is listened on and nobody is asked. What only shows when it starts (a port that
    /// another program has) is not looked at.
    ///
    ///   proxy-engine check --config /etc/gangway/engine.toml && systemctl reload gangway-engine
    #[command(verbatim_doc_comment)]
    Check(Box<RunFlags>),
    /// Run a new engine in the place of the one that answers at --control
    ///
    /// It asks that engine for its listening sockets, its policy (unless these flags name one) and
    /// what is lent, and serves from then on: no connection is refused meanwhile, and those that
    /// live stay with the old engine, which ends with the last of them. Only root and the old
    /// engine's own user may. Where no engine answers, this is the same as `run`.
    ///
    /// An engine that gets SIGUSR2 starts this by itself, with its own flags, from where it was
    /// started: put the new program there, and send it. The service does it at
    /// `systemctl reload gangway-engine`.
    #[command(verbatim_doc_comment)]
    TakeOver(Box<TakeOverFlags>),
    /// Hold the firewall rules for an engine that runs without privilege (root)
    ///
    /// It understands no byte from the network (where the kernel cannot copy packets, it passes
    /// opening segments on). When its engine is gone for two seconds, it withdraws the rules, so
    /// that traffic flows as if nothing were installed.
    Broker(BrokerFlags),
}

#[derive(Debug, Args)]
struct TakeOverFlags {
    /// Return as soon as the new engine serves; it goes on by itself. Ends with 1 where it does not
    /// come to that
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    run: RunFlags,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("engine").required(true))]
struct BrokerFlags {
    /// Listen on this Unix socket, unless systemd passes one
    #[arg(long, value_name = "PATH", default_value = "/run/gangway/broker.sock")]
    socket: std::path::PathBuf,
    /// Serve the engine that runs as this user
    #[arg(long, value_name = "NAME", group = "engine")]
    engine_user: Option<String>,
    /// The same, by number
    #[arg(long, value_name = "UID", group = "engine")]
    engine_uid: Option<u32>,
    /// When the engine is gone: release what is intercepted, or hold it
    #[arg(long, value_enum, default_value_t)]
    on_loss: Loss,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Loss {
    #[default]
    Release,
    Hold,
}

fn main() -> Exit {
    proxy_engine::pac::worker::serve_if_asked();
    proxy_engine::memory::leave_no_core_file();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
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
    match cli.command {
        Command::Run(flags) => ended(run::run(*flags, Beginning::New), RunError::exit),
        Command::Check(flags) => ended(run::check(*flags), RunError::exit),
        Command::TakeOver(flags) if flags.detach => {
            ended(run::detached::begin(flags.run), RunError::exit)
        }
        Command::TakeOver(flags) => ended(run::run(flags.run, Beginning::TakeOver), RunError::exit),
        Command::Broker(flags) => ended(broker(flags), |_| Exit::Failed),
    }
}

fn ended<E: std::fmt::Display>(outcome: Result<(), E>, exit: impl Fn(&E) -> Exit) -> Exit {
    match outcome {
        Ok(()) => Exit::Ok,
        Err(error) => {
            eprintln!("proxy-engine: {error}");
            exit(&error)
        }
    }
}

fn broker(flags: BrokerFlags) -> Result<(), BrokerError> {
    run::log(proxy_engine::config::LogFormat::Text);
    let engine = match (flags.engine_user, flags.engine_uid) {
        (Some(name), _) => EngineUser::Name(name),
        (None, uid) => EngineUser::Uid(uid.expect("clap asks for a name where there is no uid")),
    };
    broker::serve(&BrokerOptions {
        socket: flags.socket,
        engine,
        on_loss: match flags.on_loss {
            Loss::Release => OnLoss::Release,
            Loss::Hold => OnLoss::Hold,
        },
    })
}
