//! What commands print: words first, colour only where somebody looks.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use serde::Serialize;

/// How a word is set off on a terminal. Never the only sign: the words say the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Heading,
    Good,
    Warn,
    Bad,
    Quiet,
}

/// Where a command prints to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    colours: bool,
    json: bool,
    muted: bool,
}

impl Output {
    /// Colours only on a terminal, and not where `NO_COLOR` is set (no-color.org).
    pub(crate) fn new(json: bool) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            colours: io::stdout().is_terminal() && !unwanted,
            json,
            muted: false,
        }
    }

    /// For a step of a command that prints its own JSON: one document is printed, not two.
    pub(crate) fn beside_json(self) -> Self {
        Self {
            muted: self.json,
            ..self
        }
    }

    /// Whether `--json` was asked for.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// The text, set off.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        let text = plain(text);
        if !self.colours {
            return text.into_owned();
        }
        let code = match tone {
            Tone::Heading => "1",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Prints lines for people; nothing where JSON was asked for.
    pub(crate) fn lines(self, lines: &[String]) {
        if !self.json && !lines.is_empty() {
            print(&(lines.join("\n") + "\n"));
        }
    }

    /// Prints one line for people; nothing where JSON was asked for.
    pub(crate) fn line(self, line: &str) {
        self.lines(&[line.to_owned()]);
    }

    /// Prints a value as indented JSON, where that was asked for.
    pub(crate) fn json(self, value: &impl Serialize) {
        if self.json && !self.muted {
            // Our own types: every map's keys are strings.
            print(&(serde_json::to_string_pretty(value).unwrap_or_default() + "\n"));
        }
    }

    /// Prints a value as one line of JSON, where that was asked for.
    pub(crate) fn json_line(self, value: &impl Serialize) {
        if self.json {
            print(&(serde_json::to_string(value).unwrap_or_default() + "\n"));
        }
    }
}

/// A reader that went away ends the command quietly.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if written.is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// The text without the control characters that would let a file's content drive the terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if harmful(c) {
            let _ = write!(safe, "{}", c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_printed_drives_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\rc\n"), "a\\u{1b}[2Jb\\rc\n");
        assert!(matches!(plain("プロキシ\n"), std::borrow::Cow::Borrowed(_)));
    }
}
