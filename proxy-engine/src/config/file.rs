//! `proxy-engine run --config FILE`.

use std::path::{Path, PathBuf};

use super::{FlagsError, RunFlags};

/// Why a configuration file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, or not what is expected; the message has line and column.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column, what is wrong, and a suggestion.
        message: String,
    },
    /// Its values are right one by one, and wrong together.
    #[error("{}: {source}", path.display())]
    Flags {
        /// The file.
        path: PathBuf,
        /// Which of them.
        source: FlagsError,
    },
}

/// The keys of the file, for suggestions.
const KEYS: [&str; 35] = [
    "listen",
    "transparent",
    "intercept",
    "exclude",
    "ignore-forward",
    "ports",
    "upstream",
    "upstream-ca",
    "rule",
    "pac",
    "pac-unavailable",
    "bypass",
    "chain",
    "chain-key",
    "chained",
    "chained-keys",
    "control",
    "control-group",
    "broker",
    "netns",
    "state",
    "idle-limit",
    "metrics",
    "log",
    "credentials-fd",
    "credentials-file",
    "credentials-secret",
    "ticket-for",
    "clients",
    "connect-ports",
    "wildcard",
    "credential-users",
    "drain",
    "threads",
    "limits",
];

/// Reads and validates the file.
pub(super) fn read(path: &Path) -> Result<RunFlags, ConfigFileError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigFileError::Read {
        path: path.to_owned(),
        source,
    })?;
    toml::from_str(&text).map_err(|error| {
        let unknown = toml::from_str::<toml::Table>(&text)
            .ok()
            .and_then(|table| table.keys().find_map(|key| suggestion(key)));
        let hint = unknown.map_or_else(String::new, |key| format!("; did you mean `{key}`?"));
        ConfigFileError::Parse {
            path: path.to_owned(),
            message: format!("{}{}{hint}", place(&text, error.span()), error.message()),
        }
    })
}

/// `line 2, column 5: `. The line itself is not shown: it may hold a password.
fn place(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: ")
}

/// The key that was probably meant; `None` for a key that is known or like none.
fn suggestion(key: &str) -> Option<&'static str> {
    if KEYS.contains(&key) {
        return None;
    }
    KEYS.iter()
        .map(|known| (strsim::levenshtein(key, known), *known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::read;
    use crate::config::DefaultRoute;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("temp file");
        file.write_all(text.as_bytes()).expect("write");
        file
    }

    #[test]
    fn a_file_says_what_the_flags_say() {
        let file = file(
            "listen = [\"127.0.0.1:3182\"]\ntransparent = [\"[::]:3183\"]\nintercept = [\"br-*\"]\nexclude = [\"br-1f\"]\n\
             ports = \"80,443\"\nupstream = [\"http://proxy.test:3128\"]\nrule = [\"a.test=http://proxy.test:3128,direct\"]\nbypass = \".corp.test,10.0.0.0/8\"\n\
             idle-limit = 90\nlog = \"json\"\n[limits]\nfields = 4096\n",
        );
        let config = read(file.path())
            .expect("valid")
            .into_config()
            .expect("valid");
        assert_eq!(config.limits.fields, 4096);
        assert_eq!(config.idle_limit.0.as_secs(), 90);
        let policy = config.policy.expect("policy");
        assert_eq!(policy.upstreams().len(), 1);
        assert_eq!(policy.rules[0].ways.len(), 2);
        assert_eq!(policy.bypass.0.len(), 2);
        assert_eq!(policy.intercept.interfaces[0].to_string(), "br-*");
        assert_eq!(policy.intercept.exclude[0].to_string(), "br-1f");
    }

    #[test]
    fn a_chain_is_written_as_its_flags_are() {
        let first = file("chain = \"192.0.2.1:3184\"\nchain-key = \"/etc/key\"\n");
        let flags = read(first.path()).expect("valid");
        let config = flags.into_config().expect("valid");
        let to = config.chain.to.expect("an engine");
        assert_eq!(to.engine.to_string(), "192.0.2.1:3184");
        let policy = config.policy.expect("a policy");
        assert!(matches!(policy.default, DefaultRoute::Refused { .. }));
        let second = file("chained = [\"192.0.2.1:3184\"]\nchained-keys = \"/etc/keys\"\n");
        let flags = read(second.path()).expect("valid");
        assert_eq!(flags.into_config().expect("valid").chain.listen.len(), 1);
        for text in [
            "chain = \"192.0.2.1\"",
            "chain = \"x:0\"",
            "chain = \"http://x:1\"",
        ] {
            let message = read(file(text).path()).expect_err(text).to_string();
            assert!(message.contains("HOST:PORT"), "{message}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
        let file = file("listen = []\nupstreem = []\n");
        let message = read(file.path()).expect_err("refused").to_string();
        assert!(message.contains("line 2"), "{message}");
        assert!(message.contains("did you mean `upstream`?"), "{message}");
    }

    #[test]
    fn a_password_in_the_file_is_refused_without_showing_it() {
        let file = file("upstream = [\"http://user:canary@proxy.test:3128\"]\n");
        let flags = read(file.path()).expect("text");
        let message = flags.into_config().expect_err("refused").to_string();
        assert!(message.contains("--credentials-fd"), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }
}
