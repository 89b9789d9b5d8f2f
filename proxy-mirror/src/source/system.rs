//! The desktop's own settings: GNOME, KDE, a sandbox's portal, Windows, macOS.
//!
//! `proxy-watch` reads the stores; this is the wrapper that turns what it says into our words and
//! keeps its types from going further.

use std::path::PathBuf;

use proxy_engine::config::{BypassRule, Scheme as Speaks, Upstream};
use proxy_watch::{
    BypassRules, Host, HostPattern, ProxyConfigSource, ProxyEndpoint, ProxyMode, ProxyScheme,
    Scheme,
};

use super::{Lost, Reading, Says, Source, SourceError, SourceId};
use crate::bypass::Understood;
use crate::control::Said;

/// The desktop's settings.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct System;

impl Source for System {
    fn id(&self) -> SourceId {
        SourceId::System
    }

    fn read(&self) -> Result<Reading, SourceError> {
        match proxy_watch::read() {
            Ok(config) => match config.sources.into_iter().next() {
                Some((store, mode)) => reading(store, mode),
                None => Ok(Reading::nothing(
                    SourceId::System,
                    Said::new("said_desktop_untouched", &[]),
                )),
            },
            // A server: no desktop keeps settings here.
            Err(proxy_watch::Error::Unsupported) => Ok(Reading::nothing(
                SourceId::System,
                Said::new("said_no_desktop", &[]),
            )),
            Err(error) => Err(SourceError {
                source_id: SourceId::System,
                origin: "desktop settings".to_owned(),
                message: error.to_string(),
            }),
        }
    }

    fn watched(&self) -> Vec<PathBuf> {
        // Its changes are told by the desktop: see `source::watch`.
        Vec::new()
    }
}

fn reading(store: ProxyConfigSource, mode: ProxyMode) -> Result<Reading, SourceError> {
    let origin = origin(store);
    let failed = |message: String| SourceError {
        source_id: SourceId::System,
        origin: origin.to_owned(),
        message,
    };
    let mut password = None;
    let says = match mode {
        // Windows and macOS cannot say "never asked": there, no proxy is what everyone has who
        // set nothing, and the next source is asked. GNOME and KDE tell the two apart.
        ProxyMode::Direct if cfg!(any(windows, target_os = "macos")) => Says::Nothing,
        ProxyMode::Direct => Says::Direct,
        ProxyMode::WpadAutoDetect => Says::Pac { url: None },
        ProxyMode::Pac { url, .. } => Says::Pac {
            url: Some(without_userinfo(url)),
        },
        ProxyMode::PacInline { script, .. } => Says::Pac {
            url: Some(crate::pac::inline_address(&script)),
        },
        ProxyMode::Manual { .. } => {
            let (says, found) = manual(&mode).map_err(failed)?;
            password = found;
            says
        }
        // The crate may learn new modes; one that is not known here must not become "direct".
        _ => {
            return Err(failed(
                "the settings say something this version does not know".to_owned(),
            ));
        }
    };
    Ok(Reading {
        source: SourceId::System,
        origin: Said::verbatim(origin),
        says,
        password,
        otherwise: None,
    })
}

fn origin(store: ProxyConfigSource) -> &'static str {
    match store {
        ProxyConfigSource::GSettings => "GNOME: org.gnome.system.proxy",
        ProxyConfigSource::Kioslaverc => "KDE: kioslaverc",
        ProxyConfigSource::KioslavercEnv => "KDE: environment variables named by kioslaverc",
        ProxyConfigSource::Portal => "desktop portal",
        ProxyConfigSource::Registry => "Windows: Internet Settings",
        ProxyConfigSource::GroupPolicy => "Windows: group policy",
        ProxyConfigSource::WinHttpDefault => "Windows: WinHTTP",
        ProxyConfigSource::SystemConfigurationSetup
        | ProxyConfigSource::SystemConfigurationState => "macOS: network settings",
        _ => "desktop settings",
    }
}

/// What static settings say, and the password beside the proxy.
fn manual(mode: &ProxyMode) -> Result<(Says, Option<secrecy::SecretString>), String> {
    let mut lost: Vec<Lost> = Vec::new();
    let http = mode
        .entry_for(Scheme::Http)
        .and_then(|entry| entry.endpoint());
    let https = mode
        .entry_for(Scheme::Https)
        .and_then(|entry| entry.endpoint());
    let socks = mode
        .entry_for(Scheme::Socks)
        .and_then(|entry| entry.endpoint());
    let (spoken, endpoint) = match (https, http, socks) {
        (Some(https), http, _) => {
            if http.is_some_and(|http| http.authority() != https.authority()) {
                lost.push(Lost::other_for_http());
            }
            (Speaks::Http, https)
        }
        (None, Some(http), _) => {
            lost.push(Lost::none_for_https());
            (Speaks::Http, http)
        }
        // Browsers speak version 5 where none is named.
        (None, None, Some(socks)) => (Speaks::Socks5h, socks),
        (None, None, None) => return without_proxy(mode),
    };
    let (upstream, password) = upstream(endpoint, spoken)?;
    let read = mode.bypass().map(translate).unwrap_or_default();
    lost.extend(read.notes.into_iter().map(Lost::from));
    Ok((
        Says::Proxy {
            upstream,
            bypass: read.bypass,
            lost,
        },
        password,
    ))
}

