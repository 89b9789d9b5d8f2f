//! `gangway set`, `on`, `off`: the settings from the command line.

use std::io::Read as _;

use proxy_engine::config::Bypass;
use proxy_engine::pac::{self, MOST_BYTES};
use proxy_mirror::bypass::Dialect;
use proxy_mirror::control::{Door, ManagedView, SettingsChange, SettingsView};
use proxy_mirror::settings::{self, Mode};

use super::{only, reach};
use crate::arguments::{SetCommand, YesNo};
use crate::exit::{Exit, Failure};
use crate::invalid;
use crate::output::{Output, plain};
use crate::words::Words;

/// Changes one setting. What the command line cannot hold (a password) is refused before anybody
/// is asked.
pub(super) async fn set(
    command: SetCommand,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    let change = match command {
        SetCommand::Mode { mode } => only(|change| change.mode = Some(mode.into())),
        SetCommand::Style { style } => only(|change| change.style = Some(style.into())),
        SetCommand::Upstream { urls } => {
            let upstream = |url: &String| {
                let upstream = settings::upstream(url);
                let upstream = upstream.map_err(|error| invalid("upstream", error))?;
                Ok::<_, Failure>(upstream.to_string())
            };
            let mut upstreams = urls.iter().map(upstream).collect::<Result<Vec<_>, _>>()?;
            SettingsChange {
                mode: Some(Mode::Manual),
                fallbacks: Some(upstreams.split_off(1)),
                upstream: upstreams.pop(),
                ..SettingsChange::default()
            }
        }
        SetCommand::UpstreamCa { file } => {
            // Who says it now wants to know now, though it was said before.
            let path = std::path::Path::new(file.trim());
            if path.is_absolute() {
                settings::certificates(path).map_err(|error| error.problem())?;
            }
            only(|change| change.upstream_ca = Some(file))
        }
        SetCommand::Tickets { list } => {
            let list = list.split(',').map(str::to_owned).collect();
            only(|change| change.tickets = Some(list))
        }
        SetCommand::LeaveAlone { list } => {
            let list = list.split(',').map(str::to_owned).collect();
            only(|change| change.leave_alone = Some(list))
        }
        SetCommand::LiveRestore { whether } => {
            only(|change| change.live_restore = Some(whether == YesNo::Yes))
        }
        SetCommand::RestartSwarm { whether } => {
            only(|change| change.restart_swarm = Some(whether == YesNo::Yes))
        }
        SetCommand::RecreateBuilders { whether } => {
            only(|change| change.recreate_builders = Some(whether == YesNo::Yes))
        }
        SetCommand::Rules { rules } => only(|change| change.rules = Some(rules)),
        SetCommand::Pac { url } if url == "-" => SettingsChange {
            mode: Some(Mode::Pac),
            pac_text: Some(typed()?),
            ..SettingsChange::default()
        },
        SetCommand::PacUnavailable { what } => {
            only(|change| change.pac_unavailable = Some(what.into()))
        }
        SetCommand::Pac { url } => SettingsChange {
            mode: Some(Mode::Pac),
            pac: Some(url),
            ..SettingsChange::default()
        },
        SetCommand::Bypass { list, dialect } => {
            let bypass = read(&list, dialect, words)?;
            let entries = bypass.0.iter().map(ToString::to_string).collect();
            only(|change| change.bypass = Some(entries))
        }
    };
    tell(change, output, words).await
}

/// What another dialect says and ours cannot is told; our own must be right.
fn read(list: &str, dialect: Dialect, words: Words) -> Result<Bypass, Failure> {
    if dialect == Dialect::Gangway {
        return list.parse().map_err(|error| invalid("bypass", error));
    }
    let read = dialect.read(list);
    for note in &read.notes {
        eprintln!("{}", plain(&words.problem(&note.problem(&dialect))));
    }
    Ok(read.bypass)
}

/// The script that comes in by standard input.
fn typed() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MOST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)?;
    pac::decode(&bytes, None).map_err(|error| invalid("pac", error))
}

/// On, or off, for so many seconds or until somebody switches on.
pub(super) async fn switch(
    on: bool,
    off_for: Option<u32>,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    let change = SettingsChange {
        on: Some(on),
        off_for,
        ..SettingsChange::default()
    };
    tell(change, output, words).await
}

async fn tell(change: SettingsChange, output: Output, words: Words) -> Result<Exit, Failure> {
    let view = reach().await?.change_settings(change).await?;
    show(&view, output, words);
    Ok(Exit::Ok)
}

/// `mode, upstream (policy 7; /etc/gangway/managed.toml)`
fn managed(managed: &ManagedView) -> String {
    if managed.keys.is_empty() {
        return String::new();
    }
    let why = [managed.reason.as_str(), managed.file.as_str()];
    let why = why.into_iter().filter(|word| !word.is_empty());
    format!(
        "{} ({})",
        managed.keys.join(", "),
        why.collect::<Vec<_>>().join("; ")
    )
}

/// The settings as they are now.
pub(super) fn show(view: &SettingsView, output: Output, words: Words) {
    output.json(view);
    let yes = |is: bool| if is { "yes" } else { "" }.to_owned();
    let mut lines = vec![words.mode(view.mode), words.style(view.style)];
    if view.mode == Mode::Pac {
        lines.push(words.text("mode_pac_hint"));
    }
    for (key, value) in [
        ("cli_set_upstream", view.upstream.clone()),
        ("cli_set_fallbacks", view.fallbacks.join(", ")),
        ("cli_set_upstream_ca", view.upstream_ca.clone()),
        ("cli_set_tickets", view.tickets.join(", ")),
        ("cli_set_rules", view.rules.join(", ")),
        ("cli_set_pac", view.pac.clone()),
        ("cli_set_leave_alone", view.leave_alone.join(", ")),
        ("cli_set_live_restore", yes(view.live_restore)),
        ("cli_set_restart_swarm", yes(view.restart_swarm)),
        ("cli_set_recreate_builders", yes(view.recreate_builders)),
        ("cli_set_bypass", view.bypass.join(", ")),
        ("cli_set_managed", managed(&view.managed)),
        ("cli_set_file", view.file.clone()),
    ] {
        if !value.is_empty() {
            lines.push(plain(&words.with(key, &[("value", &value)])).into_owned());
        }
    }
    output.lines(&lines);
}
