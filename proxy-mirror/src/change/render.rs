//! From a typed change to bytes, and what takes them out again.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::engine_conf::{CONTAINERS, ENGINE, ENV, EngineConf};
use super::json::Document;
use super::{Change, ChangeError, dropin, profile};

/// Above the names of those who were put into the engine's group.
const LENDERS_HEADER: &str = "# `gangway engine install` put these users into the group `gangway`; `gangway engine remove`\n# takes them out again.\n";

/// How a change is taken out of a file that somebody else has changed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Inverse {
    /// These members get back what they were.
    JsonKeys {
        /// Every member that was ever set or removed.
        keys: Vec<KeyBefore>,
        /// Objects that were made on the way, the outermost first.
        made: Vec<Vec<String>>,
    },
    /// These variables of `containers.conf` get back what they were.
    EngineEnv {
        /// Every variable that was ever set, by its name.
        keys: Vec<KeyBefore>,
        /// The table and the list that were made for them, and the table for what keeps them from
        /// containers.
        made: Vec<Vec<String>>,
    },
    /// These lines go.
    Lines {
        /// Without their line ends.
        lines: Vec<String>,
    },
    /// The file is a part of this program: what was there before comes back whatever it is now.
    Whole,
}

/// One member of a JSON file, or variable of `containers.conf`, before us and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyBefore {
    /// Names from the root.
    pub path: Vec<String>,
    /// What it was; `None` where it was not there.
    pub was: Option<Value>,
    /// What we left there; `None` where we removed it.
    pub wrote: Option<Value>,
    /// What we left there before that, and what may still stand there while a change is on its way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Option<Value>>,
}

impl KeyBefore {
    fn is_ours(&self, value: Option<&Value>) -> bool {
        self.wrote.as_ref() == value || self.or.iter().any(|or| or.as_ref() == value)
    }
}

impl Inverse {
    /// This one of a change that is on its way, while `earlier` may still be what the file holds: a
    /// crash leaves either.
    #[must_use]
    pub fn or(mut self, earlier: &Self) -> Self {
        match (&mut self, earlier) {
            (Self::JsonKeys { keys, .. }, Self::JsonKeys { keys: earlier, .. })
            | (Self::EngineEnv { keys, .. }, Self::EngineEnv { keys: earlier, .. }) => {
                for key in keys {
                    if let Some(before) = earlier.iter().find(|before| before.path == key.path) {
                        key.or = before.or.clone();
                        key.or.push(before.wrote.clone());
                        key.or.retain(|value| *value != key.wrote);
                        key.or.dedup();
                    }
                }
            }
            (Self::Lines { lines }, Self::Lines { lines: earlier }) => {
                let more = earlier.iter().filter(|line| !lines.contains(line));
                let more: Vec<String> = more.cloned().collect();
                lines.extend(more);
            }
            _ => {}
        }
        self
    }
}

/// The file's bytes with the change in them. `carried` is the text of files that are part of this
/// program.
///
/// # Errors
/// [`ChangeError::Malformed`] and [`ChangeError::Content`] for a file that is not what it should be,
/// [`ChangeError::Value`] for a value that must not come into it.
pub fn render(
    change: &Change,
    path: &Path,
    current: Option<&[u8]>,
    carried: Option<&[u8]>,
) -> Result<Vec<u8>, ChangeError> {
    match change {
        Change::SetJsonKeys { keys, .. } => {
            let document = Document::parse(path, current.unwrap_or_default())?;
            for (names, value) in keys {
                document.set(names, value)?;
            }
            Ok(document.into_bytes())
        }
        Change::SetEngineEnv {
            environment,
            for_containers,
            ..
        } => {
            let mut conf = EngineConf::parse(path, current.unwrap_or_default())?;
            for (name, value) in environment {
                conf.set_variable(name, value)?;
            }
            if *for_containers {
                conf.hand_on()?;
            } else {
                conf.withhold()?;
            }
            Ok(conf.into_bytes())
        }
        Change::WriteEnvironmentDropIn { environment, .. } => {
            ours(path, current)?;
            dropin::render(environment).map(String::into_bytes)
        }
        Change::WriteProfile { environment, .. } => {
            ours(path, current)?;
            profile::render(environment).map(String::into_bytes)
        }
        Change::InstallFile { .. } => {
            carried
                .map(<[u8]>::to_vec)
                .ok_or_else(|| ChangeError::Content {
                    path: path.to_owned(),
                    message: "this program carries no such file".into(),
                })
        }
        Change::NoteLenders { users, .. } => {
            let mut text = LENDERS_HEADER.to_owned();
            for user in users {
                text.push_str(user);
                text.push('\n');
            }
            Ok(text.into_bytes())
        }
        Change::KeepContainers { .. }
        | Change::RestartUnit { .. }
        | Change::RecreateBuilder { .. } => Ok(current.unwrap_or_default().to_vec()),
    }
}

