//! What commands say, in the user's language.

use proxy_mirror::control::{Problem, Said};
use proxy_mirror::messages::{Catalogue, Language};
use proxy_mirror::settings::{Mode, Style};
use proxy_mirror::source::SourceId;
use proxy_mirror::target::TargetId;

/// The message catalogue in the language of this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(&'static Catalogue);

impl Words {
    /// The language of `LC_ALL`, `LC_MESSAGES` or `LANG`.
    pub(crate) fn from_env() -> Self {
        Self::of(Language::from_env())
    }

    /// The catalogue of a language.
    pub(crate) fn of(language: Language) -> Self {
        Self(Catalogue::of(language))
    }

    /// A text without arguments.
    pub(crate) fn text(self, key: &str) -> String {
        self.0.text(key, &[])
    }

    /// A text with its arguments.
    pub(crate) fn with(self, key: &str, arguments: &[(&str, &str)]) -> String {
        self.0.text(key, arguments)
    }

    /// A problem's sentence.
    pub(crate) fn problem(self, problem: &Problem) -> String {
        self.0.problem(problem)
    }

    /// A sentence of the agent's.
    pub(crate) fn said(self, said: &Said) -> String {
        self.0.said(said)
    }

    /// What a mode means.
    pub(crate) fn mode(self, mode: Mode) -> String {
        self.text(match mode {
            Mode::System => "cli_mode_system",
            Mode::Manual => "cli_mode_manual",
            Mode::Pac => "cli_mode_pac",
            Mode::Off => "cli_mode_off",
        })
    }

    /// What a style means.
    pub(crate) fn style(self, style: Style) -> String {
        self.text(match style {
            Style::Relay => "cli_style_relay",
            Style::Mirror => "cli_style_mirror",
        })
    }

    /// A source's name.
    /// The name of a target; as the agent has it where the catalogue does not know it: a distro's.
    pub(crate) fn target(self, id: &TargetId, title: &str) -> String {
        match id.0.as_str() {
            "docker-daemon" | "docker-cli" | "containerd" | "podman" | "clusters" => {
                self.text(&format!("title_{}", id.0.replace('-', "_")))
            }
            id => match id.strip_prefix("buildx:") {
                Some(name) => self.with("title_builder", &[("name", name)]),
                None => title.to_owned(),
            },
        }
    }

    pub(crate) fn source(self, source: SourceId) -> String {
        self.text(match source {
            SourceId::System => "cli_source_system",
            SourceId::Environment => "cli_source_environment",
            SourceId::EnvironmentFiles => "cli_source_environment_files",
            SourceId::Firefox => "cli_source_firefox",
            SourceId::Chrome => "cli_source_chrome",
            SourceId::Edge => "cli_source_edge",
            SourceId::Brave => "cli_source_brave",
            SourceId::Chromium => "cli_source_chromium",
            SourceId::Manual => "cli_source_manual",
        })
    }
}
