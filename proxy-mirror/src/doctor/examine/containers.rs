//! Containers that run already and builders: each keeps the proxy that it was made with.

use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{InspectContainerOptions, ListContainersOptions};
use futures_util::{StreamExt, stream};

use super::Ground;
use crate::control::{Finding, Said, Verdict};
use crate::target::{buildx, docker_cli_config};

/// As many containers as are looked into, the newest first.
const MOST: usize = 200;
/// Asked at once.
const AT_ONCE: usize = 8;
/// For all of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// A container and the proxy in its environment.
struct Seen {
    name: String,
    builder: bool,
    proxy: Option<String>,
}

/// One a container whose proxy the policy does not know, and one a builder without any. A daemon that
/// cannot be asked is said by its own target.
pub(super) async fn findings(ground: &Ground<'_>) -> Vec<Finding> {
    let Ok(Ok(seen)) = tokio::time::timeout(PATIENCE, look(ground)).await else {
        return Vec::new();
    };
    let agreed = ground.agreed();
    let targets = own_builders(ground).await;
    let mut findings = Vec::new();
    for container in seen {
        // Its target says more of it.
        if container.builder && targets.contains(&container.name) {
            continue;
        }
        let foreign = container
            .proxy
            .as_deref()
            .and_then(|proxy| agreed.other(proxy));
        if let Some(proxy) = foreign {
            let key = if container.builder {
                "said_doctor_builder_other"
            } else {
                "said_doctor_container_other"
            };
            findings.push(Finding::of(
                Verdict::Warn,
                if container.builder {
                    "builder"
                } else {
                    "container"
                },
                container.name,
                Said::new(key, &[("proxy", &proxy)]),
                Said::new(remedy(container.builder), &[]),
            ));
        } else if container.builder && container.proxy.is_none() {
            findings.push(Finding::of(
                Verdict::Warn,
                "builder",
                container.name,
                Said::new("said_doctor_builder_none", &[]),
                Said::new(remedy(true), &[]),
            ));
        }
    }
    findings
}

/// The containers of this user's builders.
async fn own_builders(ground: &Ground<'_>) -> Vec<String> {
    let host = Arc::clone(&ground.desks.local);
    let folder = buildx::folder(&docker_cli_config(&ground.places.home));
    let names = tokio::task::spawn_blocking(move || buildx::containers(&host, &folder));
    // Then they are said twice.
    names.await.unwrap_or_default()
}

fn remedy(builder: bool) -> &'static str {
    if builder {
        "said_doctor_builder_remedy"
    } else {
        "said_doctor_container_remedy"
    }
}

async fn look(ground: &Ground<'_>) -> Result<Vec<Seen>, crate::target::DaemonError> {
    let api = ground.docker.api().await?;
    let answer =
        |error: bollard::errors::Error| crate::target::DaemonError::Answer(error.to_string());
    let running = api
        .list_containers(None::<ListContainersOptions>)
        .await
        .map_err(answer)?;
    let ids = running.into_iter().filter_map(|one| one.id).take(MOST);
    let inspected = stream::iter(ids)
        .map(|id| {
            let api = &api;
            async move {
                api.inspect_container(&id, None::<InspectContainerOptions>)
                    .await
            }
        })
        .buffered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    // One that ended meanwhile is no container that runs.
    Ok(inspected
        .into_iter()
        .flatten()
        .map(|one| {
            let name = one.name.unwrap_or_default();
            let name = name.trim_start_matches('/').to_owned();
            let config = one.config.unwrap_or_default();
            let builder = name.starts_with("buildx_buildkit_");
            Seen {
                builder,
                proxy: proxy(&config.env.unwrap_or_default()),
                name,
            }
        })
        .collect())
}

/// The proxy for HTTPS, else for HTTP, as programs there read it.
fn proxy(environment: &[String]) -> Option<String> {
    ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"]
        .iter()
        .find_map(|wanted| {
            environment.iter().find_map(|set| {
                let (name, value) = set.split_once('=')?;
                (name == *wanted && !value.is_empty()).then(|| value.to_owned())
            })
        })
}
