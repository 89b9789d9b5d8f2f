//! `gangway-app`: the tray icon and the window.

use std::process::ExitCode;

use gangway_app::Start;

const HELP: &str = "\
Gangway's tray icon and window.

usage: gangway-app [--tray]

  --tray   show only the tray icon; the window opens where there is no tray
  --help, --version

Without a display, use `gangway run`.
";

fn main() -> ExitCode {
    // It holds an engine where no service is installed.
    proxy_mirror::agent::serve_as_worker_if_asked();
    proxy_mirror::rootless::listen_if_asked();
    proxy_mirror::agent::leave_no_core_file();
    let mut start = Start { window: true };
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--tray" => start.window = false,
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "--version" | "-V" => {
                println!("gangway-app {}", env!("CARGO_PKG_VERSION"));
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("gangway-app: {other:?} is not known here; see gangway-app --help");
                return ExitCode::from(2);
            }
        }
    }
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("GANGWAY_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .init();
    if !has_display() {
        eprintln!(
            "gangway-app: no display (neither WAYLAND_DISPLAY nor DISPLAY is set); without one, \
             use `gangway run`"
        );
        return ExitCode::FAILURE;
    }
    match gangway_app::run(start) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gangway-app: {error}");
            ExitCode::FAILURE
        }
    }
}

/// GTK ends the process with a message about itself where there is none.
fn has_display() -> bool {
    !cfg!(target_os = "linux")
        || ["WAYLAND_DISPLAY", "DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