/// Settings that are "manual" without a proxy: one that could not be read, or nothing at all.
fn without_proxy(mode: &ProxyMode) -> Result<(Says, Option<secrecy::SecretString>), String> {
    match mode.rejected().and_then(<[_]>::first) {
        Some(rejected) => Err(format!(
            "the proxy `{}` is not one: write HOST and PORT",
            rejected.redacted_input().escape_debug()
        )),
        None => Ok((Says::Direct, None)),
    }
}

/// The proxy, and its password; `usual` is how it is spoken to where the settings do not say so.
fn upstream(
    endpoint: &ProxyEndpoint,
    usual: Speaks,
) -> Result<(Upstream, Option<secrecy::SecretString>), String> {
    let scheme = match endpoint.scheme_hint {
        None => usual,
        Some(ProxyScheme::Http) => Speaks::Http,
        Some(ProxyScheme::Https) => Speaks::Https,
        Some(ProxyScheme::Socks4) => Speaks::Socks4,
        Some(ProxyScheme::Socks4a) => Speaks::Socks4a,
        // As browsers do: the proxy resolves names.
        Some(ProxyScheme::Socks5 | ProxyScheme::Socks5h) => Speaks::Socks5h,
        Some(other) => {
            let other = other.as_str().to_owned();
            return Err(proxy_engine::config::UpstreamError::Scheme(other).to_string());
        }
    };
    let upstream: Upstream = format!("{}://{}", scheme.as_str(), endpoint.authority())
        .parse()
        .map_err(|error: proxy_engine::config::UpstreamError| error.to_string())?;
    let Some(auth) = &endpoint.auth else {
        return Ok((upstream, None));
    };
    if auth.username().chars().any(char::is_control) {
        return Err("the user name holds a control character".to_owned());
    }
    if !scheme.knows_users() {
        return Err(proxy_engine::config::UpstreamError::NoUser.to_string());
    }
    Ok((
        upstream.with_user(Some(auth.username().to_owned())),
        auth.password().map(Into::into),
    ))
}

/// The list as its own program reads it: the crate knows whose it is.
fn translate(rules: &BypassRules) -> Understood {
    let mut read = Understood::default();
    for rejected in &rules.rejected {
        read.add_unknown(rejected.redacted_input());
    }
    // In a reversed list, what was not understood might be what must not go directly.
    let reversed = rules.reversed_exceptions;
    if reversed && !rules.rejected.is_empty() {
        return read;
    }
    if reversed {
        read.add(BypassRule::All);
    }
    if rules.exclude_simple_hostnames {
        read.add(BypassRule::PlainNames);
    }
    for pattern in &rules.patterns {
        match rule(pattern) {
            Some(rule) if reversed => read.add_reversed(rule),
            Some(rule) => read.add(rule),
            None if *pattern == HostPattern::SubtractImplicit => {
                read.add_loopback(&pattern.to_string());
            }
            None if reversed => {
                let mut nothing = Understood::default();
                nothing.add_unknown(&pattern.to_string());
                return nothing;
            }
            None => read.add_unknown(&pattern.to_string()),
        }
    }
    read
}

fn rule(pattern: &HostPattern) -> Option<BypassRule> {
    let name = |text: &str| text.trim_start_matches('.').to_ascii_lowercase();
    let checked = |rule: BypassRule| rule.to_string().parse().ok();
    match pattern {
        HostPattern::All => Some(BypassRule::All),
        HostPattern::Local => Some(BypassRule::PlainNames),
        HostPattern::Cidr(network) => Some(BypassRule::Network(network.trunc())),
        HostPattern::Exact { host, port } => match host {
            Host::Ipv4(ip) => Some(BypassRule::Address {
                ip: (*ip).into(),
                port: *port,
            }),
            Host::Ipv6(ip) => Some(BypassRule::Address {
                ip: (*ip).into(),
                port: *port,
            }),
            Host::Domain(host) => checked(BypassRule::Host {
                name: name(host),
                port: *port,
            }),
        },
        HostPattern::Domain {
            suffix,
            match_self: true,
            port,
        } => checked(BypassRule::Domain {
            name: name(suffix),
            port: *port,
        }),
        HostPattern::Domain { suffix, port, .. } => checked(BypassRule::Subdomains {
            name: name(suffix),
            port: *port,
        }),
        // A pattern, which is written as ours are.
        other => other.to_string().parse().ok(),
    }
}

fn without_userinfo(mut url: proxy_watch::Url) -> String {
    // Cannot fail for the schemes a PAC file has; where it does there is no userinfo either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests;
