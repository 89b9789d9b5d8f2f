//! Each WSL2 distro that runs: its Docker daemon, its docker CLI and its log-in shells, by the same
//! code as this machine's.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use super::desired::World;
use super::profile::Profile;
use super::{Context, DockerCli, DockerDaemon, Target, TargetId, off_thread};
use crate::change::ChangeError;
use crate::change::host::{Host, NetworkingMode, Wsl, running_distros};

/// What is found of a distro before its targets are made.
struct Found {
    host: Wsl,
    /// Where it reaches the engine.
    engine: IpAddr,
    mode: NetworkingMode,
    /// Home of the default user, where that is not root.
    home: Option<PathBuf>,
}

/// The targets of every distro that runs. A distro that cannot be asked has none.
pub(super) async fn targets(context: &Arc<Context>) -> Vec<Box<dyn Target>> {
    let distros = off_thread(|| running(find)).await;
    let targets = distros.into_iter().flat_map(|found| of(context, found));
    targets.collect()
}

/// See [`super::distro_addresses`].
pub(super) async fn addresses() -> Vec<IpAddr> {
    let engines = off_thread(|| running(|host| Ok(engine(&host)?.1))).await;
    let mut addresses: Vec<IpAddr> = engines.into_iter().filter(|ip| !ip.is_loopback()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Asks every distro that runs; those that cannot answer are passed over, and logged.
fn running<T>(ask: impl Fn(Wsl) -> Result<T, ChangeError>) -> Vec<T> {
    let distros = running_distros().unwrap_or_else(|error| {
        tracing::warn!(%error, "WSL distros cannot be listed");
        Vec::new()
    });
    let answers = distros.into_iter().filter_map(|host| {
        let name = host.distro().clone();
        ask(host)
            .inspect_err(|error| tracing::warn!(%name, %error, "a WSL distro is passed over"))
            .ok()
    });
    answers.collect()
}

/// How it reaches this machine, and where it finds the engine.
fn engine(host: &Wsl) -> Result<(NetworkingMode, IpAddr), ChangeError> {
    let mode = host.networking_mode()?;
    let engine = match mode {
        NetworkingMode::Mirrored => Ipv4Addr::LOCALHOST,
        NetworkingMode::Nat => {
            default_gateway(&host.routes()?).ok_or_else(|| ChangeError::Distro {
                name: host.distro().to_string(),
                message: "it has no default gateway by which it would reach the engine".into(),
            })?
        }
    };
    Ok((mode, IpAddr::V4(engine)))
}

fn find(host: Wsl) -> Result<Found, ChangeError> {
    let (mode, engine) = engine(&host)?;
    let user = host.default_user()?;
    let home = (user.uid != 0).then_some(user.home);
    Ok(Found {
        host,
        engine,
        mode,
        home,
    })
}

fn of(context: &Arc<Context>, found: Found) -> Vec<Box<dyn Target>> {
    let name = found.host.distro().to_string();
    let host: Arc<dyn Host> = Arc::new(found.host);
    let world = World::Distro(found.engine);
    let containers = (found.mode == NetworkingMode::Nat).then_some(world);
    let cli = |who: &str, home: PathBuf| {
        Box::new(DockerCli::of_distro(
            Arc::clone(context),
            TargetId(format!("wsl:{name}/docker-cli-{who}")),
            format!("Docker command line of {who} in {name}"),
            host.as_ref(),
            home.join(".docker/config.json"),
            containers,
        )) as Box<dyn Target>
    };
    let mut targets: Vec<Box<dyn Target>> = vec![
        Box::new(DockerDaemon::of_distro(
            Arc::clone(context),
            &name,
            Arc::clone(&host),
            world,
        )),
        cli("root", PathBuf::from("/root")),
    ];
    targets.extend(found.home.map(|home| cli("user", home)));
    targets.push(Box::new(Profile::of_distro(
        Arc::clone(context),
        &name,
        host.as_ref(),
        world,
    )));
    targets
}

/// The gateway of the default route with the lowest metric: `proc(5)`, `/proc/net/route`; addresses
/// are in the machine's byte order.
fn default_gateway(routes: &str) -> Option<Ipv4Addr> {
    const UP_AND_GATEWAY: u32 = 0x1 | 0x2;
    routes
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let hex = |at: usize| u32::from_str_radix(fields.get(at)?, 16).ok();
            let default =
                hex(1)? == 0 && hex(7)? == 0 && hex(3)? & UP_AND_GATEWAY == UP_AND_GATEWAY;
            let metric: u32 = fields.get(6)?.parse().ok()?;
            default.then_some((metric, Ipv4Addr::from(hex(2)?.to_ne_bytes())))
        })
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, gateway)| gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    // `cat /proc/net/route` in WSL 2.3, Ubuntu 24.04.
    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0150A8AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t0050A8AC\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\n";

    #[test]
    fn the_default_gateway_is_read_from_the_routes() {
        assert_eq!(default_gateway(ROUTES), Some([172, 168, 80, 1].into()));
        assert_eq!(default_gateway("Iface\n"), None);
        let second = ROUTES.replace("0150A8AC\t0003\t0\t0\t0", "0150A8AC\t0003\t0\t0\t100");
        let both = format!("{second}eth1\t00000000\t0101A8C0\t0003\t0\t0\t20\t00000000\t0\t0\t0\n");
        assert_eq!(default_gateway(&both), Some([192, 168, 1, 1].into()));
    }
}