/// What takes `change` out of `after` again, so that what it touched is as in `before`. `earlier` is
/// the inverse of changes that are still in the file.
///
/// # Errors
/// Those of [`Document::parse`].
pub fn inverse(
    change: &Change,
    path: &Path,
    before: Option<&[u8]>,
    after: &[u8],
    earlier: Option<&Inverse>,
) -> Result<Inverse, ChangeError> {
    let before = before.unwrap_or_default();
    match change {
        Change::SetJsonKeys { keys, .. } => of_json(keys, path, before, after, earlier),
        Change::SetEngineEnv { environment, .. } => {
            of_engine_env(environment, path, before, after, earlier)
        }
        Change::InstallFile { .. } | Change::NoteLenders { .. } => Ok(Inverse::Whole),
        _ => Ok(Inverse::Lines {
            lines: String::from_utf8_lossy(after)
                .lines()
                .map(str::to_owned)
                .collect(),
        }),
    }
}

fn of_json(
    keys: &[(Vec<String>, Value)],
    path: &Path,
    before: &[u8],
    after: &[u8],
    earlier: Option<&Inverse>,
) -> Result<Inverse, ChangeError> {
    let before = Document::parse(path, before)?;
    let after = Document::parse(path, after)?;
    let paths = paths(earlier, keys.iter().map(|(names, _)| names.clone()));
    let mut made: Vec<Vec<String>> = Vec::new();
    for names in &paths {
        for depth in 1..names.len() {
            let parent = names[..depth].to_vec();
            if before.get(&parent).is_none() && !made.contains(&parent) {
                made.push(parent);
            }
        }
    }
    let keys = paths
        .into_iter()
        .map(|path| KeyBefore {
            was: before.get(&path),
            wrote: after.get(&path),
            or: Vec::new(),
            path,
        })
        .collect();
    Ok(Inverse::JsonKeys { keys, made })
}

fn of_engine_env(
    environment: &[(String, String)],
    path: &Path,
    before: &[u8],
    after: &[u8],
    earlier: Option<&Inverse>,
) -> Result<Inverse, ChangeError> {
    let before = EngineConf::parse(path, before)?;
    let after = EngineConf::parse(path, after)?;
    let paths = paths(
        earlier,
        environment.iter().map(|(name, _)| vec![name.clone()]),
    );
    let keys = paths.into_iter().map(|path| {
        Ok(KeyBefore {
            was: before.variable(&path.concat())?.map(Value::from),
            wrote: after.variable(&path.concat())?.map(Value::from),
            or: Vec::new(),
            path,
        })
    });
    let keys = keys.collect::<Result<_, ChangeError>>()?;
    let mut made = Vec::new();
    for table in [CONTAINERS, ENGINE] {
        if !before.has_table(table)? {
            made.push(vec![table.to_owned()]);
        }
    }
    if !before.has_list()? {
        made.push(vec![ENGINE.to_owned(), ENV.to_owned()]);
    }
    Ok(Inverse::EngineEnv { keys, made })
}

