//! The tray item: a pure function of the status, and who shows it.

use proxy_mirror::control::{PolicyKind, Problem, Status};
use proxy_mirror::messages::{Catalogue, Language};
use proxy_mirror::settings::BY_NETWORK;

use crate::view::{self, Health};

pub mod icon;
#[cfg(target_os = "linux")]
pub mod item;

/// All that a tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrayView {
    /// The icon's shape.
    pub health: Health,
    /// The line at the top of the menu, which is the tool tip too: `Gangway is on`.
    pub state: String,
    /// The lines of the menu, from the top.
    pub menu: Vec<Item>,
}

/// One line of the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Words to read.
    Words(String),
    /// A line between groups.
    Separator,
    /// The switch.
    Switch {
        /// `Gangway`
        label: String,
        /// Whether it is on.
        on: bool,
        /// Whether it can be switched: not while there is no agent.
        enabled: bool,
    },
    /// Switches off for half an hour.
    Pause(String),
    /// The profiles, one of which is chosen.
    Profiles {
        /// What each line says, and the profile that it chooses.
        choices: Vec<(String, String)>,
        /// The one that is chosen.
        chosen: usize,
    },
    /// Opens the window, where a proxy waits for a password.
    LogIn(String),
    /// Opens the window.
    Settings(String),
    /// Ends the app.
    Quit(String),
}

impl TrayView {
    /// The tray for a status, or for the want of one.
    pub fn of(status: Result<&Status, &Problem>, language: Language) -> Self {
        let words = Catalogue::of(language);
        let say = |key: &str| words.text(key, &[]);
        let health = status.map_or(Health::Problem, view::health);
        let state = match (&status, health) {
            (Err(_), _) => say("tray_no_agent"),
            (Ok(_), Health::On) => say("tray_on"),
            (Ok(status), Health::Off) if status.off_until.is_some() => say("tray_paused"),
            (Ok(_), Health::Off) => say("tray_off"),
            (Ok(_), Health::Problem) => say("tray_problem"),
        };
        let mut menu = vec![
            Item::Words(state.clone()),
            Item::Switch {
                label: say("tray_switch"),
                on: status.is_ok_and(|s| s.on),
                enabled: status.is_ok(),
            },
        ];
        if status.is_ok_and(|status| status.on) {
            menu.push(Item::Pause(say("tray_pause")));
        }
        if let Ok(status) = status {
            menu.push(Item::Words(way(status, words)));
            menu.extend(profiles(status, words));
            if let Some(wanted) = status.login_wanted() {
                let label = words.text("tray_log_in", &[("authority", &wanted.authority)]);
                menu.push(Item::LogIn(label));
            }
        }
        menu.extend([
            Item::Separator,
            Item::Settings(say("tray_settings")),
            Item::Quit(say("tray_quit")),
        ]);
        Self {
            health,
            state,
            menu,
        }
    }
}

/// The profiles, after the choice that the network decides; none where there are none.
fn profiles(status: &Status, words: &Catalogue) -> Option<Item> {
    if status.profiles.is_empty() {
        return None;
    }
    let holds = status.profile.as_ref();
    let by_network = match holds.filter(|profile| !profile.by_hand) {
        Some(profile) => words.text("tray_profile_found", &[("name", &profile.name)]),
        None => words.text("tray_profile_auto", &[]),
    };
    let named = status.profiles.iter().map(|name| {
        let label = words.text("tray_profile", &[("name", name)]);
        (label, name.clone())
    });
    let choices: Vec<(String, String)> = [(by_network, BY_NETWORK.to_owned())]
        .into_iter()
        .chain(named)
        .collect();
    let by_hand = holds.filter(|profile| profile.by_hand);
    let chosen =
        by_hand.and_then(|by_hand| choices.iter().position(|(_, name)| *name == by_hand.name));
    Some(Item::Profiles {
        chosen: chosen.unwrap_or_default(),
        choices,
    })
}

/// Where traffic goes, in one line.
fn way(status: &Status, words: &Catalogue) -> String {
    match (status.policy.kind, status.policy.upstreams.first()) {
        (PolicyKind::Upstreams, Some(upstream)) => {
            words.text("tray_through", &[("upstream", upstream)])
        }
        (PolicyKind::Pac, _) => words.text("tray_pac", &[]),
        (PolicyKind::Refused, _) => words.text("tray_refused", &[]),
        (PolicyKind::Direct | PolicyKind::Upstreams, _) => words.text("tray_direct", &[]),
    }
}

#[cfg(test)]
mod tests;
