//! An image for the containers of `docker buildx`.

use std::path::Path;
use std::process::Command;

use super::Workstation;
use crate::Result;
use crate::child::run;
use crate::machine::{root, script};

/// The image that buildx takes where it is told none.
const IMAGE: &str = "moby/buildkit:buildx-stable-1";
/// What the stand-in is made of, of the workstation's own.
const PROGRAMS: [&str; 5] = [
    "/usr/sbin/dockerd",
    "/usr/bin/containerd",
    "/usr/bin/containerd-shim-runc-v2",
    "/usr/bin/runc",
    "/usr/bin/docker",
];

impl Workstation<'_> {
    /// Puts an image where `docker buildx create` looks for BuildKit's, which cannot be had here: a
    /// stand-in, by whose API the BuildKit answers that is a part of dockerd
    /// (`testbed/workstation/builder`).
    ///
    /// # Errors
    /// What failed.
    pub fn load_builder_image(&self) -> Result<()> {
        let mut layer = Command::new(script("layer"));
        layer.arg(root()?).args(["builder", "--with"]);
        layer.arg(script("builder")).args(PROGRAMS);
        let layer = run(layer)?;
        let here = "/var/tmp/builder.tar";
        self.copy_in(Path::new(layer.trim()), here)?;
        self.sh(&format!(
            "docker import --change 'ENTRYPOINT [\"buildkitd\"]' \
             --change 'ENV PATH=/usr/sbin:/usr/bin:/bin' {here} {IMAGE}; rm {here}"
        ))
        .map(drop)
    }
}
