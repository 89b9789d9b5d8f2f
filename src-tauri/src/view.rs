//! What the pages are given. Complete: where there is none of something, it is an empty text or an
//! empty list, and no page has to guess.

use std::collections::BTreeMap;

use proxy_mirror::control;
use serde::{Deserialize, Serialize};
use specta::Type;

mod plan;
mod settings;
mod status;

pub use plan::{AppliedPage, PlanPage, StepCard, UndonePage};
pub use settings::{SettingsEdit, SettingsPage};
pub use status::{
    Credentials, EngineCard, EngineRuns, Health, LoginCard, PolicyCard, PolicyKind, SourceCard,
    SourceId, StatusPage, TargetCard, TargetState, UpstreamCard, health,
};

/// An error or a notice: looked up in the catalogue as `problem_CODE`; the message is the English
/// sentence, for where the catalogue has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Problem {
    /// Stable, `snake_case`.
    pub code: String,
    /// What happened, where, and what to do.
    pub message: String,
    /// Arguments of the catalogue's text.
    pub args: BTreeMap<String, String>,
}

impl From<control::Problem> for Problem {
    fn from(problem: control::Problem) -> Self {
        Self {
            code: problem.code,
            message: problem.message,
            args: problem.args,
        }
    }
}

/// A sentence or a part of one: a text of the catalogue, and the same in English for where the
/// catalogue has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Said {
    /// The key in the catalogue; empty for what is the same in every language.
    pub key: String,
    /// Arguments of the catalogue's text.
    pub args: BTreeMap<String, String>,
    /// In English; empty where there is nothing to say.
    pub english: String,
}

impl From<control::Said> for Said {
    fn from(said: control::Said) -> Self {
        Self {
            key: said.key,
            args: said.args,
            english: said.english,
        }
    }
}

/// Where the proxy comes from; see [`proxy_mirror::settings::Mode`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// What the system says.
    #[default]
    System,
    /// What the user wrote.
    Manual,
    /// A PAC file.
    Pac,
    /// Everything direct.
    Off,
}

/// What holds where no PAC script can be had, or it gives no answer; see
/// [`proxy_mirror::settings::PacUnavailable`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum PacUnavailable {
    /// What is not direct is refused.
    #[default]
    Block,
    /// Everything is dialled directly.
    Direct,
}

/// What targets are told; see [`proxy_mirror::settings::Style`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// The engine's address.
    #[default]
    Relay,
    /// The upstream itself.
    Mirror,
}

/// Two enums of the same cases, one of the agent's API and one that TypeScript can be told of.
macro_rules! same_cases {
    ($ours:ty, $theirs:ty: $($case:ident),+) => {
        impl From<$theirs> for $ours {
            fn from(case: $theirs) -> Self {
                match case { $(<$theirs>::$case => Self::$case),+ }
            }
        }
        impl From<$ours> for $theirs {
            fn from(case: $ours) -> Self {
                match case { $(<$ours>::$case => Self::$case),+ }
            }
        }
    };
}
use same_cases;

same_cases!(Mode, proxy_mirror::settings::Mode: System, Manual, Pac, Off);
same_cases!(PacUnavailable, proxy_mirror::settings::PacUnavailable: Block, Direct);
same_cases!(Style, proxy_mirror::settings::Style: Relay, Mirror);
