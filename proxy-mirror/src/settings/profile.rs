//! Profiles: what is another in each network, office, home or VPN.

use std::net::IpAddr;

use proxy_engine::config::{Authority, Bypass, Rule, Upstream};
use proxy_engine::intercept::InterfacePattern;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Mode, Settings, rules, upstream, word};

/// One profile: how its network is recognised, and what holds there in the place of what the settings
/// say. Every kind of mark that it names must be there, and of each kind one is enough; one without
/// any mark is chosen by hand alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name.
    #[serde(deserialize_with = "name")]
    pub name: String,
    /// Addresses of default gateways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateway: Vec<IpAddr>,
    /// Domains that names are looked up in, or that lie above those: `corp.example`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_suffix: Vec<String>,
    /// Interfaces with an address: `tun0`, `wg*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interface: Vec<InterfacePattern>,
    /// `HOST:PORT` that take a connection within a second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reachable: Vec<Authority>,

    /// As [`Settings::mode`]; an `off` of the settings holds in every network.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "mode"
    )]
    pub mode: Option<Mode>,
    /// As [`Settings::upstream`].
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "upstream::one"
    )]
    pub upstream: Option<Upstream>,
    /// As [`Settings::fallbacks`].
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "fallbacks"
    )]
    pub fallbacks: Option<Vec<Upstream>>,
    /// As [`Settings::pac`].
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "super::pac_address"
    )]
    pub pac: Option<String>,
    /// As [`Settings::bypass`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass: Option<Bypass>,
    /// As [`Settings::rules`].
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "rules")]
    pub rules: Vec<Rule>,
}

impl Profile {
    /// Takes out what is not its to say.
    fn leave(&mut self, fixed: &[&str]) {
        for key in fixed {
            match *key {
                "mode" => self.mode = None,
                "upstream" => self.upstream = None,
                "fallbacks" => self.fallbacks = None,
                "pac" => self.pac = None,
                "bypass" => self.bypass = None,
                "rules" => self.rules = Vec::new(),
                // Profiles say nothing of it.
                _ => {}
            }
        }
    }

    /// Whether there is anything that its network is recognised by.
    pub fn has_marks(&self) -> bool {
        !(self.gateway.is_empty()
            && self.dns_suffix.is_empty()
            && self.interface.is_empty()
            && self.reachable.is_empty())
    }
}

impl Settings {
    /// The profile of this name.
    pub fn profile_named(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// What holds under the profile. What the administrator has `fixed` (keys of the settings) does
    /// whatever a user's profile says; profiles that are the administrator's own hold as they are.
    #[must_use]
    pub fn under(mut self, profile: &Profile, fixed: &[&str]) -> Self {
        let mut profile = profile.clone();
        if !fixed.contains(&"profiles") {
            profile.leave(fixed);
        }
        if let Some(mode) = profile.mode.filter(|_| self.mode != Mode::Off) {
            self.mode = mode;
        }
        if let Some(upstream) = profile.upstream {
            // The user may have logged in there.
            let login = self
                .logins
                .iter()
                .find(|login| login.is_login_at(&upstream));
            let user = login.and_then(Upstream::user).map(str::to_owned);
            let user = upstream.user().map(str::to_owned).or(user);
            self.upstream = Some(upstream.with_user(user));
            // Those of the settings stand behind another one.
            if !fixed.contains(&"fallbacks") {
                self.fallbacks = Vec::new();
            }
        }
        if let Some(fallbacks) = profile.fallbacks {
            self.fallbacks = fallbacks;
        }
        if profile.pac.is_some() {
            self.pac = profile.pac;
        }
        if let Some(bypass) = profile.bypass {
            self.bypass = bypass;
        }
        if !profile.rules.is_empty() {
            self.rules = profile.rules;
        }
        self
    }
}

fn name<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let name = String::deserialize(input)?;
    if name.is_empty() || name.chars().any(char::is_control) || name == super::BY_NETWORK {
        let what = "a profile's name is a word of your own, and not `auto`";
        return Err(serde::de::Error::custom(what));
    }
    Ok(name)
}

