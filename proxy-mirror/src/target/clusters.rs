//! Container networks, those of kind and k3d clusters among them: nothing is written into them,
//! their bridges are intercepted.

use std::net::IpAddr;
use std::sync::Arc;

use bollard::Docker;
use bollard::query_parameters::ListNetworksOptions;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use ipnet::IpNet;
use proxy_engine::control::InterceptionState;
use proxy_engine::intercept::InterfacePattern;
use proxy_engine::route::{Host, is_private};

use super::{
    Asked, Change, Context, Daemon, DaemonError, Detected, Here, Proxies, Target, TargetId,
    TargetState, docker_events,
};
use crate::control::{Problem, Said, WayKind};
use crate::settings::Style;
use crate::world::ContainerNetwork;

/// Whose network it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A `kind` cluster's.
    Kind,
    /// A `k3d` cluster's, by its name.
    K3d(String),
    /// Any other bridge of Docker's.
    Plain,
}

/// A Docker network on a bridge of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name: `bridge`, `kind`, `k3d-dev`.
    pub name: String,
    /// Whose it is.
    pub kind: Kind,
    /// This machine's address in it; the first, where it has several.
    pub gateway: Option<IpAddr>,
    /// Bridge and subnets.
    pub on: ContainerNetwork,
}

impl Network {
    /// Whether it is Docker's default bridge, `docker0`.
    pub fn is_default(&self) -> bool {
        self.name == "bridge"
    }
}

/// The address that serves every container network: this machine's in the default bridge, else in
/// the first that is not internal.
pub fn containers_address(networks: &[Network]) -> Option<IpAddr> {
    let open = || networks.iter().filter(|network| !network.on.internal);
    open()
        .find(|network| network.is_default())
        .or_else(|| open().next())?
        .gateway
}

/// The networks as policy and interception see them.
pub fn container_networks(networks: &[Network]) -> Vec<ContainerNetwork> {
    networks.iter().map(|network| network.on.clone()).collect()
}

/// The bridge networks of the daemon, internal ones marked as such.
///
/// # Errors
/// [`DaemonError`] where it cannot be asked.
pub async fn networks(docker: &Docker) -> Result<Vec<Network>, DaemonError> {
    let listed = docker.list_networks(None::<ListNetworksOptions>).await;
    let listed = listed.map_err(|error| DaemonError::Answer(error.to_string()))?;
    let mut networks: Vec<Network> = listed.iter().filter_map(network).collect();
    networks.sort_by(|a, b| (!a.is_default(), &a.name).cmp(&(!b.is_default(), &b.name)));
    Ok(networks)
}

/// The networks now, and again whenever one comes, goes or changes. The stream lives through
/// restarts of the daemon (networks are none while it is away) and ends with its receiver.
pub fn watch(daemon: Daemon) -> impl Stream<Item = Vec<Network>> + Send + 'static {
    let kinds = &[("type", &["network"][..])];
    docker_events::watch(daemon, kinds, |docker| async move {
        networks(&docker).await.unwrap_or_default()
    })
}

fn network(network: &bollard::models::Network) -> Option<Network> {
    if network.driver.as_deref() != Some("bridge") {
        return None;
    }
    let name = network.name.clone()?;
    let id = network.id.as_deref()?;
    let option = |key: &str| {
        network
            .options
            .as_ref()?
            .get(key)
            .filter(|v| !v.is_empty())
            .cloned()
    };
    let label = |key: &str| network.labels.as_ref()?.get(key);
    let interface = option("com.docker.network.bridge.name")
        .or_else(|| (name == "bridge").then(|| "docker0".to_owned()))
        .or_else(|| Some(format!("br-{}", id.get(..12)?)))?;
    let configs = network
        .ipam
        .as_ref()
        .and_then(|ipam| ipam.config.as_deref())
        .unwrap_or_default();
    let kind = match name.strip_prefix("k3d-") {
        Some(cluster) => Kind::K3d(cluster.to_owned()),
        None if label("app").is_some_and(|app| app == "k3d") => Kind::K3d(name.clone()),
        None if name == "kind" || label("io.x-k8s.kind.cluster").is_some() => Kind::Kind,
        None => Kind::Plain,
    };
    Some(Network {
        kind,
        gateway: configs.iter().find_map(gateway),
        on: ContainerNetwork {
            interface,
            subnets: configs
                .iter()
                .filter_map(|config| config.subnet.as_deref()?.parse::<IpNet>().ok())
                .collect(),
            internal: network.internal.unwrap_or(false),
        },
        name,
    })
}

/// This machine's IPv4 address in one subnet: where nobody chose it, Docker takes the first.
fn gateway(config: &bollard::models::IpamConfig) -> Option<IpAddr> {
    let chosen = config
        .gateway
        .as_deref()
        .and_then(|text| text.parse::<IpAddr>().ok());
    let subnet = config
        .subnet
        .as_deref()
        .and_then(|text| text.parse::<IpNet>().ok());
    chosen
        .or_else(|| subnet?.hosts().next())
        .filter(IpAddr::is_ipv4)
}

