//! The same door for plan and privileged helper: only these names, only these values.

use proxy_engine::config::{Bypass, Upstream};
use serde_json::Value;

use super::{Change, ChangeError, FileId, UnitId};

/// Members of `daemon.json` that may be set.
const DAEMON_KEYS: &[&[&str]] = &[
    &["proxies", "http-proxy"],
    &["proxies", "https-proxy"],
    &["proxies", "no-proxy"],
    LIVE_RESTORE,
];
/// Switched on, or taken out again: nothing else of it is ours to say.
const LIVE_RESTORE: &[&str] = &["live-restore"];
/// Members of the docker CLI's `config.json` that may be set.
const CLI_KEYS: &[&[&str]] = &[
    &["proxies", "default", "httpProxy"],
    &["proxies", "default", "httpsProxy"],
    &["proxies", "default", "noProxy"],
];

/// Options of a builder's driver that may be set.
const BUILDER_KEYS: &[&[&str]] = &[
    &["Nodes", "0", "DriverOpts", "env.http_proxy"],
    &["Nodes", "0", "DriverOpts", "env.https_proxy"],
    &["Nodes", "0", "DriverOpts", "env.no_proxy"],
    &["Nodes", "0", "DriverOpts", "env.HTTP_PROXY"],
    &["Nodes", "0", "DriverOpts", "env.HTTPS_PROXY"],
    &["Nodes", "0", "DriverOpts", "env.NO_PROXY"],
];

/// Refuses a change that names another member, variable or file than ours, or a value that is
/// neither a proxy without credentials nor a list of destinations.
pub(super) fn validate(change: &Change) -> Result<(), ChangeError> {
    match change {
        Change::SetJsonKeys { file, keys } => {
            let allowed = match file {
                FileId::DockerDaemonJson | FileId::RootlessDaemonJson { .. } => DAEMON_KEYS,
                FileId::DockerCliConfig { .. } => CLI_KEYS,
                FileId::BuildxInstance { .. } => BUILDER_KEYS,
                other => return Err(wrong_file(other)),
            };
            keys.iter().try_for_each(|(path, value)| {
                let name = path.join(".");
                if !allowed.iter().any(|known| known.iter().eq(path.iter())) {
                    return Err(refused(
                        &name.escape_debug().to_string(),
                        "it is not one of ours to set",
                    ));
                }
                let switch = path.iter().eq(LIVE_RESTORE);
                match value {
                    Value::Null => Ok(()),
                    Value::Bool(true) if switch => Ok(()),
                    _ if switch => Err(refused(&name, "it is not switched on")),
                    Value::String(text) => proxy_value(&name, text),
                    _ => Err(refused(&name, "it is no text")),
                }
            })
        }
        Change::WriteEnvironmentDropIn { file, environment } => match file {
            FileId::DockerDropIn | FileId::RootlessDropIn { .. } | FileId::ContainerdDropIn => {
                variables(environment)
            }
            other => Err(wrong_file(other)),
        },
        Change::SetEngineEnv {
            file, environment, ..
        } => match file {
            FileId::PodmanConf { .. } | FileId::PodmanSystemConf => variables(environment),
            other => Err(wrong_file(other)),
        },
        Change::WriteProfile { file, environment } => match file {
            FileId::ProfileD => variables(environment),
            other => Err(wrong_file(other)),
        },
        Change::RecreateBuilder { instance } => match instance {
            FileId::BuildxInstance { .. } => Ok(()),
            other => Err(wrong_file(other)),
        },
        Change::InstallFile { file } if !file.is_engine_service() => Err(wrong_file(file)),
        Change::NoteLenders { file, users } => match file {
            FileId::EngineLenders => users.iter().try_for_each(|user| user_name(user)),
            other => Err(wrong_file(other)),
        },
        Change::InstallFile { .. }
        | Change::KeepContainers {
            unit: UnitId::Docker,
        }
        | Change::RestartUnit {
            unit: UnitId::Docker | UnitId::RootlessDocker | UnitId::Containerd,
        } => Ok(()),
        Change::KeepContainers { unit } | Change::RestartUnit { unit } => {
            Err(refused(unit.name(), "no plan restarts it"))
        }
    }
}

fn variables(environment: &[(String, String)]) -> Result<(), ChangeError> {
    environment.iter().try_for_each(|(name, value)| {
        if !is_proxy_variable(name) {
            return Err(refused(
                &name.escape_debug().to_string(),
                "it is not one of ours to set",
            ));
        }
        proxy_value(name, value)
    })
}

/// Whether it is one of the variables by which programs are told a proxy.
pub(super) fn is_proxy_variable(name: &str) -> bool {
    let known = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
    known.contains(&name.to_ascii_uppercase().as_str())
}

/// Refuses what no user of this machine can be called (useradd(8), and directories' `name@realm`),
/// and what a command would take for a flag or a list.
pub(crate) fn user_name(name: &str) -> Result<(), ChangeError> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || ":,/#".contains(c);
    if name.is_empty() || name.len() > 256 || name.starts_with('-') || name.contains(odd) {
        return Err(refused("the name of a user", "no user can have it"));
    }
    Ok(())
}

fn proxy_value(name: &str, value: &str) -> Result<(), ChangeError> {
    if value.chars().any(char::is_control) {
        return Err(refused(
            name,
            "it holds a control character (a newline, a NUL, …)",
        ));
    }
    if name
        .to_ascii_lowercase()
        .replace(['_', '-'], "")
        .ends_with("noproxy")
    {
        return value
            .parse::<Bypass>()
            .map(drop)
            .map_err(|error| refused(name, &error.to_string()));
    }
    let upstream: Upstream = value
        .parse()
        .map_err(|error| refused(name, &format!("{error}")))?;
    if upstream.user().is_some() {
        return Err(refused(
            name,
            "it names a user; credentials never come into a file",
        ));
    }
    Ok(())
}

fn refused(what: &str, reason: &str) -> ChangeError {
    ChangeError::Value {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}

fn wrong_file(file: &FileId) -> ChangeError {
    refused(
        &file.path().display().to_string(),
        "this kind of change is not for that file",
    )
}
