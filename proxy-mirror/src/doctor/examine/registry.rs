//! The way out, by dockerd itself: it is asked for the manifest of an image that it has, which it asks
//! the image's registry for. No image is pulled, and no registry learns what it did not know.

use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::query_parameters::ListImagesOptions;

use super::Ground;
use crate::control::{Finding, Said, Verdict};

/// A registry far away may take its time.
const PATIENCE: Duration = Duration::from_secs(10);
/// No error is shown longer, in characters.
const SHOWN: usize = 300;
/// What a registry says, where only dockerd and the network between could say nothing at all.
const OF_REGISTRIES: [&str; 6] = [
    "unauthorized",
    "authentication required",
    "denied",
    "not found",
    "manifest unknown",
    "toomanyrequests",
];

/// One where dockerd can be asked and has an image of a registry's.
pub(super) async fn findings(ground: &Ground<'_>) -> Vec<Finding> {
    let Ok(docker) = ground.docker.api().await else {
        return Vec::new();
    };
    let Some(image) = image(&docker).await else {
        return Vec::new();
    };
    let asked = docker.inspect_registry_image(&image, None);
    let error = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(_)) => None,
        Ok(Err(Error::DockerResponseServerError { message, .. })) if is_answer(&message) => None,
        Ok(Err(Error::DockerResponseServerError { message, .. })) => Some(message),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_elapsed) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    vec![match error {
        None => Finding::good("registry", image, Said::new("said_doctor_registry", &[])),
        Some(error) => Finding::of(
            Verdict::Warn,
            "registry",
            image,
            Said::new("said_doctor_no_registry", &[("error", &shown(&error))]),
            Said::new("said_doctor_no_registry_remedy", &[]),
        ),
    }]
}

/// The name of an image that came from a registry.
async fn image(docker: &Docker) -> Option<String> {
    let images = docker.list_images(None::<ListImagesOptions>);
    let images = tokio::time::timeout(PATIENCE, images).await.ok()?.ok()?;
    images.into_iter().find_map(|image| {
        // One that was built here has no digest of a registry's.
        let pulled = image.repo_digests.first()?;
        let repository = pulled.split_once('@')?.0;
        let mut tags = image.repo_tags.into_iter();
        tags.find(|tag| {
            tag.rsplit_once(':')
                .is_some_and(|(name, _)| name == repository)
        })
    })
}

/// What may be seen of an error: a proxy's URL in it may hold a password, and registries are strangers.
fn shown(error: &str) -> String {
    let words = error.split_whitespace().map(|word| {
        let at = word.find("://").zip(word.rfind('@'));
        match at.filter(|(scheme, at)| scheme < at) {
            Some((scheme, at)) => format!("{}://…{}", &word[..scheme], &word[at..]),
            None => word.to_owned(),
        }
    });
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(SHOWN).collect()
}

fn is_answer(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    OF_REGISTRIES.iter().any(|said| message.contains(said))
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, is_answer, shown};

    #[test]
    fn an_error_shows_no_password_and_is_a_line() {
        let error = "Get \"https://r.test/v2/\": invalid proxy \"http://ann:can@ary@p:1\":\n x";
        let wanted = "Get \"https://r.test/v2/\": invalid proxy \"http://…@p:1\": x";
        assert_eq!(shown(error), wanted);
        assert_eq!(shown(&"é".repeat(4 * SHOWN)).chars().count(), SHOWN);
    }

    #[test]
    fn what_a_registry_says_is_told_from_what_stands_between() {
        for (message, answer) in [
            ("manifest unknown: manifest unknown", true),
            ("unauthorized: authentication required", true),
            ("denied: requested access to the resource is denied", true),
            (
                "Get \"https://r.test/v2/\": proxyconnect tcp: dial tcp 127.0.0.1:3182: connect: connection refused",
                false,
            ),
            (
                "Get \"https://r.test/v2/\": dial tcp: lookup r.test: no such host",
                false,
            ),
            ("Get \"https://r.test/v2/\": Bad Gateway", false),
        ] {
            assert_eq!(is_answer(message), answer, "{message}");
        }
    }
}
