//! Proxy variables that files of shells set: they reach every program that is started there, and
//! no setting of ours changes them.

use std::path::PathBuf;

use super::{Agreed, read};
use crate::change::dropin::HEADER;
use crate::control::{Finding, Said, Verdict};
use crate::places::Places;

/// Below the home directory.
const OF_USER: [&str; 8] = [
    ".profile",
    ".bash_profile",
    ".bashrc",
    ".zshenv",
    ".zprofile",
    ".zshrc",
    ".config/fish/config.fish",
    ".pam_environment",
];
/// Below `/etc`.
const OF_MACHINE: [&str; 4] = ["profile", "bash.bashrc", "zsh/zshenv", "zsh/zshrc"];
/// As many findings as a person reads.
const MOST: usize = 20;

/// One a line that names a proxy which the policy does not know.
pub(super) fn findings(places: &Places, agreed: &Agreed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in files(places) {
        let Some(text) = read(&path) else { continue };
        if text.starts_with(HEADER) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let Some((variable, value)) = assignment(line) else {
                continue;
            };
            let Some(proxy) = agreed.other(value) else {
                continue;
            };
            if findings.len() == MOST {
                return findings;
            }
            let place = format!("{}:{}", path.display(), number + 1);
            findings.push(Finding::of(
                Verdict::Warn,
                "shell_file",
                place,
                Said::new(
                    "said_doctor_shell_file",
                    &[("variable", &variable), ("proxy", &proxy)],
                ),
                Said::new("said_doctor_shell_file_remedy", &[]),
            ));
        }
    }
    findings
}

fn files(places: &Places) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = OF_USER
        .iter()
        .map(|name| places.home.join(name))
        .chain(OF_MACHINE.iter().map(|name| places.etc.join(name)))
        .collect();
    let mut of_folder: Vec<PathBuf> = std::fs::read_dir(places.etc.join("profile.d"))
        .into_iter()
        .flatten()
        .take(256)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "sh"))
        .collect();
    of_folder.sort();
    files.append(&mut of_folder);
    files
}

/// The proxy variable that a line sets, and its value without quotes.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with('#') {
        return None;
    }
    // `export https_proxy=…`, `set -x https_proxy …` of fish, `https_proxy=… command` too.
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = match line.strip_prefix("set ") {
        Some(fish) => {
            let mut rest = fish.trim_start();
            while rest.starts_with('-') {
                rest = rest.split_once(char::is_whitespace)?.1.trim_start();
            }
            rest.split_once(char::is_whitespace)?
        }
        None => line.split_once('=')?,
    };
    let known = ["http_proxy", "https_proxy", "all_proxy"];
    if !known.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return None;
    }
    let value = word(value.trim_start());
    (!value.is_empty() && !value.starts_with('$')).then_some((name, value))
}

/// The first word as shells read it: within its quotes, or up to what ends a command.
fn word(text: &str) -> &str {
    let quote = text.chars().next().filter(|first| "\"'".contains(*first));
    let (text, end): (_, &[char]) = match &quote {
        Some(quote) => (&text[1..], std::slice::from_ref(quote)),
        None => (text, &[';', '&', '|', ' ', '\t', '"', '\'']),
    };
    text.split(end).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::assignment;

    #[test]
    fn a_line_that_sets_a_proxy_is_found_as_shells_write_it() {
        for (line, found) in [
            (
                "export https_proxy=http://a:1",
                Some(("https_proxy", "http://a:1")),
            ),
            (
                "HTTP_PROXY='http://a:1'; export HTTP_PROXY",
                Some(("HTTP_PROXY", "http://a:1")),
            ),
            (
                "set -gx https_proxy http://a:1",
                Some(("https_proxy", "http://a:1")),
            ),
            (
                "all_proxy=\"socks5://a:1\"",
                Some(("all_proxy", "socks5://a:1")),
            ),
            (
                "set --export --global https_proxy 'http://a:1' # corp",
                Some(("https_proxy", "http://a:1")),
            ),
            (
                "export https_proxy=\"http://ann:p;w 'd@a:1\"; export no_proxy='b'",
                Some(("https_proxy", "http://ann:p;w 'd@a:1")),
            ),
            (
                "https_proxy=http://a:1&&x",
                Some(("https_proxy", "http://a:1")),
            ),
            ("# export https_proxy=http://a:1", None),
            ("export https_proxy=$CORP", None),
            ("export https_proxy=", None),
            ("export no_proxy=a", None),
            ("alias p=https_proxy", None),
        ] {
            assert_eq!(assignment(line), found, "{line}");
        }
    }
}
