//! The keys that `settings.toml` may hold, and the one that a mistyped key was meant to be.

use std::ops::Range;

use toml_edit::TableLike;

use super::version;

/// Every key. A test holds this list against what [`super::Settings`] reads.
pub(super) const KNOWN: [&str; 24] = [
    "mode",
    "resume",
    "off_until",
    "profile",
    "style",
    "upstream",
    "fallbacks",
    "upstream_ca",
    "tickets",
    "pac",
    "pac_unavailable",
    "bypass",
    "rules",
    "logins",
    "relay.port",
    "relay.clients",
    "intercept.enabled",
    "intercept.interfaces",
    "intercept.ports",
    "leave_alone",
    "docker.live_restore",
    "docker.restart_swarm",
    "docker.recreate_builders",
    "profiles",
];

/// A key that is not known, where it stands in the file, and what it may have meant.
pub(super) struct Unknown {
    pub(super) key: String,
    pub(super) at: Range<usize>,
    pub(super) suggestion: Option<&'static str>,
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
        } else if !KNOWN.contains(&key.as_str()) && key != version::KEY {
            let at = table
                .key(name)
                .and_then(toml_edit::Key::span)
                .unwrap_or(0..0);
            return Some(Unknown {
                suggestion: nearest(&key, &KNOWN).or_else(|| nearest(&key, &[version::KEY])),
                key: key.escape_debug().to_string(),
                at,
            });
        }
    }
    None
}

/// The one of these words that is most like `typed`, where one is like it at all.
pub(super) fn nearest(typed: &str, known: &[&'static str]) -> Option<&'static str> {
    // Nobody mistypes one of ours at such length.
    let typed: String = typed.chars().take(64).collect();
    // `port = 3182` at the top is most likely the relay's.
    let bare = |known: &'static str| known.rsplit('.').next().unwrap_or(known);
    known
        .iter()
        .map(|known| {
            let distance = |word| strsim::levenshtein(&typed, word);
            (distance(known).min(distance(bare(known))), *known)
        })
        .min()
        .filter(|(distance, known)| *distance <= (known.len() / 3).max(1))
        .map(|(_, known)| known)
}
