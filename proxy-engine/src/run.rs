//! `proxy-engine run` and `proxy-engine take-over`.

pub(crate) mod detached;
mod successor;

use std::io::{self, IsTerminal};
use std::process::ExitStatus;
use std::time::Duration;

use proxy_engine::accept::ListenError;
use proxy_engine::config::{
    ConfigFileError, CredentialsError, EngineConfig, FlagsError, InterceptBy, LogFormat, RunFlags,
    read_credentials, read_credentials_file, read_credentials_of_systemd, read_credentials_secret,
};
use proxy_engine::control::LentCredentials;
use proxy_engine::control::hand_over::{TakeOver, TakeOverError};
use proxy_engine::control::server::{ServeError, Server, scraped, serve_metrics};
use proxy_engine::engine::{Engine, EngineError};
use proxy_engine::observe::FloodGate;
use proxy_engine::systemd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::AbortHandle;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::successor::Successor;
use crate::exit::Exit;

/// Connections get this many seconds to end when the engine is told to.
const DRAIN: u32 = 5;

/// A new engine looks this often whether the metrics' address is free.
const RETRY: Duration = Duration::from_millis(100);

/// How an engine begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// By itself.
    New,
    /// In the place of the one that runs, where one does.
    TakeOver,
}

/// Why the engine did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Flags(#[from] FlagsError),
    #[error(transparent)]
    File(#[from] ConfigFileError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Control(#[from] ServeError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Not one listener could be opened; a sentence each.
    #[error("{0}")]
    NoListener(String),
    /// Somebody's place shall be taken, and nobody knows whose.
    #[error("say with --control whose place it takes")]
    WhosePlace,
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
    /// A new engine that was started for that said why.
    #[error("the new engine did not take over ({0}); what it said stands above")]
    Detached(ExitStatus),
    /// Metrics were asked for, and nobody could fetch them.
    #[error("--metrics: {0}")]
    Metrics(#[from] ListenError),
    #[error("the engine cannot start: {0}")]
    System(#[from] io::Error),
}

impl RunError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Flags(_) | Self::WhosePlace | Self::Credentials(CredentialsError::Closed(_)) => {
                Exit::Usage
            }
            Self::File(_)
            | Self::Credentials(_)
            | Self::Control(_)
            | Self::Engine(_)
            | Self::NoListener(_)
            | Self::TakeOver(_)
            | Self::Detached(_)
            | Self::Metrics(_)
            | Self::System(_) => Exit::Failed,
        }
    }
}

/// Whether these flags, or those of the file that they name, are what `run` understands.
pub(crate) fn check(flags: RunFlags) -> Result<(), RunError> {
    config(flags.resolve()?).map(drop)
}

/// The configuration; of a file's flags an error names the file.
fn config(flags: RunFlags) -> Result<EngineConfig, RunError> {
    let file = flags.config.clone();
    flags.into_config().map_err(|source| match file {
        None => RunError::Flags(source),
        Some(path) => RunError::File(ConfigFileError::Flags { path, source }),
    })
}

