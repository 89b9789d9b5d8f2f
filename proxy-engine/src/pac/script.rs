//! The script's text.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A PAC script: text that defines `FindProxyForURL`, of at most [`Script::MOST`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Script(Arc<str>);

/// Why a text is no PAC script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// It is longer than [`Script::MOST`].
    #[error("it has {0} bytes, and a PAC script may have 1 MiB")]
    TooLong(usize),
    /// A page that asks for a log-in, a directory, nothing at all.
    #[error("it defines no FindProxyForURL: that is no PAC script")]
    NoFunction,
}

impl Script {
    /// No script in use comes near; a policy that carries one must stay small enough to be told
    /// over the control API and kept on disk.
    pub const MOST: usize = 1 << 20;

    /// The text as a script. Whether it can be run shows when it is.
    ///
    /// # Errors
    /// See [`ScriptError`].
    pub fn new(text: &str) -> Result<Self, ScriptError> {
        if text.len() > Self::MOST {
            return Err(ScriptError::TooLong(text.len()));
        }
        if !text.contains("FindProxyForURL") {
            return Err(ScriptError::NoFunction);
        }
        Ok(Self(text.into()))
    }

    /// One line that says how long it is.
    #[must_use]
    pub fn summary(&self) -> Self {
        Self(format!("// FindProxyForURL: {} bytes", self.0.len()).into())
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether two paths on one host may get different answers: `false` only where the function
    /// cannot look at its URL, because nothing but its head names the first argument. Anything
    /// unusual counts as looking.
    pub fn looks_at_paths(&self) -> bool {
        let words = || words(&self.0);
        let url = first_parameter(&self.0);
        let Some(url) = url else { return true };
        // `\u0075rl` is an identifier, too.
        self.0.contains("\\u")
            || words().filter(|word| *word == url).count() != 1
            || words().filter(|word| *word == "FindProxyForURL").count() != 1
            || words().any(|word| matches!(word, "arguments" | "eval" | "FindProxyForURLEx"))
    }
}

/// Identifiers, keywords, and what looks like them in comments and texts.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_of_word(c))
        .filter(|word| !word.is_empty())
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// The first parameter in `function FindProxyForURL(url, host)`, where it is a plain name.
fn first_parameter(text: &str) -> Option<&str> {
    let (before, after) = text.split_once("FindProxyForURL")?;
    before.trim_end().strip_suffix("function")?;
    let (list, _) = after.trim_start().strip_prefix('(')?.split_once(')')?;
    let plain = |name: &str| !name.is_empty() && name.chars().all(is_of_word);
    let mut names = list.split(',').map(str::trim);
    let first = names.next().filter(|name| plain(name))?;
    names.all(plain).then_some(first)
}

impl TryFrom<String> for Script {
    type Error = ScriptError;

    fn try_from(text: String) -> Result<Self, ScriptError> {
        Self::new(&text)
    }
}

impl From<Script> for String {
    fn from(script: Script) -> Self {
        script.0.as_ref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Script, ScriptError};

    fn looks(text: &str) -> bool {
        Script::new(text).expect("a script").looks_at_paths()
    }

    #[test]
    fn a_script_that_names_its_url_nowhere_cannot_tell_paths_apart() {
        assert!(!looks(
            "function FindProxyForURL(url, host) { return dnsDomainIs(host, '.a') ? 'DIRECT' : 'PROXY p:1'; }"
        ));
        assert!(!looks(
            "var x = {};\nfunction FindProxyForURL( u , h )\n{ return x[h]; }"
        ));
    }

    #[test]
    fn anything_else_counts_as_looking_at_the_path() {
        for text in [
            "function FindProxyForURL(url, host) { return shExpMatch(url, '*/x*') ? 'DIRECT' : ''; }",
            "function FindProxyForURL(url, host) { return arguments[0]; }",
            "function FindProxyForURL(url, host) { return eval('u' + 'rl'); }",
            "function FindProxyForURL(url, host) { return \\u0075rl; }",
            "function FindProxyForURL(...all) { return all[0]; }",
            "function FindProxyForURL({length}, host) { return length; }",
            "function FindProxyForURL(host, x = host) { return x; }",
            "FindProxyForURL = (url, host) => url;",
            "function FindProxyForURL(a, h) { return 'DIRECT'; } function FindProxyForURL(b, h) { return b; }",
            "function FindProxyForURLEx(url, host) { return 'DIRECT'; }",
        ] {
            assert!(looks(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_script_is_refused() {
        let page = "<html><title>Log in</title></html>";
        assert_eq!(Script::new(page), Err(ScriptError::NoFunction));
        let long = format!("function FindProxyForURL() {{}}{}", " ".repeat(5 << 20));
        assert!(matches!(Script::new(&long), Err(ScriptError::TooLong(_))));
    }
}
