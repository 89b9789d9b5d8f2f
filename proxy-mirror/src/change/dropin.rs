//! Drop-ins that give a systemd unit its environment: systemd.unit(5), systemd.exec(5).

use super::ChangeError;
use super::render::plain_value;

/// First line of every file that is wholly ours: nobody else's is ever overwritten.
pub(super) const HEADER: &str = "# Written by Gangway; `gangway undo` takes it away.";

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