/// Runs an engine until it is told to end, or another has taken its place.
pub(crate) fn run(flags: RunFlags, beginning: Beginning) -> Result<(), RunError> {
    let flags = flags.resolve()?;
    log(flags.log.unwrap_or_default());
    let drain = Duration::from_secs(flags.drain.unwrap_or(DRAIN).into());
    let threads = flags.threads.map_or_else(threads, |n| n.get().into());
    let credentials = credentials(&flags, beginning)?;
    let config = config(flags)?;
    raise_descriptor_limit();
    if let InterceptBy::Broker(socket) = &config.intercept_by
        && !socket.exists()
    {
        // It may come yet, and is waited for.
        tracing::warn!(
            "there is no broker at {}: nothing is intercepted until one serves there (as root: proxy-engine broker --socket {0} --engine-uid {})",
            socket.display(),
            rustix::process::geteuid().as_raw(),
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    let ended = runtime.block_on(serve(config, credentials, beginning, drain));
    // A name that is still being resolved keeps nobody here.
    runtime.shutdown_background();
    ended
}

/// What the engine is started with, from wherever it was told to take it.
fn credentials(flags: &RunFlags, beginning: Beginning) -> Result<Vec<LentCredentials>, RunError> {
    let mut all = read_credentials_of_systemd()?;
    if let Some(path) = &flags.credentials_file {
        all.extend(read_credentials_file(path)?);
    }
    if let Some(folder) = &flags.credentials_secret {
        all.extend(read_credentials_secret(folder)?);
    }
    if let Some(descriptor) = flags.credentials_fd {
        match read_credentials(descriptor) {
            // Read up by the engine whose flags these are: it hands over what it read.
            Err(CredentialsError::Empty(_)) if beginning == Beginning::TakeOver => {}
            read => all.extend(read?),
        }
    }
    Ok(all)
}

async fn serve(
    config: EngineConfig,
    credentials: Vec<LentCredentials>,
    beginning: Beginning,
    drain: Duration,
) -> Result<(), RunError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let successor = Successor::of(&config)?;
    let former = match (beginning, &config.control) {
        (Beginning::New, _) => None,
        (Beginning::TakeOver, Some(control)) => TakeOver::begin(control).await?,
        (Beginning::TakeOver, None) => return Err(RunError::WhosePlace),
    };
    let begun = match former {
        None => begin(config, &credentials).await?,
        Some(former) => follow(config, &credentials, former).await?,
    };
    drop(credentials);
    let Begun {
        engine,
        control,
        scraping,
    } = begun;
    let serving = control.map(|server| tokio::spawn(server.serve(engine.clone())));
    let followed = async {
        engine.handed_over().await;
        if let Some(scraping) = &scraping {
            scraping.abort();
        }
        engine.last_connection().await;
    };
    let is_followed = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = successor.started_when_told() => false,
        () = followed => true,
    };
    if !is_followed {
        tracing::info!("ending; live connections get {} s", drain.as_secs());
        tokio::select! {
            () = engine.drain(drain) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    if let Some(scraping) = scraping {
        scraping.abort();
    }
    if let Some(serving) = serving {
        serving.abort();
        // Its end removes the socket.
        let _ = serving.await;
    }
    Ok(())
}

/// An engine that serves, and what serves beside it.
struct Begun {
    engine: Engine,
    control: Option<Server>,
    scraping: Option<AbortHandle>,
}

/// An engine where there was none.
async fn begin(config: EngineConfig, credentials: &[LentCredentials]) -> Result<Begun, RunError> {
    // First the socket: a second engine must not take anything from the one that runs.
    let control = match &config.control {
        None => None,
        Some(path) => {
            let server = Server::bind(path).await?;
            Some(match config.control_group.clone() {
                Some(group) => server.open_to(group)?,
                None => server,
            })
        }
    };
    let metrics = config.metrics.map(scraped).transpose()?;
    let engine = Engine::start_with(config, credentials).await?;
    let listeners = engine.status().listeners;
    let errors: Vec<&str> = listeners
        .iter()
        .filter_map(|l| l.error.as_deref())
        .collect();
    // Nobody can ask this engine what is wrong, and nothing works: the person who typed the
    // command is told.
    if control.is_none() && errors.len() == listeners.len() {
        return Err(RunError::NoListener(errors.join("; ")));
    }
    let scraping = metrics.map(|listener| tokio::spawn(serve_metrics(listener, engine.clone())));
    systemd::notify("READY=1");
    Ok(Begun {
        engine,
        control,
        scraping: scraping.map(|task| task.abort_handle()),
    })
}

/// An engine in the place of another.
async fn follow(
    config: EngineConfig,
    credentials: &[LentCredentials],
    former: TakeOver,
) -> Result<Begun, RunError> {
    let (estate, socket, rest) = former.into_parts();
    let (path, metrics) = (config.control.clone(), config.metrics);
    let group = config.control_group.clone();
    let engine = Engine::take_over(config, credentials, estate).await?;
    // systemd must know its new main process before the old one can end.
    systemd::notify(&format!("MAINPID={}\nREADY=1", std::process::id()));
    let former = rest.former();
    if let Err(error) = rest.confirm().await {
        // The old one goes on, and must not be ended with this one.
        if let Some(pid) = former {
            systemd::notify(&format!("MAINPID={pid}"));
        }
        return Err(error.into());
    }
    engine.settle().await?;
    let scraping = metrics.map(|address| {
        let engine = engine.clone();
        let serve = async move {
            // The old engine lets go of it about now.
            loop {
                match scraped(address) {
                    Ok(listener) => return serve_metrics(listener, engine).await,
                    Err(_) => tokio::time::sleep(RETRY).await,
                }
            }
        };
        tokio::spawn(serve).abort_handle()
    });
    let control = path.map(|path| Server::taken_over(socket, &path, group));
    Ok(Begun {
        engine,
        control: control.transpose()?,
        scraping,
    })
}

/// Writes what happens to standard error; `RUST_LOG` chooses how much. Strangers cannot fill a disk
/// with it.
pub(crate) fn log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let gate = FloodGate::default();
    match format {
        LogFormat::Text => log.finish().with(gate).init(),
        LogFormat::Json => log.json().finish().with(gate).init(),
    }
}

/// One for every two processors: the others are for the clients and origins on this machine.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Each connection needs two descriptors.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
