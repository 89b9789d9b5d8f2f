//! What a target should be told, for this policy and the world it lives in.

use std::net::{IpAddr, SocketAddr};

use proxy_engine::config::{DefaultRoute, Scheme, Upstream};

use super::way::without_password;
use super::{Context, TargetState};
use crate::bypass::Dialect;
use crate::control::{EngineRuns, Problem, Said};
use crate::settings::Style;

/// Proxy settings, as every target has them in one form or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// For HTTP and HTTPS: `http://127.0.0.1:3182`.
    pub proxy: String,
    /// Destinations that are not told to it: what Go programs understand, with commas.
    pub no_proxy: String,
}

impl Proxies {
    /// What a program says that it uses; `None` where that is no proxy.
    pub(super) fn of(http: &str, https: &str, no_proxy: &str) -> Option<Self> {
        if http.is_empty() && https.is_empty() {
            return None;
        }
        let named = |proxy: &str| match proxy {
            "" => "none".to_owned(),
            proxy => proxy.to_owned(),
        };
        // Two different ones are never ours, and compare as such.
        let proxy = if http == https {
            http.to_owned()
        } else {
            format!("{} for HTTP, {} for HTTPS", named(http), named(https))
        };
        let no_proxy = no_proxy.to_owned();
        Some(Self { proxy, no_proxy })
    }

    /// The variables by which Go programs are told.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        [
            ("HTTP_PROXY", &self.proxy),
            ("HTTPS_PROXY", &self.proxy),
            ("NO_PROXY", &self.no_proxy),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec()
    }

    /// The same for programs of all kinds: curl reads `http_proxy` only in lower case, others only
    /// upper case.
    pub(super) fn environment_in_both_cases(&self) -> Vec<(String, String)> {
        let both = |(name, value): (String, String)| {
            let lower = (name.to_ascii_lowercase(), value.clone());
            [lower, (name, value)]
        };
        self.environment().into_iter().flat_map(both).collect()
    }

    /// What a daemon that should be told this says it uses instead.
    pub(super) fn differs_from(&self, in_force: Option<&Self>) -> Said {
        match in_force {
            None => Said::new("said_docker_no_proxy", &[]),
            Some(other) if other.proxy == self.proxy => {
                Said::new("said_docker_exceptions", &[("list", &other.no_proxy)])
            }
            Some(other) => {
                let proxy = without_password(&other.proxy);
                Said::new("said_docker_uses", &[("proxy", &proxy)])
            }
        }
    }
}

/// The world that a target lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    /// This machine's own processes.
    Machine,
    /// This machine's containers.
    Containers,
    /// Go programs in this machine's containers: BuildKit.
    Builders,
    /// A WSL distro, which reaches the engine at this address.
    Distro(IpAddr),
}

/// Destinations that no proxy is asked for: loopback and the private ranges, as the engine has them
/// (RFC 1918, 3927, 4193, 4291, 6598).
const PRIVATE: &str = "localhost,127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,\
169.254.0.0/16,100.64.0.0/10,fc00::/7,fe80::/10";

impl Context {
    /// What a target in `world` should be told, with its exceptions in this dialect.
    pub(super) fn proxies(&self, world: World, dialect: Dialect) -> Result<Proxies, TargetState> {
        match self.settings.style {
            Style::Relay => self.relay_for(world),
            Style::Mirror => self.upstream_for(world, dialect),
        }
    }

    /// What the exceptions mean there that they do not mean here. The relay is told everything, and
    /// follows the list itself.
    pub(super) fn notes(&self, dialect: Dialect, title: &str) -> Vec<Problem> {
        let written = match (self.settings.style, &self.policy.default) {
            (Style::Mirror, DefaultRoute::Upstreams { .. }) => dialect.write(&self.policy.bypass),
            _ => return Vec::new(),
        };
        let notes = written.notes.iter();
        notes.map(|note| note.problem(&title)).collect()
    }

    /// The relay's address never changes, and neither does this list: the engine knows the bypass
    /// entries and follows them live, where a daemon would have to restart.
    fn relay_for(&self, world: World) -> Result<Proxies, TargetState> {
        let address = match world {
            World::Machine => self.relay.loopback(),
            World::Distro(gateway) => SocketAddr::new(gateway, self.relay.port),
            World::Containers | World::Builders => {
                self.relay
                    .for_containers()
                    .ok_or_else(|| TargetState::Blocked {
                        reason: Said::new("said_no_container_network", &[]),
                    })?
            }
        };
        Ok(Proxies {
            proxy: format!("http://{address}"),
            no_proxy: PRIVATE.to_owned(),
        })
    }