/// Containers and pods, by interception.
pub struct Clusters {
    context: Arc<Context>,
}

impl Clusters {
    /// Those of this machine.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn open(&self) -> impl Iterator<Item = &Network> {
        self.context
            .networks
            .iter()
            .filter(|network| !network.on.internal)
    }
}

impl Target for Clusters {
    fn id(&self) -> TargetId {
        TargetId("clusters".into())
    }

    fn title(&self) -> String {
        let names: Vec<String> = self
            .open()
            .filter_map(|network| match &network.kind {
                Kind::Kind => Some("kind".to_owned()),
                Kind::K3d(cluster) => Some(format!("k3d {cluster}")),
                Kind::Plain => None,
            })
            .collect();
        if names.is_empty() {
            "Containers and pods".to_owned()
        } else {
            format!("Containers and pods ({})", names.join(", "))
        }
    }

    fn detect(&self) -> BoxFuture<'_, Detected> {
        let found = if self.open().next().is_none()
            && self.context.settings.intercept.interfaces.is_empty()
        {
            Detected::Not(TargetState::NotInstalled)
        } else {
            Detected::Here(Here::default())
        };
        Box::pin(async { found })
    }

    fn desired(&self) -> Result<Proxies, TargetState> {
        if !self.context.settings.intercept.enabled || self.context.settings.style == Style::Mirror
        {
            return Err(TargetState::Untouched);
        }
        let mut names: Vec<String> = self
            .open()
            .map(|network| network.on.interface.clone())
            .collect();
        names.extend(
            self.context
                .settings
                .intercept
                .interfaces
                .iter()
                .map(ToString::to_string),
        );
        let ports = &self.context.settings.intercept.ports;
        // They are told nothing; this is what the engine is told of them.
        Ok(Proxies {
            proxy: format!("{} (ports {ports})", names.join(", ")),
            no_proxy: String::new(),
        })
    }

    fn notes(&self, _: &Here) -> Vec<Problem> {
        Vec::new()
    }

    fn way<'a>(&'a self, _: &'a Here, to: &'a Asked) -> BoxFuture<'a, (WayKind, Said)> {
        let private = matches!(to.to.host, Host::Ip(ip) if is_private(ip));
        let way = match &self.context.interception {
            InterceptionState::On { .. } if private => {
                (WayKind::Direct, Said::new("said_private_network", &[]))
            }
            InterceptionState::On { interception } if interception.ports.contains(to.to.port) => {
                let names = interception.interfaces.iter().map(ToString::to_string);
                let interfaces = names.collect::<Vec<_>>().join(", ");
                let says = Said::new("said_way_intercepted", &[("interfaces", &interfaces)]);
                (WayKind::Intercepted, says)
            }
            InterceptionState::On { interception } => {
                let args: [(&str, &dyn std::fmt::Display); 2] =
                    [("port", &to.to.port), ("ports", &interception.ports)];
                (WayKind::Direct, Said::new("said_way_other_port", &args))
            }
            InterceptionState::Off | InterceptionState::Failed { .. } => {
                (WayKind::Direct, Said::new("said_way_not_intercepted", &[]))
            }
        };
        Box::pin(async { way })
    }

    fn plan(&self, _: &Here, _: &Proxies) -> Vec<Change> {
        Vec::new()
    }

    fn verify<'a>(&'a self, _: &'a Here, desired: &'a Proxies) -> BoxFuture<'a, TargetState> {
        let state = match &self.context.interception {
            InterceptionState::Off => TargetState::NotInForce {
                reason: Said::new("said_intercepts_nothing", &[]),
            },
            InterceptionState::Failed { problem, .. } => TargetState::Failed {
                reason: Problem::from(problem.clone()).into(),
            },
            InterceptionState::On { interception } => {
                let covered = |name: &str| interception.interfaces.iter().any(|p| covers(p, name));
                let left: Vec<&str> = self
                    .open()
                    .map(|network| network.on.interface.as_str())
                    .filter(|name| !covered(name))
                    .collect();
                if left.is_empty() {
                    TargetState::InForce {
                        evidence: Said::new("said_engine_says", &[("what", &desired.proxy)]),
                    }
                } else {
                    TargetState::NotInForce {
                        reason: Said::new(
                            "said_not_intercepted_yet",
                            &[("interfaces", &left.join(", "))],
                        ),
                    }
                }
            }
        };
        Box::pin(async { state })
    }
}

fn covers(pattern: &InterfacePattern, name: &str) -> bool {
    match pattern {
        InterfacePattern::Exact(exact) => exact == name,
        InterfacePattern::Prefix(prefix) => name.starts_with(prefix.as_str()),
    }
}