fn mode<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Mode>, D::Error> {
    word::word(input).map(Some)
}

fn fallbacks<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Vec<Upstream>>, D::Error> {
    upstream::many(input).map(Some)
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, text).unwrap();
        load(&file).map_err(|error| error.to_string())
    }

    const OFFICE: &str = "\
mode = \"system\"
bypass = [\".home.example\"]
logins = [\"http://ann@proxy.corp:8080\"]
[[profiles]]
name = \"office\"
gateway = [\"10.1.0.1\", \"fe80::1\"]
dns_suffix = [\"corp.example\"]
mode = \"manual\"
upstream = \"http://proxy.corp:8080\"
[[profiles]]
name = \"home\"
interface = [\"wl*\"]
mode = \"off\"
";

    #[test]
    fn a_profile_holds_in_the_place_of_the_settings_and_only_what_it_names() {
        let settings = read(OFFICE).unwrap();
        let office = settings.profile_named("office").unwrap().clone();
        let there = settings.clone().under(&office, &[]);
        assert_eq!(there.mode, Mode::Manual);
        let upstream = there.upstream.as_ref().map(ToString::to_string);
        assert_eq!(upstream.as_deref(), Some("http://ann@proxy.corp:8080"));
        assert_eq!(there.bypass, settings.bypass);
        let home = settings.profile_named("home").unwrap().clone();
        assert_eq!(settings.clone().under(&home, &[]).mode, Mode::Off);
        // Who has switched off has done so everywhere.
        let off = Settings {
            mode: Mode::Off,
            ..settings
        };
        assert_eq!(off.under(&office, &[]).mode, Mode::Off);
    }

    #[test]
    fn what_an_administrator_has_fixed_holds_under_a_profile_of_the_user() {
        let settings = read(&OFFICE.replace("mode = \"manual\"\n", "mode = \"off\"\nbypass = [\"*\"]\npac = \"http://x.test/p\"\nfallbacks = [\"http://f.test:1\"]\nrules = [\"x.test=direct\"]\n")).unwrap();
        let office = settings.profile_named("office").unwrap().clone();
        let fixed = ["mode", "upstream", "fallbacks", "pac", "bypass", "rules"];
        let free = settings.clone().under(&office, &[]);
        let (mode, pac) = (free.mode, free.pac.as_deref());
        assert_eq!((mode, pac), (Mode::Off, Some("http://x.test/p")));
        assert_eq!(settings.clone().under(&office, &fixed), settings);
        // Unless the profiles are the administrator's own.
        let own = [&fixed[..], &["profiles"]].concat();
        assert_eq!(settings.clone().under(&office, &own), free);
    }

    #[test]
    fn profiles_stay_as_they_are_written_when_another_setting_is_saved() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.toml");
        std::fs::write(&file, format!("# mine\n{OFFICE}")).unwrap();
        let mut settings = load(&file).unwrap();
        settings.profile = Some("home".into());
        super::super::save(&file, &settings).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("profile = \"home\"\n"), "{text}");
        for line in OFFICE.lines() {
            assert!(text.contains(line), "{line} in {text}");
        }
        assert_eq!(load(&file).unwrap(), settings);
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_said_with_its_place() {
        for (text, says) in [
            ("[[profiles]]\nname = \"\"\n", ":2:8: a profile's name"),
            ("[[profiles]]\nname = \"auto\"\n", ":2:8: a profile's name"),
            (
                "[[profiles]]\nname = \"a\"\nmode = \"manul\"\n",
                "did you mean `manual`",
            ),
            (
                "[[profiles]]\nname = \"a\"\ngatway = []\n",
                ":3:1: unknown field `gatway`",
            ),
            ("[[profiles]]\nname = \"a\"\ngateway = [\"x\"]\n", ":3:12"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(says), "{error}");
        }
    }
}
