//! Where buildx keeps its builders: one file each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::change::builder::{self, Instance};
use crate::change::host::{Host, Place};
use crate::change::{ChangeError, FileId};

/// As many builders are looked at, by their names.
const MOST: usize = 64;

/// The names of the containers of the builders that have a file in this folder. Blocks.
pub fn containers(host: &Arc<dyn Host>, folder: &Path) -> Vec<String> {
    let says = files(host, folder).into_iter();
    says.filter_map(|(_, _, says)| Some(says.ok()?.ok()?.container()))
        .collect()
}

/// buildx's folder: `$BUILDX_CONFIG`, else `buildx` beside the docker CLI's file.
pub fn folder(docker_cli: &Path) -> PathBuf {
    std::env::var_os("BUILDX_CONFIG")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
        .unwrap_or_else(|| docker_cli.with_file_name("buildx"))
}

/// A builder's name, its file, and what that says.
pub(super) type File = (String, PathBuf, Result<builder::Read, ChangeError>);

/// Every builder's, by name. Blocks.
pub(super) fn files(host: &Arc<dyn Host>, folder: &Path) -> Vec<File> {
    let Ok(entries) = std::fs::read_dir(folder.join("instances")) else {
        // None was ever made here.
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| builder::is_name(name))
        .collect();
    names.sort_unstable();
    names.truncate(MOST);
    let file = |name: String| {
        let path = folder.join("instances").join(&name);
        let says = read(host, &path).transpose()?;
        Some((name, path, says))
    };
    names.into_iter().filter_map(file).collect()
}

/// `None`: it was removed since its folder was read.
fn read(host: &Arc<dyn Host>, path: &Path) -> Result<Option<builder::Read>, ChangeError> {
    let file = FileId::BuildxInstance {
        path: path.to_owned(),
    };
    let place = Place::of(&file);
    let real = host.resolve(place)?;
    match host.read(place.at(&real))? {
        Some(image) => Instance::read(path, &image.bytes).map(Some),
        None => Ok(None),
    }
}
