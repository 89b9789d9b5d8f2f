//! Drop-ins that give a systemd unit its environment: systemd.unit(5), systemd.exec(5).

use std::path::{Path, PathBuf};

use super::ChangeError;
use super::render::plain_value;

/// First line of every file that is wholly ours: nobody else's is ever overwritten.
pub(crate) const HEADER: &str = "# Written by Gangway; `gangway undo` takes it away.";

/// The text of the drop-in.
///
/// # Errors
/// [`ChangeError::Value`] for names that are no variable, and values with control characters.
pub(super) fn render(environment: &[(String, String)]) -> Result<String, ChangeError> {
    let mut lines = vec![HEADER.to_owned(), "[Service]".to_owned()];
    for (name, value) in environment {
        plain_value(name, value)?;
        // `%` begins a specifier; inside double quotes `\` and `"` are escaped as in C.
        let value = value
            .replace('%', "%%")
            .replace('\\', "\\\\")
            .replace('"', "\\\"");
        lines.push(format!("Environment=\"{name}={value}\""));
    }
    Ok(lines.join("\n") + "\n")
}

/// One `Environment=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// Where it stands; empty for text that names no file.
    pub(crate) file: PathBuf,
    /// `NAME=VALUE` each. None at all takes back every assignment before it.
    pub(crate) words: Vec<String>,
}

/// What a unit's files assign, in the order in which it holds. `cat` is what `systemctl cat UNIT`
/// prints (every file below a comment with its path), or a file's own text.
pub(crate) fn assignments(cat: &str) -> Vec<Assignment> {
    let mut file = Path::new("");
    let mut assigned = Vec::new();
    // A line that ends with a backslash goes on.
    let cat = cat.replace("\\\n", " ");
    for line in cat.lines() {
        if let Some(path) = line.strip_prefix("# ").map(Path::new)
            && is_unit_file(path)
        {
            file = path;
        } else if let Some(text) = line.trim_start().strip_prefix("Environment=") {
            assigned.push(Assignment {
                file: file.to_owned(),
                words: words(text),
            });
        }
    }
    assigned
}

fn is_unit_file(path: &Path) -> bool {
    let kind = path.extension().and_then(|kind| kind.to_str());
    path.is_absolute() && (kind == Some("service") || is_drop_in(path))
}

/// Whether the path is a drop-in's.
pub(crate) fn is_drop_in(path: &Path) -> bool {
    let folder = path.parent().and_then(Path::extension);
    path.extension().is_some_and(|kind| kind == "conf") && folder.is_some_and(|kind| kind == "d")
}

/// Quotes group, a backslash takes the next character as it is, `%%` is a percent sign.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' if quote == Some(c) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && quote.is_none() => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '%' => {
                chars.next_if_eq(&'%');
                word.get_or_insert_default().push('%');
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}
