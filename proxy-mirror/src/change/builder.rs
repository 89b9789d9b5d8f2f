//! A builder of buildx with a container of its own: the file that says how its container is made.
//!
//! `docker buildx create` writes the file; whenever the container is not there, buildx makes it by
//! the file, on the volume that holds its cache. So the file is all that a builder is, beside that
//! cache: a proxy is told by setting `env.…` in it, and by putting a new container in the old one's
//! place. `docker buildx rm` and `create` would lose which builder is the chosen one, its history and
//! the certificates that were read when it was made.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use super::ChangeError;

mod container;

/// The variables by which BuildKit, a Go program, and the `git` that it starts are told a proxy. Go
/// prefers those in upper case, curl (and so git) reads `http_proxy` in lower case alone.
pub const VARIABLES: [&str; 6] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];
/// How the name of such a variable begins as an option of the driver.
const OPTION: &str = "env.";
/// The one driver whose containers Gangway puts others in the place of.
const DRIVER: &str = "docker-container";
/// No name of a builder or a node is longer.
const LONGEST: usize = 128;

/// What its file says of a builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    name: String,
    node: String,
    endpoint: String,
    environment: BTreeMap<String, String>,
}

/// Why a builder is none that Gangway makes anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// It has another driver.
    Driver(String),
    /// It has this many nodes, and not one.
    Nodes(usize),
    /// Its container is another machine's, or of another context than Docker's `default`.
    Endpoint(String),
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(driver) => write!(f, "its driver is {driver}, not {DRIVER}"),
            Self::Nodes(nodes) => write!(f, "it has {nodes} nodes, not one"),
            Self::Endpoint(endpoint) => {
                write!(f, "its Docker is {endpoint}, not this machine's")
            }
        }
    }
}

/// A builder, as far as its file can be understood.
pub type Read = Result<Instance, Hindrance>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    name: String,
    driver: String,
    // Go writes `null` for a list or a map without elements.
    nodes: Option<Vec<Node>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    name: String,
    endpoint: String,
    driver_opts: Option<BTreeMap<String, String>>,
}

/// How the stable name of a builder's target begins; the builder's own follows.
pub const TARGET: &str = "buildx:";

/// The stable name of a builder's target.
pub(crate) fn target(name: &str) -> String {
    format!("{TARGET}{name}")
}

/// Whether buildx takes it for the name of a builder or a node.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= LONGEST
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(plain)
}

impl Instance {
    /// Reads the file of a builder; its name must be the builder's.
    ///
    /// # Errors
    /// [`ChangeError::Malformed`] and [`ChangeError::Content`] for a file that buildx did not write.
    pub fn read(path: &Path, bytes: &[u8]) -> Result<Read, ChangeError> {
        // Not in serde's words: they would show what stands there.
        let group: Group =
            serde_json::from_slice(bytes).map_err(|error| ChangeError::Malformed {
                path: path.to_owned(),
                line: error.line(),
                column: error.column(),
                message: "buildx writes no such file".into(),
            })?;
        let odd = |message: &str| ChangeError::Content {
            path: path.to_owned(),
            message: message.into(),
        };
        let named = path.file_name().is_some_and(|file| *file == *group.name);
        if !named || !is_name(&group.name) {
            return Err(odd("it does not name the builder that it is called after"));
        }
        if group.driver != DRIVER {
            return Ok(Err(Hindrance::Driver(shown(&group.driver))));
        }
        let nodes = group.nodes.unwrap_or_default();
        let count = nodes.len();
        let (Some(node), 1) = (nodes.into_iter().next(), count) else {
            return Ok(Err(Hindrance::Nodes(count)));
        };
        if !is_name(&node.name) {
            return Err(odd("its node has a name that buildx allows none"));
        }
        if !is_local(&node.endpoint) {
            return Ok(Err(Hindrance::Endpoint(shown(&node.endpoint))));
        }
        let options = node.driver_opts.unwrap_or_default().into_iter();
        let environment = options
            .filter_map(|(name, value)| Some((name.strip_prefix(OPTION)?.to_owned(), value)))
            .collect();
        Ok(Ok(Self {
            name: group.name,
            node: node.name,
            endpoint: node.endpoint,
            environment,
        }))
    }

    /// The builder's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which Docker its container is in: `default`, or the URL of a socket.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The name of its container.
    pub fn container(&self) -> String {
        format!("buildx_buildkit_{}", self.node)
    }

    /// What the next container has in its environment, beside what its image brings.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Whether a container with this environment (`NAME=VALUE`) has been told the proxies that the
    /// file says.
    pub fn has_told(&self, environment: &[String]) -> bool {
        VARIABLES.iter().all(|name| {
            let says = self.environment.get(*name).map(String::as_str);
            says == variable(environment, name)
        })
    }
}

/// Refuses to change the file of a builder that is not there, or none that Gangway makes anew.
pub(super) fn of_ours(path: &Path, bytes: Option<&[u8]>) -> Result<(), ChangeError> {
    let content = |message: String| ChangeError::Content {
        path: path.to_owned(),
        message,
    };
    let bytes = bytes.ok_or_else(|| content("there is no such builder".into()))?;
    match Instance::read(path, bytes)? {
        Ok(_) => Ok(()),
        Err(hindrance) => Err(content(hindrance.to_string())),
    }
}

/// The value of a variable in a container's environment.
pub fn variable<'a>(environment: &'a [String], name: &str) -> Option<&'a str> {
    environment.iter().find_map(|set| {
        let (set, value) = set.split_once('=')?;
        (set == name).then_some(value)
    })
}

/// Where the option of the driver stands that sets a variable.
pub fn option(variable: &str) -> Vec<String> {
    let option = format!("{OPTION}{variable}");
    ["Nodes", "0", "DriverOpts", &option]
        .map(str::to_owned)
        .to_vec()
}

/// Docker's own context, or a socket of this machine's, in words that a command line can be given.
fn is_local(endpoint: &str) -> bool {
    endpoint == "default"
        || endpoint.strip_prefix("unix://").is_some_and(|path| {
            // sun_path of unix(7)
            path.starts_with('/') && path.len() < 108 && !path.contains(char::is_control)
        })
}

/// Other people's words, in a sentence.
fn shown(word: &str) -> String {
    word.escape_debug().take(80).collect()
}

#[cfg(test)]
mod tests;
