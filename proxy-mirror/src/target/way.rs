//! What each world's programs would do with one destination, by what they are told now.

use futures_util::future::join_all;
use proxy_engine::config::Upstream;
use proxy_engine::route::{BypassIndex, Destination, Host};

use super::{Context, Detected, Here, Proxies, Target, TargetState};
use crate::bypass::Dialect;
use crate::control::{Said, WayKind, WorldWay};

/// What a target is told now.
pub enum Told {
    /// A proxy.
    Proxies(Proxies),
    /// None.
    Nothing,
    /// It cannot be known, and why.
    NotKnown(Said),
}

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where that is.
    pub to: Destination,
    /// Its URL is `http://`: programs have a proxy of its own for these.
    pub in_clear: bool,
}

/// Every target of this machine and of the distros that run on it.
pub async fn ways(targets: &[Box<dyn Target>], to: &Asked) -> Vec<WorldWay> {
    join_all(targets.iter().map(|target| way(target.as_ref(), to))).await
}

async fn way(target: &dyn Target, to: &Asked) -> WorldWay {
    let (way, says) = match target.detect().await {
        Detected::Here(here) => target.way(&here, to).await,
        Detected::Not(TargetState::NotInstalled) => {
            (WayKind::Absent, Said::new("said_way_absent", &[]))
        }
        Detected::Not(state) => (WayKind::NotKnown, reason(state)),
    };
    WorldWay {
        target: target.id(),
        title: target.title(),
        way,
        says,
    }
}

/// What programs that are told alike for URLs of every kind would do.
pub(super) async fn of<T: Target + ?Sized>(
    target: &T,
    context: &Context,
    now: &Here,
    to: &Asked,
) -> (WayKind, Said) {
    let told = target.told(now).await;
    let ours = target.desired().ok();
    context.way(told, ours.as_ref(), target.dialect(), &to.to)
}

/// What the daemon itself, or systemd, says that a target is told.
pub(super) fn in_force(here: &Here) -> Told {
    here.in_force.clone().map_or(Told::Nothing, Told::Proxies)
}

/// What a target is told, where nothing but its state can be asked.
pub(super) async fn told<T: Target + ?Sized>(target: &T, here: &Here) -> Told {
    let state = match target.desired() {
        Ok(desired) => match target.verify(here, &desired).await {
            TargetState::InForce { .. } => return Told::Proxies(desired),
            state => state,
        },
        Err(state) => state,
    };
    match state {
        TargetState::Untouched | TargetState::NotInstalled => Told::Nothing,
        state => Told::NotKnown(reason(state)),
    }
}

fn reason(state: TargetState) -> Said {
    match state {
        TargetState::Differs { reason }
        | TargetState::NotInForce { reason }
        | TargetState::Failed { reason }
        | TargetState::Blocked { reason } => reason,
        TargetState::InForce { evidence } => evidence,
        TargetState::NotInstalled | TargetState::Untouched => Said::new("said_not_known", &[]),
    }
}

impl Context {
    /// The way of programs that are told this, and read their exceptions in this dialect.
    pub(super) fn way(
        &self,
        told: Told,
        ours: Option<&Proxies>,
        dialect: Dialect,
        to: &Destination,
    ) -> (WayKind, Said) {
        let proxies = match told {
            Told::Proxies(proxies) => proxies,
            Told::Nothing => return (WayKind::Direct, Said::new("said_way_no_proxy", &[])),
            Told::NotKnown(why) => return (WayKind::NotKnown, why),
        };
        if is_loopback(to) {
            return (WayKind::Direct, Said::new("said_way_loopback", &[]));
        }
        let exceptions = BypassIndex::new(&dialect.read(&proxies.no_proxy).bypass);
        let entry = match &to.host {
            Host::Ip(ip) => exceptions.address(*ip, to.port),
            Host::Name(name) => exceptions.name(name, to.port),
        };
        if let Some(entry) = entry {
            let says = Said::new("said_way_exception", &[("entry", &entry)]);
            return (WayKind::Direct, says);
        }
        let proxy = without_password(&proxies.proxy);
        let args: [(&str, &dyn std::fmt::Display); 1] = [("proxy", &proxy)];
        if self.is_engine(&proxies, ours) {
            (WayKind::Relay, Said::new("said_way_relay", &args))
        } else {
            (WayKind::Other, Said::new("said_way_other", &args))
        }
    }

    /// Whether it is the engine's own address in some world.
    fn is_engine(&self, told: &Proxies, ours: Option<&Proxies>) -> bool {
        let is_told_the_relay = self.settings.style == crate::settings::Style::Relay
            && ours.is_some_and(|ours| ours.proxy == told.proxy);
        let named = Upstream::parse_with_credentials(&told.proxy);
        is_told_the_relay || named.is_ok_and(|(named, _)| self.relay.is_itself(&named))
    }
}

fn is_loopback(to: &Destination) -> bool {
    match &to.host {
        Host::Ip(ip) => ip.to_canonical().is_loopback(),
        Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Other people's settings hold passwords.
pub(super) fn without_password(proxy: &str) -> String {
    match Upstream::parse_with_credentials(proxy) {
        Ok((upstream, _)) => upstream.to_string(),
        Err(_) => proxy
            .rsplit_once('@')
            .map_or(proxy, |(_, host)| host)
            .escape_debug()
            .take(80)
            .collect(),
    }
}
