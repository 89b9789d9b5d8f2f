//! What the user wrote into the settings.

use std::path::{Path, PathBuf};

use super::{Reading, Says, Source, SourceError, SourceId};
use crate::control::Said;
use crate::pac::Address;
use crate::settings::{self, Files, Settings};

/// The upstream of `settings.toml`.
#[derive(Debug, Clone)]
pub struct Manual {
    file: PathBuf,
    managed: Option<PathBuf>,
}

impl Manual {
    /// Reads these settings.
    pub fn new<'a>(files: impl Into<Files<'a>>) -> Self {
        let Files { user, managed } = files.into();
        Self {
            file: user.to_owned(),
            managed: managed.map(Path::to_owned),
        }
    }

    fn files(&self) -> Files<'_> {
        Files {
            user: &self.file,
            managed: self.managed.as_deref(),
        }
    }
}

/// What the settings say, whatever the mode.
pub(crate) fn reading(settings: &Settings) -> Reading {
    let Some(upstream) = &settings.upstream else {
        return Reading::nothing(SourceId::Manual, Said::new("said_no_upstream", &[]));
    };
    Reading {
        source: SourceId::Manual,
        origin: Said::verbatim("settings.toml: upstream"),
        says: Says::Proxy {
            upstream: upstream.clone(),
            // The user's bypass entries hold in every mode; the policy adds them.
            bypass: proxy_engine::config::Bypass::default(),
            lost: Vec::new(),
        },
        password: None,
        otherwise: None,
    }
}

impl Source for Manual {
    fn id(&self) -> SourceId {
        SourceId::Manual
    }

    fn read(&self) -> Result<Reading, SourceError> {
        let settings = settings::load(self.files()).map_err(|error| SourceError {
            source_id: SourceId::Manual,
            origin: error.place(&self.file),
            message: error.what(),
        })?;
        Ok(reading(&settings))
    }

    fn watched(&self) -> Vec<PathBuf> {
        // A script in a file is followed as the settings are.
        let script = settings::load(self.files())
            .ok()
            .and_then(|settings| settings.pac);
        let script = script.and_then(|address| match Address::parse(&address) {
            Ok(Address::File(path)) => Some(path),
            Ok(Address::Server { .. } | Address::Inline { .. }) | Err(_) => None,
        });
        let certificates = settings::load(self.files())
            .ok()
            .and_then(|settings| settings.upstream_ca);
        [self.file.clone()]
            .into_iter()
            .chain(self.managed.clone())
            .chain(script)
            .chain(certificates)
            .collect()
    }
}
