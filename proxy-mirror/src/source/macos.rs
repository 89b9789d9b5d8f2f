//! macOS's own settings: the dictionary of proxies, as `scutil --proxy` prints it.
//!
//! [`settings`] is pure. The live reading comes with a build for macOS; until then
//! [`super::System`] asks there what `proxy-watch` reads.
//!
//! Automatic discovery, a script and proxies may be chosen together; they are tried in this order
//! ([`super::Reading::otherwise`]). What stands for one network alone is not followed, as macOS does
//! not follow it for connections that are bound to nothing, but it is said:
//!
//! - `__SCOPED__` has the settings of every interface, the VPN's (`utun2`) among them, for
//!   connections that are bound to it. Those of the interface that serves by default are the
//!   dictionary's own.
//! - `__SUPPLEMENTAL__` has those that hold for some domains alone, as a split VPN sets them.
//!
//! The keys are those of `SCSchemaDefinitions.h`, the defaults for ports those of configd's
//! `SCProxies.c`.

mod partial;
mod scutil;

use proxy_engine::config::{Scheme, Upstream};

use self::scutil::Dictionary;
use super::{Lost, Reading, Says, SourceError, SourceId, without_userinfo};
use crate::bypass::Dialect;
use crate::control::Said;

const ORIGIN: &str = "macOS: network settings";

/// What the text that `scutil --proxy` printed says.
///
/// # Errors
/// [`SourceError`] with line and column where it is no such text, or with the key whose value is
/// none.
pub fn settings(text: &str) -> Result<Reading, SourceError> {
    let failed = |origin: String, message: String| SourceError {
        source_id: SourceId::System,
        origin,
        message,
    };
    let proxies = scutil::read(text).map_err(|scutil::Malformed { line, column, what }| {
        failed(format!("scutil --proxy:{line}:{column}"), what)
    })?;
    reading(&proxies).map_err(|(key, message)| failed(origin(key), message))
}

/// Key and sentence.
type Failed = (&'static str, String);

fn origin(key: &str) -> String {
    format!("{ORIGIN}: {key}")
}

fn reading(proxies: &Dictionary) -> Result<Reading, Failed> {
    let partial = partial::notes(proxies);
    let mut reading = chosen(proxies)?;
    match &mut reading {
        None => {
            let said = match partial.first() {
                None => Said::new("said_desktop_untouched", &[]),
                Some(note) => Said::new("said_desktop_in_part", &[("note", note)]),
            };
            return Ok(Reading::nothing(SourceId::System, said));
        }
        Some(Reading {
            says: Says::Proxy { lost, .. },
            ..
        }) => lost.extend(partial.into_iter().map(Lost::Other)),
        // A script knows the names itself.
        Some(_) => {}
    }
    Ok(reading.unwrap_or_else(|| Reading::nothing(SourceId::System, Said::verbatim(ORIGIN))))
}

/// Discovery, then the script, then the proxy, as far as they are chosen; `None` where none is.
fn chosen(proxies: &Dictionary) -> Result<Option<Reading>, Failed> {
    let mut reading = proxy(proxies)?;
    if proxies.is_on("ProxyAutoConfigEnable") {
        let url = proxies.text("ProxyAutoConfigURLString").map(|url| {
            let key = "ProxyAutoConfigURLString";
            (without_userinfo(url), key)
        });
        let script = || {
            let key = "ProxyAutoConfigJavaScript";
            let script = proxies.text(key)?;
            Some((crate::pac::inline_address(script), key))
        };
        // Chosen without either, it is nothing to macOS.
        if let Some((url, key)) = url.or_else(script) {
            reading = Some(Reading::script(
                SourceId::System,
                origin(key),
                Some(url),
                reading,
            ));
        }
    }
    if proxies.is_on("ProxyAutoDiscoveryEnable") {
        let origin = origin("ProxyAutoDiscoveryEnable");
        reading = Some(Reading::script(SourceId::System, origin, None, reading));
    }
    Ok(reading)
}

/// The keys of one kind of proxy.
struct Keys {
    enable: &'static str,
    host: &'static str,
    port: &'static str,
    user: &'static str,
    usual_port: u16,
    spoken: Scheme,
}

const HTTPS: Keys = Keys {
    enable: "HTTPSEnable",
    host: "HTTPSProxy",
    port: "HTTPSPort",
    user: "HTTPSUser",
    usual_port: 443,
    // What is asked of it is HTTPS; it is spoken to in plain HTTP.
    spoken: Scheme::Http,
};

const HTTP: Keys = Keys {
    enable: "HTTPEnable",
    host: "HTTPProxy",
    port: "HTTPPort",
    user: "HTTPUser",
    usual_port: 80,
    spoken: Scheme::Http,
};

const SOCKS: Keys = Keys {
    enable: "SOCKSEnable",
    host: "SOCKSProxy",
    port: "SOCKSPort",
    user: "SOCKSUser",
    usual_port: 1080,
    // The dictionary has no version; macOS speaks 5 and lets the proxy resolve names.
    spoken: Scheme::Socks5h,
};

fn proxy(proxies: &Dictionary) -> Result<Option<Reading>, Failed> {
    let mut lost = Vec::new();
    let https = endpoint(proxies, &HTTPS)?;
    let http = endpoint(proxies, &HTTP)?;
    let (upstream, key) = match (https, http) {
        (Some(https), http) => {
            if http.is_some_and(|http| http.0 != https.0) {
                lost.push(Lost::other_for_http());
            }
            https
        }
        (None, Some(http)) => {
            lost.push(Lost::none_for_https());
            http
        }
        (None, None) => match endpoint(proxies, &SOCKS)? {
            Some(socks) => socks,
            None => return Ok(None),
        },
    };
    let mut exceptions = proxies.texts("ExceptionsList");
    if proxies.is_on("ExcludeSimpleHostnames") {
        exceptions.insert(0, "<local>");
    }
    let read = Dialect::Macos.read(&exceptions.join("\n"));
    lost.extend(read.notes.into_iter().map(Lost::from));
    Ok(Some(Reading {
        source: SourceId::System,
        origin: Said::verbatim(origin(key)),
        says: Says::Proxy {
            upstream,
            bypass: read.bypass,
            lost,
        },
        // It is in the keychain.
        password: None,
        otherwise: None,
    }))
}

/// The proxy of one kind and the key that names it; `None` where none is chosen.
fn endpoint(proxies: &Dictionary, keys: &Keys) -> Result<Option<(Upstream, &'static str)>, Failed> {
    let host = match proxies.text(keys.host) {
        Some(host) if proxies.is_on(keys.enable) => host,
        _ => return Ok(None),
    };
    let port = match proxies.text(keys.port) {
        None | Some("0") => keys.usual_port,
        Some(port) => port
            .parse()
            .map_err(|_| (keys.port, "is no port: 1 to 65535".to_owned()))?,
    };
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let upstream: Upstream = format!("{}://{host}:{port}", keys.spoken.as_str())
        .parse()
        .map_err(|error: proxy_engine::config::UpstreamError| (keys.host, error.to_string()))?;
    let user = proxies.text(keys.user).map(str::to_owned);
    Ok(Some((upstream.with_user(user), keys.host)))
}

#[cfg(test)]
mod tests;