    fn upstream_for(&self, world: World, dialect: Dialect) -> Result<Proxies, TargetState> {
        let upstream = match &self.policy.default {
            DefaultRoute::Upstreams { upstreams } => upstreams.first(),
            DefaultRoute::Direct => None,
            DefaultRoute::Pac { .. } => {
                return Err(TargetState::Blocked {
                    reason: Said::new("said_mirrors_no_script", &[]),
                });
            }
            DefaultRoute::Refused { .. } => {
                return Err(TargetState::Blocked {
                    reason: self.cause.clone(),
                });
            }
        };
        // Nothing to mirror. What was mirrored before is given back by `gangway undo`.
        let upstream = upstream.ok_or(TargetState::Untouched)?;
        if let Some(user) = upstream.user() {
            return Err(TargetState::Blocked {
                reason: Said::new(
                    "said_mirrors_no_password",
                    &[("upstream", &upstream.authority()), ("user", &user)],
                ),
            });
        }
        if is_loopback(upstream) && world != World::Machine {
            return Err(TargetState::Blocked {
                reason: Said::new("said_mirrors_no_loopback", &[("upstream", upstream)]),
            });
        }
        let no_proxy = match dialect.write(&self.policy.bypass).text.as_str() {
            "" => PRIVATE.to_owned(),
            // Most programs take it for everything only where it stands alone.
            "*" => "*".to_owned(),
            list => format!("{PRIVATE},{list}"),
        };
        let proxy = mirrored(upstream, world)?;
        Ok(Proxies { proxy, no_proxy })
    }

    /// Root's files are told the relay's address only where a service serves it from boot on.
    pub(super) fn needs_service(&self) -> Result<(), TargetState> {
        match (self.settings.style, self.engine) {
            (Style::Mirror, _) | (_, EngineRuns::Service | EngineRuns::Stopped) => Ok(()),
            (Style::Relay, EngineRuns::Embedded | EngineRuns::Absent) => {
                Err(TargetState::Blocked {
                    reason: Said::new("said_needs_service", &[]),
                })
            }
        }
    }
}

/// Whether it is where it is only for this machine's own processes.
pub(super) fn is_loopback(upstream: &Upstream) -> bool {
    let ip = upstream.host().parse::<IpAddr>();
    upstream.host() == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The upstream as the programs of that world understand it.
fn mirrored(upstream: &Upstream, world: World) -> Result<String, TargetState> {
    match (upstream.scheme(), world) {
        (Scheme::Http | Scheme::Https, _) => Ok(upstream.to_string()),
        // Go's one word for version 5 (dockerd's, BuildKit's): the proxy resolves names.
        (Scheme::Socks5 | Scheme::Socks5h, World::Machine | World::Builders) => {
            Ok(format!("socks5://{}", upstream.authority()))
        }
        // curl's, and that of what learned from it.
        (Scheme::Socks5 | Scheme::Socks5h, World::Containers | World::Distro(_)) => {
            Ok(format!("socks5h://{}", upstream.authority()))
        }
        (Scheme::Socks4 | Scheme::Socks4a, _) => Err(TargetState::Blocked {
            reason: Said::new("said_mirrors_no_socks4", &[("upstream", upstream)]),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxies, World, mirrored};
    use crate::target::TargetState;

    #[test]
    fn what_is_mirrored_is_understood_there_or_refused_with_the_reason() {
        for (upstream, machine, containers) in [
            (
                "http://p.test:3128",
                "http://p.test:3128",
                "http://p.test:3128",
            ),
            (
                "https://p.test:443",
                "https://p.test:443",
                "https://p.test:443",
            ),
            (
                "socks5://p.test:1080",
                "socks5://p.test:1080",
                "socks5h://p.test:1080",
            ),
            (
                "socks5h://p.test:1080",
                "socks5://p.test:1080",
                "socks5h://p.test:1080",
            ),
        ] {
            let upstream = upstream.parse().unwrap();
            assert_eq!(mirrored(&upstream, World::Machine).unwrap(), machine);
            assert_eq!(mirrored(&upstream, World::Builders).unwrap(), machine);
            assert_eq!(mirrored(&upstream, World::Containers).unwrap(), containers);
        }
        for upstream in ["socks4://p.test:1080", "socks4a://p.test:1080"] {
            let refused = mirrored(&upstream.parse().unwrap(), World::Machine);
            assert!(
                matches!(&refused, Err(TargetState::Blocked { reason }) if reason.english.contains("relay")),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn what_somebody_else_set_is_told_without_its_password() {
        let proxies = |proxy: &str| Proxies {
            proxy: proxy.to_owned(),
            no_proxy: String::new(),
        };
        let said = proxies("http://127.0.0.1:3182")
            .differs_from(Some(&proxies("http://ann:s3cret@corp.test:8080")));
        let said = format!("{said:?}");
        assert!(
            said.contains("corp.test:8080") && !said.contains("s3cret"),
            "{said}"
        );
    }
}
