//! Making [`Said`]s.

use super::{Problem, Said};
use crate::messages::{Catalogue, Language};

impl Said {
    /// The catalogue's text of `key` with its arguments.
    pub fn new(key: &str, args: &[(&str, &dyn std::fmt::Display)]) -> Self {
        let args: Vec<(&str, String)> = args
            .iter()
            .map(|(name, value)| (*name, value.to_string()))
            .collect();
        let english: Vec<(&str, &str)> = args.iter().map(|(n, v)| (*n, v.as_str())).collect();
        Self {
            key: key.to_owned(),
            english: Catalogue::of(Language::En).text(key, &english),
            args: args
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// What somebody else says, and what is said alike in every language: an address, a path.
    pub fn verbatim(text: impl Into<String>) -> Self {
        Self {
            english: text.into(),
            ..Self::default()
        }
    }
}

impl From<Problem> for Said {
    fn from(problem: Problem) -> Self {
        let mut args = problem.args;
        args.insert("message".to_owned(), problem.message.clone());
        Self {
            key: format!("problem_{}", problem.code),
            args,
            english: problem.message,
        }
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.english)
    }
}
