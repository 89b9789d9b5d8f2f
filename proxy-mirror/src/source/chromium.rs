//! Chrome, Edge, Brave and Chromium: an administrator's policies, and the profile used last.
//!
//! | `ProxyMode` | older `ProxyServerMode` | what it says |
//! |---|---|---|
//! | `direct` | 0 | no proxy |
//! | `auto_detect` | 1 | automatic detection |
//! | `pac_script` | 2, with `ProxyPacUrl` | a PAC file |
//! | `fixed_servers` | 2, with `ProxyServer` | the proxy for HTTPS, else for HTTP, else for the rest |
//! | `system`, or none | 3 | nothing: the browser follows the system itself |
//!
//! A managed policy stands over what the profile says, and that over a recommended one; on Windows
//! policies are values of the registry, the machine's over the user's. In one level the dictionary `ProxySettings` stands over the single policies as a whole. What an
//! extension set is not read: it holds while the browser runs, and only there.
//!
//! After Chromium's own reading: `components/proxy_config/proxy_policy_handler.cc`,
//! `net/proxy_resolution/proxy_config.cc`, `net/base/proxy_string_util.cc`.

mod policies;
mod profile;
mod setting;

use std::path::{Path, PathBuf};

use self::setting::Setting;
use super::windows::Registry;
use super::{Reading, Source, SourceError, SourceId};
use crate::control::Said;
use crate::places::Places;

/// One browser of the family: who it is and where it keeps its things.
#[derive(Debug)]
struct Browser {
    id: SourceId,
    /// Folders of profiles below the home directory: the normal one, Snap's, Flatpak's, macOS's,
    /// Windows's.
    roots: &'static [&'static str],
    /// Folders of policies below `/etc`, each with `managed` and `recommended` in it.
    policies: &'static [&'static str],
    /// The key of its policies in Windows's registry.
    key: &'static str,
}

const BROWSERS: [Browser; 4] = [
    Browser {
        id: SourceId::Chrome,
        roots: &[
            ".config/google-chrome",
            ".var/app/com.google.Chrome/config/google-chrome",
            "Library/Application Support/Google/Chrome",
            "AppData/Local/Google/Chrome/User Data",
        ],
        policies: &["opt/chrome/policies"],
        key: r"Software\Policies\Google\Chrome",
    },
    Browser {
        id: SourceId::Edge,
        roots: &[
            ".config/microsoft-edge",
            ".var/app/com.microsoft.Edge/config/microsoft-edge",
            "Library/Application Support/Microsoft Edge",
            "AppData/Local/Microsoft/Edge/User Data",
        ],
        policies: &["opt/edge/policies"],
        key: r"Software\Policies\Microsoft\Edge",
    },
    Browser {
        id: SourceId::Brave,
        roots: &[
            ".config/BraveSoftware/Brave-Browser",
            "snap/brave/current/.config/BraveSoftware/Brave-Browser",
            ".var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
            "Library/Application Support/BraveSoftware/Brave-Browser",
            "AppData/Local/BraveSoftware/Brave-Browser/User Data",
        ],
        policies: &["brave/policies"],
        key: r"Software\Policies\BraveSoftware\Brave",
    },
    Browser {
        id: SourceId::Chromium,
        roots: &[
            ".config/chromium",
            "snap/chromium/common/chromium",
            ".var/app/org.chromium.Chromium/config/chromium",
            "Library/Application Support/Chromium",
            "AppData/Local/Chromium/User Data",
        ],
        policies: &["chromium/policies", "chromium-browser/policies"],
        key: r"Software\Policies\Chromium",
    },
];

/// The settings of one browser of Chromium's family, for one user.
#[derive(Debug, Clone)]
pub struct Chromium {
    id: SourceId,
    roots: Vec<PathBuf>,
    policies: Vec<PathBuf>,
    key: &'static str,
}

impl Chromium {
    /// Chrome, Edge, Brave and Chromium, in this order, in their usual folders.
    pub fn family(places: &Places) -> impl Iterator<Item = Self> {
        let below = |base: &Path, folders: &[&str]| -> Vec<PathBuf> {
            folders.iter().map(|folder| base.join(folder)).collect()
        };
        BROWSERS.iter().map(move |browser| Self {
            id: browser.id,
            roots: below(&places.home, browser.roots),
            policies: below(&places.etc, browser.policies),
            key: browser.key,
        })
    }

    /// What it says where this registry holds policies for it, too.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read_under(&self, registry: &Registry) -> Result<Reading, SourceError> {
        let setting = self.setting(registry).map_err(|error| self.failed(error))?;
        match setting {
            Some(setting) => setting
                .reading(self.id)
                .map_err(|message| self.failed((setting.origin.clone(), message))),
            None if self.roots.iter().any(|root| root.is_dir()) => Ok(Reading::nothing(
                self.id,
                Said::new("said_browser_system", &[]),
            )),
            None => Ok(Reading::nothing(self.id, Said::new("said_no_browser", &[]))),
        }
    }

    fn failed(&self, (origin, message): (String, String)) -> SourceError {
        SourceError {
            source_id: self.id,
            origin,
            message,
        }
    }

    /// The setting that is in force, if there is a browser at all.
    fn setting(&self, registry: &Registry) -> Result<Option<Setting>, (String, String)> {
        let policy = |level: &str| match policies::read_registry(registry, self.key, level)? {
            Some(setting) => Ok(Some(setting)),
            None => policies::read(&self.policies, level),
        };
        if let Some(managed) = policy("managed")? {
            return Ok(Some(managed));
        }
        if let Some(chosen) = profile::read(&self.roots)? {
            return Ok(Some(chosen));
        }
        policy("recommended")
    }
}

impl Source for Chromium {
    fn id(&self) -> SourceId {
        self.id
    }

    fn read(&self) -> Result<Reading, SourceError> {
        // Elsewhere than on Windows there is none.
        self.read_under(&Registry::default())
    }

    fn watched(&self) -> Vec<PathBuf> {
        let policies = self
            .policies
            .iter()
            .flat_map(|folder| ["managed", "recommended"].map(|level| folder.join(level)));
        self.roots
            .iter()
            .flat_map(|root| profile::files(root))
            .chain(policies)
            .collect()
    }
}

#[cfg(test)]
mod tests;
