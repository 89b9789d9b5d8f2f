//! What an administrator has fixed: a file above every user's own.

use std::path::{Path, PathBuf};

use toml_edit::{Document, DocumentMut, Value};

use super::file::{malformed, one_line, parse, plain, set, text, value, without};
use super::version::{VERSIONS, Versions};
use super::{Settings, SettingsError, keys};

/// Where settings stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Files<'a> {
    /// The user's own.
    pub user: &'a Path,
    /// The administrator's, with the same keys and `reason`; each that stands there holds for
    /// everybody.
    pub managed: Option<&'a Path>,
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for Files<'a> {
    fn from(user: &'a P) -> Self {
        Self {
            user: user.as_ref(),
            managed: None,
        }
    }
}

/// The administrator's file, understood.
#[derive(Debug, Clone, Default)]
pub struct Managed {
    path: PathBuf,
    values: DocumentMut,
    /// The keys that it fixes.
    pub keys: Vec<&'static str>,
    /// Why, in the administrator's words; empty where none are given.
    pub reason: String,
}

impl Managed {
    /// Reads the file; nothing is fixed where there is none.
    ///
    /// # Errors
    /// [`SettingsError`]: whoever cannot know what is fixed must not act as if nothing was.
    pub fn read(files: Files<'_>) -> Result<Self, SettingsError> {
        Self::read_of(VERSIONS, files)
    }

    pub(super) fn read_of(versions: Versions, files: Files<'_>) -> Result<Self, SettingsError> {
        let Some(path) = files.managed else {
            return Ok(Self::default());
        };
        let Some(text) = text(path)? else {
            return Ok(Self::default());
        };
        let (reason, text) = without_reason(path, text)?;
        let settings = parse(versions, path, &text)?;
        let newest = versions.migrated(path, &text)?;
        let written: DocumentMut = newest
            .parse()
            .map_err(|_| malformed(path, text.as_bytes(), 0, "it is no TOML".to_owned()))?;
        let values = document(path, &settings)?;
        let keys = { keys::KNOWN.into_iter() }.filter(|key| is_there(&written, key));
        Ok(Self {
            path: path.to_owned(),
            keys: keys.collect(),
            values,
            reason,
        })
    }

    /// The settings of a user, with what is fixed in the place of theirs.
    pub(super) fn over(&self, user: Settings) -> Result<Settings, SettingsError> {
        if self.keys.is_empty() {
            return Ok(user);
        }
        let wrong = |what: String| malformed(&self.path, b"", 0, what);
        let mut document = document(&self.path, &user)?;
        for key in &self.keys {
            if let Some(fixed) = value(&self.values, key) {
                set(&mut document, key, fixed.clone()).map_err(wrong)?;
            }
        }
        toml::from_str(&document.to_string())
            .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))
    }

    /// Refuses what would change a fixed key.
    ///
    /// # Errors
    /// [`SettingsError::Managed`].
    pub fn permit(&self, before: &Settings, after: &Settings) -> Result<(), SettingsError> {
        let (before, after) = (document(&self.path, before)?, document(&self.path, after)?);
        let differs = |key: &&&'static str| {
            let shown = |document| value(document, key).map(|value: &Value| plain(value));
            shown(&before) != shown(&after)
        };
        match self.keys.iter().find(differs) {
            None => Ok(()),
            Some(key) => Err(SettingsError::Managed {
                key,
                path: self.path.clone(),
                reason: self.reason.clone(),
            }),
        }
    }
}

/// Whether something stands under the key, in whichever form: profiles are tables.
fn is_there(document: &DocumentMut, key: &str) -> bool {
    let mut parts = key.split('.');
    let item = parts.try_fold(document.as_item(), |item, part| item.get(part));
    item.is_some_and(|item| !item.is_none())
}

fn document(path: &Path, settings: &Settings) -> Result<DocumentMut, SettingsError> {
    toml_edit::ser::to_document(settings)
        .map_err(|error| malformed(path, b"", 0, error.to_string()))
}

/// The administrator's words, and the text with blanks in their place.
fn without_reason(path: &Path, text: String) -> Result<(String, String), SettingsError> {
    let Ok(document) = Document::parse(text.as_str()) else {
        // Whoever reads the rest says where it is broken.
        return Ok((String::new(), text));
    };
    let Some((key, item)) = document.as_table().get_key_value("reason") else {
        return Ok((String::new(), text));
    };
    let Some(reason) = item.as_str() else {
        let what = "`reason` is a text: write reason = \"…\"".to_owned();
        let at = key.span().map_or(0, |span| span.start);
        return Err(malformed(path, text.as_bytes(), at, what));
    };
    let rest = without(&document, &text, "reason").into_owned();
    Ok((one_line(reason), rest))
}

