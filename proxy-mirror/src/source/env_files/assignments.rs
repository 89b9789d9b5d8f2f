//! Lines of `NAME=VALUE`, as three readers take them.

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `/etc/environment` (pam_env): quotes around the whole value are taken off, nothing else.
    Pam,
    /// `environment.d` (systemd): quotes and backslashes as in a shell, `${NAME}` is replaced.
    Systemd,
    /// `/etc/sysconfig` (read by shells): quotes and backslashes, nothing replaced.
    Shell,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// Unquoted. In [`Dialect::Systemd`] a `$` that is no reference is written `\$`, see
    /// [`expanded`].
    pub(super) value: String,
}

impl Dialect {
    /// The assignments of a file, in order. Lines that are none are passed over, as by the readers.
    pub(super) fn assignments(self, text: &str) -> Vec<Assignment> {
        text.trim_start_matches('\u{feff}')
            .lines()
            .filter_map(|line| self.assignment(line))
            .collect()
    }

    fn assignment(self, line: &str) -> Option<Assignment> {
        let line = line.trim();
        let comment = line.starts_with('#') || (self == Self::Systemd && line.starts_with(';'));
        if comment {
            return None;
        }
        let line = match self {
            Self::Pam | Self::Shell => line.strip_prefix("export ").unwrap_or(line).trim_start(),
            Self::Systemd => line,
        };
        let (name, value) = line.split_once('=')?;
        let name = name.trim_end();
        let valid = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !valid {
            return None;
        }
        let value = match self {
            Self::Pam => stripped(value.trim()).to_owned(),
            Self::Systemd => unquoted(value.trim(), true),
            Self::Shell => unquoted(value.trim(), false),
        };
        Some(Assignment {
            name: name.to_owned(),
            value,
        })
    }
}

/// pam_env takes a quote at the start off, and one at the end.
fn stripped(value: &str) -> &str {
    let value = value.strip_prefix(['"', '\'']).unwrap_or(value);
    value.strip_suffix(['"', '\'']).unwrap_or(value)
}

/// The value without its quotes, up to a comment or an unquoted blank where `references` is not
/// set (a shell would run what follows). With `references` the `$` that shall stay is marked.
fn unquoted(value: &str, references: bool) -> String {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                let Some(next) = characters.next() else { break };
                if references && next == '$' {
                    out.push('\\');
                }
                out.push(next);
            }
            (Some('\''), '$') if references => out.push_str("\\$"),
            (None, blank) if blank.is_whitespace() && !references => break,
            (_, other) => out.push(other),
        }
    }
    out
}

/// `$NAME`, `${NAME}`, `${NAME:-default}` and `${NAME:+other}` replaced by what `known` gives; an
/// unknown name is nothing. `\$` is a dollar.
pub(super) fn expanded(value: &str, known: impl Fn(&str) -> Option<String>) -> String {
    /// A value over this size names no proxy: expansion ends there.
    const LONGEST: usize = 64 << 10;
    let mut out = String::new();
    let mut rest = value;
    while let Some(at) = rest.find('$') {
        let (before, reference) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('\\') {
            out.push_str(before);
            out.push('$');
            rest = &reference[1..];
            continue;
        }
        out.push_str(before);
        let reference = &reference[1..];
        if let Some((replaced, behind)) = replaced(reference, &known) {
            out.push_str(&replaced);
            rest = behind;
        } else {
            out.push('$');
            rest = reference;
        }
        if out.len() > LONGEST {
            return String::new();
        }
    }
    out.push_str(rest);
    out
}

/// What stands for the reference at the start, and what follows it; `None` where there is none.
fn replaced(reference: &str, known: impl Fn(&str) -> Option<String>) -> Option<(String, &str)> {
    if let Some(braced) = reference.strip_prefix('{') {
        let (inner, behind) = braced.split_once('}')?;
        return Some((resolved(inner, known), behind));
    }
    let end = reference
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(reference.len());
    let (name, behind) = reference.split_at(end);
    (end > 0).then(|| (known(name).unwrap_or_default(), behind))
}

fn resolved(inner: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let set = |name: &str| known(name).filter(|value| !value.is_empty());
    if let Some((name, default)) = inner.split_once(":-") {
        set(name).unwrap_or_else(|| default.to_owned())
    } else if let Some((name, other)) = inner.split_once(":+") {
        set(name).map(|_| other.to_owned()).unwrap_or_default()
    } else {
        known(inner).unwrap_or_default()
    }
}
