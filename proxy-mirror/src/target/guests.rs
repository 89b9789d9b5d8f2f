//! The containers of this machine's Docker, by the addresses that an engine sees them come from. A
//! node of kind or k3d is a container like any other: what its pods send carries its address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptions;
use futures_util::stream::Stream;
use proxy_engine::control::{GuestName, GuestNames};

use super::{Daemon, DaemonError, docker_events};

/// The running containers' names, by their addresses.
///
/// # Errors
/// [`DaemonError`] where the daemon cannot be asked.
pub async fn guests(docker: &Docker) -> Result<GuestNames, DaemonError> {
    let listed = docker.list_containers(None::<ListContainersOptions>).await;
    let listed = listed.map_err(|error| DaemonError::Answer(error.to_string()))?;
    let names: BTreeMap<IpAddr, GuestName> = listed
        .iter()
        .flat_map(addresses)
        .take(GuestNames::MOST)
        .collect();
    // So many at most: it cannot be refused.
    Ok(names.try_into().unwrap_or_default())
}

/// The names now, and again whenever a container comes, goes, is renamed or changes its networks.
/// The stream lives through restarts of the daemon, and ends with its receiver.
pub fn watch(daemon: Daemon) -> impl Stream<Item = GuestNames> + Send + 'static {
    let kinds = &[
        ("type", &["container", "network"][..]),
        (
            "event",
            &["start", "die", "rename", "connect", "disconnect"],
        ),
    ];
    docker_events::watch(daemon, kinds, |docker| async move {
        guests(&docker).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the containers are not known");
            GuestNames::default()
        })
    })
}

/// The container's name at each of its addresses; none where its name is none that could be shown.
fn addresses(container: &ContainerSummary) -> Vec<(IpAddr, GuestName)> {
    let names = container.names.as_deref().unwrap_or_default();
    let name = names.first().and_then(|name| {
        let name = name.strip_prefix('/').unwrap_or(name);
        GuestName::try_from(name.to_owned()).ok()
    });
    let networks = container.network_settings.as_ref();
    let networks = networks.and_then(|settings| settings.networks.as_ref());
    let (Some(name), Some(networks)) = (name, networks) else {
        return Vec::new();
    };
    let addresses = networks
        .values()
        .flat_map(|network| [&network.ip_address, &network.global_ipv6_address]);
    addresses
        .filter_map(|address| Some((address.as_deref()?.parse().ok()?, name.clone())))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::{ContainerSummary, ContainerSummaryNetworkSettings, EndpointSettings};

    use super::addresses;

    fn container(name: &str, ipv4: &str, ipv6: &str) -> ContainerSummary {
        let network = EndpointSettings {
            ip_address: Some(ipv4.into()),
            global_ipv6_address: Some(ipv6.into()),
            ..EndpointSettings::default()
        };
        ContainerSummary {
            names: Some(vec![name.into()]),
            network_settings: Some(ContainerSummaryNetworkSettings {
                networks: Some(HashMap::from([("bridge".into(), network)])),
            }),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_container_is_known_by_each_address_and_never_by_a_name_that_drives_a_terminal() {
        let known = addresses(&container("/web", "172.17.0.2", "fd00::2"));
        let known: Vec<String> = known
            .into_iter()
            .map(|(ip, name)| format!("{ip} {}", String::from(name)))
            .collect();
        assert_eq!(known, ["172.17.0.2 web", "fd00::2 web"]);
        // Docker says "" where there is none.
        assert_eq!(addresses(&container("/web", "", "")), []);
        let long = "x".repeat(129);
        for name in ["/a\u{1b}[2Jb", "/a\nb", "/", "/\u{202e}gpj", &long] {
            assert_eq!(
                addresses(&container(name, "172.17.0.2", "")),
                [],
                "{name:?}"
            );
        }
    }
}
