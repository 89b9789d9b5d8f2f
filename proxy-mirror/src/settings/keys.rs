//! The keys that `settings.toml` may hold, and the one that a mistyped key was meant to be.

use std::ops::Range;

use toml_edit::TableLike;

/// Every key. A test holds this list against what [`super::Settings`] reads.
pub(super) const KNOWN: [&str; 13] = [
    "mode",
    "resume",
    "style",
    "upstream",
    "pac",
    "bypass",
    "logins",
    "relay.port",
    "relay.clients",
    "intercept.enabled",
    "intercept.interfaces",
    "intercept.ports",
    "leave_alone",
];

/// A key that is not known, where it stands in the file, and what it may have meant.
pub(super) struct Unknown {
    pub(super) key: String,
    pub(super) at: Range<usize>,
    pub(super) suggestion: Option<String>,
}

/// The first unknown key of the document.
pub(super) fn unknown(table: &dyn TableLike, prefix: &str) -> Option<Unknown> {
    for (name, item) in table.iter() {
        let key = format!("{prefix}{name}");
        let inner = format!("{key}.");
        if KNOWN.iter().any(|known| known.starts_with(&inner)) {
            if let Some(found) = item
                .as_table_like()
                .and_then(|table| unknown(table, &inner))
            {
                return Some(found);
            }
        } else if !KNOWN.contains(&key.as_str()) {
            let at = table
                .key(name)
                .and_then(toml_edit::Key::span)
                .unwrap_or(0..0);
            return Some(Unknown {
                suggestion: nearest(&key),
                key: key.escape_debug().to_string(),
                at,
            });
        }
    }
    None
}

/// The known key that is most like `key`, where one is like it at all.
fn nearest(key: &str) -> Option<String> {
    // `port = 3182` at the top is most likely the relay's.
    let bare = |known: &'static str| known.rsplit('.').next().unwrap_or(known);
    KNOWN
        .iter()
        .map(|known| {
            let like = distance(key, known).min(distance(key, bare(known)));
            (like, *known)
        })
        .min()
        .filter(|(like, known)| *like <= known.len() / 3)
        .map(|(_, known)| known.to_owned())
}

/// Levenshtein's distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