#[cfg(test)]
mod tests {
    use super::super::{Mode, Style, load, save};
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(user: &str, managed: &str) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            std::fs::write(machine.user(), user).unwrap();
            std::fs::write(machine.managed(), managed).unwrap();
            machine
        }

        fn user(&self) -> PathBuf {
            self.0.path().join("settings.toml")
        }

        fn managed(&self) -> PathBuf {
            self.0.path().join("managed.toml")
        }

        fn with<T>(&self, then: impl FnOnce(Files<'_>) -> T) -> T {
            let (user, managed) = (self.user(), self.managed());
            then(Files {
                user: &user,
                managed: Some(&managed),
            })
        }
    }

    #[test]
    fn what_is_fixed_stands_above_the_users_file_and_is_not_written_into_it() {
        let user = "# mine\nmode = \"off\"\nstyle = \"mirror\"\n[relay]\nport = 4000\n";
        let machine = Machine::new(
            user,
            "reason = \"policy\\n 7\"\nmode = \"manual\"\nupstream = \"http://corp:1\"\n[relay]\nport = 3182\n",
        );
        let mut settings = machine.with(|files| load(files)).unwrap();
        assert_eq!((settings.mode, settings.relay.port), (Mode::Manual, 3182));
        assert_eq!(settings.style, Style::Mirror);
        let managed = machine.with(Managed::read).unwrap();
        assert_eq!(managed.keys, ["mode", "upstream", "relay.port"]);
        assert_eq!(managed.reason, "policy; 7");

        settings.style = Style::Relay;
        machine.with(|files| save(files, &settings)).unwrap();
        let written = std::fs::read_to_string(machine.user()).unwrap();
        assert_eq!(written, user.replace("mirror", "relay"));
        settings.mode = Mode::Off;
        let refused = machine.with(|files| save(files, &settings)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "`mode` is fixed for this machine by {}: policy; 7",
                machine.managed().display()
            )
        );
        assert_eq!(std::fs::read_to_string(machine.user()).unwrap(), written);
    }

    #[test]
    fn the_administrators_profiles_stand_in_the_place_of_the_users() {
        let machine = Machine::new(
            "profile = \"mine\"\n[[profiles]]\nname = \"mine\"\nmode = \"off\"\n",
            "[[profiles]]\nname = \"office\"\ngateway = [\"10.1.0.1\"]\n",
        );
        let managed = machine.with(Managed::read).unwrap();
        assert_eq!(managed.keys, ["profiles"]);
        let settings = machine.with(|files| load(files)).unwrap();
        let names = { settings.profiles.iter() }.map(|profile| profile.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["office"]);
        let mut changed = settings.clone();
        changed.profiles.clear();
        let refused = machine.with(|files| save(files, &changed)).unwrap_err();
        assert!(
            refused.to_string().starts_with("`profiles` is fixed"),
            "{refused}"
        );
        // What the user may choose is saved beside them.
        let mut changed = settings;
        changed.profile = None;
        machine.with(|files| save(files, &changed)).unwrap();
        let user = std::fs::read_to_string(machine.user()).unwrap();
        assert!(
            user.contains("name = \"mine\"") && !user.contains("office"),
            "{user}"
        );
    }

    #[test]
    fn a_managed_file_that_cannot_be_understood_is_no_freedom() {
        for (managed, place) in [
            ("mode = \"manul\"", ":1:8"),
            ("reason = \"x\"\nmod = \"off\"", ":2:1"),
            ("reason = 7\n", ":1:1"),
            ("[relay]\nprot = 1", ":2:1"),
            ("mode = ", ":1:"),
        ] {
            let machine = Machine::new("", managed);
            let error = machine.with(|files| load(files)).unwrap_err().to_string();
            let named = format!("{}{place}", machine.managed().display());
            assert!(error.starts_with(&named), "{managed}: {error}");
        }
        let machine = Machine::new("mode = \"off\"", "");
        assert_eq!(machine.with(|files| load(files)).unwrap().mode, Mode::Off);
        std::fs::remove_file(machine.managed()).unwrap();
        assert_eq!(machine.with(|files| load(files)).unwrap().mode, Mode::Off);
    }
}
