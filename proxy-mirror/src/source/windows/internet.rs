//! WinINET's and WinHTTP's settings, in the words of sources.

use super::connection::{Layout, unpack};
use super::registry::{Failed, Registry, origin};
use crate::bypass::Dialect;
use crate::control::Said;
use crate::source::servers::{self, Separators, Servers};
use crate::source::{Lost, Reading, Says, SourceError, SourceId, without_userinfo};

const SETTINGS: &str = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings";
const POLICY: &str = r"HKLM\Software\Policies\Microsoft\Windows\CurrentVersion\Internet Settings";

/// What Windows's own settings say. `connection` is the name of the dial-up or VPN connection that
/// is up, where one is: its own settings hold then, and not those of the network.
///
/// # Errors
/// [`SourceError`] with key and value, and the byte in a packed one: whoever cannot read what is set
/// must not act as if nothing was.
pub fn settings(registry: &Registry, connection: Option<&str>) -> Result<Reading, SourceError> {
    read(registry, connection).map_err(|(origin, message)| SourceError {
        source_id: SourceId::System,
        origin,
        message,
    })
}

fn read(registry: &Registry, connection: Option<&str>) -> Result<Reading, Failed> {
    let hive = match registry.number(POLICY, "ProxySettingsPerUser")? {
        Some(0) => "HKLM",
        Some(_) | None => "HKCU",
    };
    let reading = match wininet(registry, hive, connection)?.reading()? {
        Some(reading) => Some(reading),
        None => winhttp(registry)?.reading()?,
    };
    let untouched = || Said::new("said_desktop_untouched", &[]);
    Ok(reading.unwrap_or_else(|| Reading::nothing(SourceId::System, untouched())))
}

/// What is chosen, each with its origin.
#[derive(Default)]
struct Chosen {
    detect: Option<String>,
    script: Option<(String, String)>,
    proxy: Option<Proxy>,
}

struct Proxy {
    servers: String,
    exceptions: String,
    origin: String,
    /// What stands beside it and says otherwise.
    disputed: Option<Lost>,
}

/// The packed value is what Windows follows. Programs may write the plain ones beside it alone, and
/// Windows takes those over when it is told to look: what only they choose is followed.
fn wininet(registry: &Registry, hive: &str, connection: Option<&str>) -> Result<Chosen, Failed> {
    let key = format!(r"{hive}\{SETTINGS}");
    let connections = format!(r"{key}\Connections");
    let name = connection.unwrap_or("DefaultConnectionSettings");
    let packed = packed(registry, &connections, name, Layout::WinInet)?;
    if connection.is_some() {
        // One that was never set up has no settings; the plain values are the network's.
        return Ok(packed.unwrap_or_default());
    }
    let plain = plain(registry, &key)?;
    let Some(mut packed) = packed else {
        return Ok(plain);
    };
    packed.script = packed.script.or(plain.script);
    packed.proxy = match (packed.proxy, plain.proxy) {
        (Some(mut packed), plain) => {
            let other = match plain {
                Some(plain) if plain.servers == packed.servers => None,
                Some(plain) => Some(format!("{} names another proxy", plain.origin)),
                None => (registry.number(&key, "ProxyEnable")? == Some(0))
                    .then(|| format!("{} is 0", origin(&key, "ProxyEnable"))),
            };
            packed.disputed = other.map(|other| {
                Lost::Other(format!(
                    "{other}, which Windows takes over when a program tells it to look"
                ))
            });
            Some(packed)
        }
        (None, plain) => plain,
    };
    Ok(packed)
}

fn winhttp(registry: &Registry) -> Result<Chosen, Failed> {
    let key = format!(r"HKLM\{SETTINGS}\Connections");
    let packed = packed(registry, &key, "WinHttpSettings", Layout::WinHttp)?;
    Ok(packed.unwrap_or_default())
}

fn packed(
    registry: &Registry,
    key: &str,
    name: &str,
    layout: Layout,
) -> Result<Option<Chosen>, Failed> {
    let Some(bytes) = registry.bytes(key, name)? else {
        return Ok(None);
    };
    let origin = origin(key, name);
    let connection = unpack(bytes, layout).map_err(|message| (origin.clone(), message))?;
    Ok(Some(Chosen {
        detect: connection.detect.then(|| origin.clone()),
        script: connection.script.map(|script| (script, origin.clone())),
        proxy: connection.proxy.map(|(servers, exceptions)| Proxy {
            servers,
            exceptions,
            origin,
            disputed: None,
        }),
    }))
}

fn plain(registry: &Registry, key: &str) -> Result<Chosen, Failed> {
    let text = |name: &str| -> Result<Option<String>, Failed> {
        let text = registry.text(key, name)?.map(str::trim);
        Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let is_set = |name: &str| -> Result<bool, Failed> {
        Ok(registry
            .number(key, name)?
            .is_some_and(|number| number != 0))
    };
    let servers = if is_set("ProxyEnable")? {
        text("ProxyServer")?
    } else {
        None
    };
    let proxy = match servers {
        Some(servers) => Some(Proxy {
            servers,
            exceptions: text("ProxyOverride")?.unwrap_or_default(),
            origin: origin(key, "ProxyServer"),
            disputed: None,
        }),
        None => None,
    };
    Ok(Chosen {
        detect: is_set("AutoDetect")?.then(|| origin(key, "AutoDetect")),
        script: text("AutoConfigURL")?.map(|script| (script, origin(key, "AutoConfigURL"))),
        proxy,
    })
}

impl Chosen {
    /// Detection, then the script, then the proxy, as far as they are chosen; `None` where none is.
    fn reading(self) -> Result<Option<Reading>, Failed> {
        let mut reading = self.proxy.map(Proxy::reading).transpose()?;
        if let Some((url, origin)) = self.script {
            let url = Some(without_userinfo(&url));
            reading = Some(Reading::script(SourceId::System, origin, url, reading));
        }
        if let Some(origin) = self.detect {
            reading = Some(Reading::script(SourceId::System, origin, None, reading));
        }
        Ok(reading)
    }
}

impl Proxy {
    fn reading(self) -> Result<Reading, Failed> {
        let servers = servers::read(&self.servers, Separators::SemicolonsOrBlanks);
        let says = match servers.map_err(|message| (self.origin.clone(), message))? {
            Servers::Direct => Says::Direct,
            Servers::Unusable { proxy, reason } => Says::Unusable { proxy, reason },
            Servers::Proxy { upstream, mut lost } => {
                lost.extend(self.disputed);
                let read = Dialect::Windows.read(&self.exceptions);
                lost.extend(read.notes.into_iter().map(Lost::from));
                Says::Proxy {
                    upstream,
                    bypass: read.bypass,
                    lost,
                }
            }
        };
        Ok(Reading {
            source: SourceId::System,
            origin: Said::verbatim(self.origin),
            says,
            password: None,
            otherwise: None,
        })
    }
}
