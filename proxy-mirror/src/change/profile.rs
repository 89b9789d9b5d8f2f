//! Variables for log-in shells, as a file in `/etc/profile.d` that any POSIX shell reads.

use super::ChangeError;
use super::dropin::HEADER;
use super::render::plain_value;

/// The text of the file.
///
/// # Errors
/// [`ChangeError::Value`] for names that are no variable, and values with control characters.
pub(super) fn render(environment: &[(String, String)]) -> Result<String, ChangeError> {
    let mut lines = vec![HEADER.to_owned()];
    for (name, value) in environment {
        plain_value(name, value)?;
        // Nothing is special between single quotes but the quote itself.
        lines.push(format!("export {name}='{}'", value.replace('\'', r"'\''")));
    }
    Ok(lines.join("\n") + "\n")
}
