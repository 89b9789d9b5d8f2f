//! `gangway profile`: which holds, and another one.

use proxy_mirror::control::{Door, Status};
use proxy_mirror::settings::BY_NETWORK;

use super::{only, reach};
use crate::exit::{Exit, Failure};
use crate::output::{Output, plain};
use crate::words::Words;

/// Shows the profiles; chooses one first where one is named.
pub(super) async fn profile(
    name: Option<String>,
    output: Output,
    words: Words,
) -> Result<Exit, Failure> {
    let door = reach().await?;
    if let Some(name) = name {
        door.change_settings(only(|change| change.profile = Some(name)))
            .await?;
    }
    let status = door.status().await?;
    output.json(&serde_json::json!({
        "profile": &status.profile,
        "profiles": &status.profiles,
    }));
    if status.profiles.is_empty() {
        output.line(&words.text("cli_profiles_none"));
    }
    for name in &status.profiles {
        let mark = if is(&status, name) { "→" } else { " " };
        output.line(&format!("  {mark} {}", plain(name)));
    }
    output.line(&plain(&holds(&status, words)));
    Ok(Exit::Ok)
}

/// Which profile holds, and why, in one line.
pub(super) fn holds(status: &Status, words: Words) -> String {
    match &status.profile {
        None => words.text("cli_profile_none"),
        Some(profile) => {
            let key = if profile.by_hand {
                "cli_profile_by_hand"
            } else {
                "cli_profile_by_network"
            };
            words.with(key, &[("name", &profile.name), ("auto", BY_NETWORK)])
        }
    }
}

fn is(status: &Status, name: &str) -> bool {
    let holds = status.profile.as_ref();
    holds.is_some_and(|profile| profile.name == name)
}
