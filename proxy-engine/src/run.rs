//! `proxy-engine run`.

use std::error::Error;
use std::fs::File;
use std::io::IsTerminal;
use std::time::Duration;

use proxy_engine::config::{EngineConfig, LogFormat, RunFlags, read_credentials};
use proxy_engine::control::LentCredentials;
use proxy_engine::control::server::{Server, scraped, serve_metrics};
use proxy_engine::engine::Engine;
use tokio::signal::unix::{SignalKind, signal};

/// Connections get this long to end when the engine is told to.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs an engine until it is told to end.
pub(crate) fn run(flags: RunFlags) -> Result<(), Box<dyn Error>> {
    let flags = flags.resolve()?;
    log(flags.log.unwrap_or_default());
    raise_descriptor_limit();
    let credentials = match flags.credentials_fd {
        None => Vec::new(),
        Some(descriptor) => credentials(descriptor)?,
    };
    let config = flags
        .into_config()
        .map_err(|error| format!("--upstream: {error}"))?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(config, credentials))
}

async fn serve(
    config: EngineConfig,
    credentials: Vec<LentCredentials>,
) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // First the socket: a second engine must not take anything from the one that runs.
    let control = match &config.control {
        None => None,
        Some(path) => Some(Server::bind(path).await?),
    };
    let metrics = config.metrics.map(scraped).transpose()?;
    let alone = control.is_none();
    let engine = Engine::start_with(config, &credentials).await?;
    drop(credentials);
    let listeners = engine.status().listeners;
    let errors: Vec<&str> = listeners
        .iter()
        .filter_map(|l| l.error.as_deref())
        .collect();
    // Nobody can ask this engine what is wrong, and nothing works: the person who typed the
    // command is told.
    if alone && errors.len() == listeners.len() {
        return Err(errors.join("; ").into());
    }
    let serving = control.map(|server| tokio::spawn(server.serve(engine.clone())));
    let scraping = metrics.map(|listener| tokio::spawn(serve_metrics(listener, engine.clone())));
    notify_ready();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("ending; live connections get {} s", DRAIN.as_secs());
    tokio::select! {
        () = engine.drain(DRAIN) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
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

/// Writes what happens to standard error; `RUST_LOG` chooses how much.
pub(crate) fn log(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Opened through `/dev/fd`, so that it must be one that this process was given.
fn credentials(descriptor: i32) -> Result<Vec<LentCredentials>, Box<dyn Error>> {
    let source = File::open(format!("/dev/fd/{descriptor}"))
        .map_err(|e| format!("cannot read credentials from descriptor {descriptor}: {e}"))?;
    Ok(read_credentials(descriptor, source)?)
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

/// Tells systemd that the engine serves (sd_notify(3)).
fn notify_ready() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&path),
    };
    let told =
        address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address));
    if let Err(error) = told {
        tracing::warn!(%error, "systemd was not told");
    }
}
