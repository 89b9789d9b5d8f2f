//! One setting of the family, whichever file it came from.

use std::path::Path;

use jsonc_parser::cst::CstRootNode;
use proxy_engine::config::Bypass;
use serde_json::{Map, Value};

use crate::bypass::Dialect;
use crate::control::Said;
use crate::position::position;
use crate::source::servers::{self, Separators, Servers};
use crate::source::{Lost, Reading, Says, SourceId, file, without_userinfo};

/// What a policy or a profile sets.
#[derive(Debug)]
pub(super) struct Setting {
    mode: Mode,
    /// File and key.
    pub(super) origin: String,
}

#[derive(Debug)]
enum Mode {
    Direct,
    AutoDetect,
    Pac { url: String },
    Fixed { servers: String, bypass: String },
    System,
}

/// The keys of one of the two spellings.
struct Keys {
    mode: &'static str,
    server: &'static str,
    pac: &'static str,
    bypass: &'static str,
}

const POLICY: Keys = Keys {
    mode: "ProxyMode",
    server: "ProxyServer",
    pac: "ProxyPacUrl",
    bypass: "ProxyBypassList",
};

const PREFERENCES: Keys = Keys {
    mode: "mode",
    server: "server",
    pac: "pac_url",
    bypass: "bypass_list",
};

impl Setting {
    /// From the dictionary `ProxySettings`, or from the single policies of one level.
    ///
    /// # Errors
    /// Place and sentence: a value that the browser refuses, too.
    pub(super) fn of_policy(
        values: &Map<String, Value>,
        origin: &str,
    ) -> Result<Self, (String, String)> {
        let failed = |message: String| (origin.to_owned(), message);
        let numbered = match values.get("ProxyServerMode") {
            None => None,
            Some(number) => Some(match number.as_i64() {
                Some(0) => "direct",
                Some(1) => "auto_detect",
                Some(2) if text(values, "ProxyPacUrl").is_some() => "pac_script",
                Some(2) => "fixed_servers",
                Some(3) => "system",
                _ => {
                    return Err(failed(format!(
                        "`ProxyServerMode` is {number}: it is a number from 0 to 3"
                    )));
                }
            }),
        };
        Self::of(values, &POLICY, numbered, origin)
    }

    /// From the profile's own `proxy`.
    ///
    /// # Errors
    /// Place and sentence: a value that the browser refuses, too.
    pub(super) fn of_preferences(
        values: &Map<String, Value>,
        origin: &str,
    ) -> Result<Self, (String, String)> {
        Self::of(values, &PREFERENCES, None, origin)
    }

    fn of(
        values: &Map<String, Value>,
        keys: &Keys,
        numbered: Option<&str>,
        origin: &str,
    ) -> Result<Self, (String, String)> {
        let failed = |message: String| (origin.to_owned(), message);
        let needed = |key: &str| {
            text(values, key)
                .ok_or_else(|| failed(format!("the mode needs `{key}`, and it is not set")))
        };
        let Some(mode) = text(values, keys.mode).or(numbered) else {
            return Err(failed(format!(
                "`{}` is not set: the browser ignores the rest without it",
                keys.mode
            )));
        };
        let mode = match mode {
            "direct" => Mode::Direct,
            "auto_detect" => Mode::AutoDetect,
            "system" => Mode::System,
            "pac_script" => Mode::Pac {
                url: needed(keys.pac)?.to_owned(),
            },
            "fixed_servers" => Mode::Fixed {
                servers: needed(keys.server)?.to_owned(),
                bypass: text(values, keys.bypass).unwrap_or_default().to_owned(),
            },
            other => {
                return Err(failed(format!(
                    "`{}` is `{}`: it is one of direct, auto_detect, pac_script, fixed_servers, \
                     system",
                    keys.mode,
                    other.escape_debug()
                )));
            }
        };
        Ok(Self {
            mode,
            origin: origin.to_owned(),
        })
    }

    /// In the words of sources.
    ///
    /// # Errors
    /// A sentence: the proxy is not one.
    pub(super) fn reading(&self, source: SourceId) -> Result<Reading, String> {
        let says = match &self.mode {
            Mode::System => Says::Nothing,
            Mode::Direct => Says::Direct,
            Mode::AutoDetect => Says::Pac { url: None },
            Mode::Pac { url } => Says::Pac {
                url: Some(without_userinfo(url.trim())),
            },
            Mode::Fixed { servers, bypass } => {
                match servers::read(servers, Separators::Semicolons)? {
                    Servers::Direct => Says::Direct,
                    Servers::Unusable { proxy, reason } => Says::Unusable { proxy, reason },
                    Servers::Proxy { upstream, mut lost } => Says::Proxy {
                        upstream,
                        bypass: exceptions(bypass, &mut lost),
                        lost,
                    },
                }
            }
        };
        Ok(Reading {
            source,
            origin: Said::verbatim(&self.origin),
            says,
            password: None,
            otherwise: None,
        })
    }
}

fn exceptions(entries: &str, lost: &mut Vec<Lost>) -> Bypass {
    let read = Dialect::Chrome.read(entries);
    lost.extend(read.notes.into_iter().map(Lost::from));
    read.bypass
}

/// A text that is set and not empty: the browser takes an empty one as unset.
fn text<'a>(values: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    values
        .get(key)
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// A file of the family: JSON, with the comments and the commas at the end that the browser
/// allows. `None` where there is none.
///
/// # Errors
/// Place (file, line and column) and sentence.
pub(super) fn json(path: &Path) -> Result<Option<Map<String, Value>>, (String, String)> {
    let shown = path.display().to_string();
    let Some(text) = file::read(path).map_err(|error| (shown.clone(), error))? else {
        return Ok(None);
    };
    object(text.trim_start_matches('\u{feff}'), &shown).map(Some)
}

/// The JSON object that stands at a place, in the browser's own leniency.
///
/// # Errors
/// Place (with line and column) and sentence.
pub(super) fn object(text: &str, place: &str) -> Result<Map<String, Value>, (String, String)> {
    // Through the tree, whose depth is bounded; the parser's own way to values is not.
    let parsed = CstRootNode::parse(text, &jsonc_parser::ParseOptions::default());
    let parsed = parsed.map(|root| root.to_serde_value());
    match parsed {
        Ok(Some(Value::Object(document))) => Ok(document),
        Ok(_) => Err((place.to_owned(), "is not a JSON object".to_owned())),
        Err(error) => {
            let (line, column) = position(text.as_bytes(), error.range().start);
            Err((format!("{place}:{line}:{column}"), error.kind().to_string()))
        }
    }
}
