//! The message catalogue, in English and Japanese, that the window reads too.
//!
//! `messages/{en,ja}.json`: flat keys, texts with `{arguments}` (inlang's message format, which
//! paraglide compiles for the window). A [`Problem`]'s key is `problem_` and its code; beside its
//! own arguments its text may use `{message}`, the problem's English sentence.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::control::{Problem, Said};

/// A language that there is a catalogue of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    En,
    /// Japanese.
    Ja,
}

/// All texts of one language.
#[derive(Debug)]
pub struct Catalogue {
    texts: BTreeMap<String, String>,
}

static ENGLISH: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("../messages/en.json")));
static JAPANESE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("../messages/ja.json")));

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::Ja];

    /// The language of this process: `LC_ALL`, else `LC_MESSAGES`, else `LANG` (POSIX.1-2017, 8.2).
    pub fn from_env() -> Self {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// The language that these variables name; English where they name none that there is.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(var)
            .find(|value| !value.is_empty());
        match locale.as_deref() {
            Some(locale) if locale == "ja" || locale.starts_with("ja_") => Self::Ja,
            _ => Self::En,
        }
    }
}

impl Catalogue {
    /// The catalogue of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &ENGLISH,
            Language::Ja => &JAPANESE,
        }
    }

    fn parse(json: &str) -> Self {
        let mut texts: BTreeMap<String, String> =
            serde_json::from_str(json).expect("the committed catalogue is JSON of flat texts");
        texts.remove("$schema");
        Self { texts }
    }

    /// The text of `key` with its arguments put in. A key that there is none of gives the key
    /// itself, so that a page shows something to look for.
    pub fn text(&self, key: &str, args: &[(&str, &str)]) -> String {
        let args: BTreeMap<&str, &str> = args.iter().copied().collect();
        self.texts
            .get(key)
            .and_then(|text| filled(text, |name| args.get(name).copied()))
            .unwrap_or_else(|| key.to_owned())
    }

    /// A sentence in this language; in English where the catalogue lacks it or it lacks an argument.
    pub fn said(&self, said: &Said) -> String {
        self.texts
            .get(&said.key)
            .and_then(|text| filled(text, |name| said.args.get(name).map(String::as_str)))
            .unwrap_or_else(|| said.english.clone())
    }

    /// What a user is told of a problem: the catalogue's text, or the problem's own English
    /// sentence where the catalogue lacks the code or the problem lacks an argument.
    pub fn problem(&self, problem: &Problem) -> String {
        self.texts
            .get(&format!("problem_{}", problem.code))
            .and_then(|text| {
                filled(text, |name| match problem.args.get(name) {
                    Some(value) => Some(value.as_str()),
                    None => (name == "message").then_some(problem.message.as_str()),
                })
            })
            .unwrap_or_else(|| problem.message.clone())
    }
}

/// The text with every `{name}` replaced; `None` where one is missing.
fn filled<'a>(text: &str, arg: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, after) = behind.split_once('}')?;
        filled.push_str(before);
        filled.push_str(arg(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests;