/// What was ever set: that of earlier changes first.
fn paths(earlier: Option<&Inverse>, more: impl Iterator<Item = Vec<String>>) -> Vec<Vec<String>> {
    let mut paths: Vec<Vec<String>> = match earlier {
        Some(Inverse::JsonKeys { keys, .. } | Inverse::EngineEnv { keys, .. }) => {
            keys.iter().map(|key| key.path.clone()).collect()
        }
        _ => Vec::new(),
    };
    for path in more {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

/// Takes ours out of a file that somebody else changed since, and keeps theirs; `None` where
/// nothing is left that was not there `before` us. A member that they gave another value stays
/// theirs, and one that they took out stays out.
///
/// # Errors
/// Those of [`Document::parse`].
pub fn take_back(
    inverse: &Inverse,
    path: &Path,
    before: Option<&[u8]>,
    current: &[u8],
) -> Result<Option<Vec<u8>>, ChangeError> {
    match inverse {
        Inverse::JsonKeys { keys, made } => {
            let document = Document::parse(path, current)?;
            for key in keys.iter().rev() {
                if key.is_ours(document.get(&key.path).as_ref()) {
                    document.set(&key.path, key.was.as_ref().unwrap_or(&Value::Null))?;
                }
            }
            for parent in made.iter().rev() {
                if document.is_empty_object(parent) {
                    document.remove(parent);
                }
            }
            let is_left = before.is_some() || !document.is_empty();
            Ok(is_left.then(|| document.into_bytes()))
        }
        Inverse::EngineEnv { keys, made } => {
            let mut conf = EngineConf::parse(path, current)?;
            for key in keys.iter().rev() {
                let name = key.path.concat();
                if key.is_ours(conf.variable(&name)?.map(Value::from).as_ref()) {
                    match key.was.as_ref().and_then(Value::as_str) {
                        Some(was) => conf.set_variable(&name, was)?,
                        None => conf.remove_variable(&name)?,
                    }
                }
            }
            conf.hand_on()?;
            for names in made.iter().rev() {
                match names.as_slice() {
                    [table] => conf.remove_empty_table(table)?,
                    _ => conf.remove_empty_list()?,
                }
            }
            let is_left = before.is_some() || !conf.is_blank();
            Ok(is_left.then(|| conf.into_bytes()))
        }
        Inverse::Lines { lines } => {
            let text = String::from_utf8_lossy(current);
            let kept: String = text
                .split_inclusive('\n')
                .filter(|line| {
                    let line = line.trim_end_matches(['\r', '\n']);
                    // A section header of ours may serve their lines, too.
                    line.starts_with('[') || !lines.iter().any(|ours| ours == line)
                })
                .collect();
            let holds = |line: &str| {
                let line = line.trim();
                !line.is_empty() && !line.starts_with(['#', ';', '['])
            };
            Ok(kept.lines().any(holds).then(|| kept.into_bytes()))
        }
        Inverse::Whole => Ok(None),
    }
}

/// Refuses to overwrite a whole file that somebody else wrote.
fn ours(path: &Path, current: Option<&[u8]>) -> Result<(), ChangeError> {
    match current {
        Some(bytes) if !bytes.is_empty() && !bytes.starts_with(dropin::HEADER.as_bytes()) => {
            Err(ChangeError::Content {
                path: path.to_owned(),
                message: "it is there and was not written by Gangway: move it away first".into(),
            })
        }
        _ => Ok(()),
    }
}

/// Refuses names that are no variable, and values that could end their line or string.
pub(super) fn plain_value(name: &str, value: &str) -> Result<(), ChangeError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(plain) {
        return Err(ChangeError::Value {
            what: "a variable".into(),
            reason: "its name is not made of letters, digits and `_`".into(),
        });
    }
    if value.chars().any(char::is_control) {
        return Err(ChangeError::Value {
            what: name.to_owned(),
            reason: "it holds a control character (a newline, a NUL, …)".into(),
        });
    }
    Ok(())
}
