//! Where a PAC script decides.

use std::sync::Arc;

use super::{Destination, Route, Router, World};
use crate::config::{DefaultRoute, Unavailable, Upstream, Way};
use crate::pac::{Purpose, Shown};

impl Router {
    /// The route of what a client of an explicit listener, in this world, named; where no rule of the
    /// policy decides and a script does, it is asked.
    pub async fn find(&self, to: &Destination, purpose: Purpose<'_>, world: World) -> Route {
        match self.decided(to, world) {
            Some(route) => route,
            None => self.find_default(to, purpose).await,
        }
    }

    /// The route of what no rule names.
    pub(super) async fn find_default(&self, to: &Destination, purpose: Purpose<'_>) -> Route {
        let (
            Some(pac),
            DefaultRoute::Pac {
                unavailable,
                logins,
                ..
            },
        ) = (self.pac(), &self.policy().default)
        else {
            return self.default_route();
        };
        let purpose = match purpose {
            Purpose::Request(_) if !pac.looks_at_paths() => Purpose::Request("/"),
            purpose => purpose,
        };
        match (pac.find(&Shown::new(to, purpose)).await, unavailable) {
            (Ok(found), _) => {
                let reason = format!("PAC: {}", found.words);
                match &*found.ways {
                    [Way::Direct] => Route::Direct { reason },
                    _ => Route::Upstreams {
                        ways: with_logins(&found.ways, logins),
                        reason,
                    },
                }
            }
            (Err(error), Unavailable::Direct) => Route::Direct {
                reason: format!("{error}; direct is chosen for that"),
            },
            (Err(error), Unavailable::Block) => Route::Refused {
                reason: error.to_string(),
            },
        }
    }
}

/// The same ways, with the user's name where he has one.
fn with_logins(ways: &Arc<[Way]>, logins: &[Upstream]) -> Arc<[Way]> {
    let login = |way: &Way| {
        let upstream = way.upstream()?;
        let login = logins.iter().find(|login| login.is_login_at(upstream))?;
        Some(upstream.clone().with_user(login.user().map(str::to_owned)))
    };
    if !ways.iter().any(|way| login(way).is_some()) {
        return Arc::clone(ways);
    }
    let named = |way: &Way| login(way).map_or_else(|| way.clone(), Way::from);
    ways.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::with_logins;
    use crate::config::{Upstream, Way};

    #[test]
    fn a_login_goes_to_the_proxy_that_it_is_for_and_to_no_other() {
        let ways: Arc<[Way]> = [
            "http://a.test:1",
            "https://a.test:1",
            "http://b.test:1",
            "direct",
        ]
        .map(|way| way.parse().expect("way"))
        .into();
        // What was given for TLS is not said in clear; the other way round it is as good.
        for (login, want) in [
            (
                "http://ann@a.test:1",
                ["http://ann@a.test:1", "https://ann@a.test:1"],
            ),
            (
                "https://ann@a.test:1",
                ["http://a.test:1", "https://ann@a.test:1"],
            ),
        ] {
            let logins: [Upstream; 1] = [login.parse().expect("login")];
            let named = with_logins(&ways, &logins);
            let shown: Vec<String> = named.iter().map(ToString::to_string).collect();
            assert_eq!(shown, [want[0], want[1], "http://b.test:1", "direct"]);
        }
    }
}
