//! Who the user is at which upstream.

use proxy_engine::config::{Scheme, Upstream};

use crate::policy::WantedCredentials;
use crate::settings::Settings;

/// Where a user logs in.
pub(super) struct At<'a> {
    /// `host:port`.
    pub(super) authority: &'a str,
    /// How it is spoken to, where the user said so.
    pub(super) scheme: Option<Scheme>,
}

impl At<'_> {
    fn is(&self, upstream: &Upstream) -> bool {
        upstream.authority() == self.authority
            && self.scheme.is_none_or(|scheme| upstream.scheme() == scheme)
    }
}

/// From now on the user is `user` at this upstream: at that of the settings, or at one that a source
/// or a PAC script names (`named`) without a user. A password that was given for TLS never goes to
/// the same host in clear, whatever a script says later.
pub(super) fn remember(settings: &mut Settings, named: &[Upstream], at: &At<'_>, user: &str) {
    if let Some(upstream) = &mut settings.upstream
        && at.is(upstream)
    {
        *upstream = upstream.clone().with_user(Some(user.to_owned()));
        return;
    }
    forget(settings, at.authority);
    let named = named
        .iter()
        .find(|upstream| at.is(upstream) && upstream.scheme().knows_users())
        .map(|upstream| upstream.clone().with_user(None));
    // One that nobody names now is spoken to as it is written most often. An authority that is none
    // was refused by the keychain before.
    let scheme = at.scheme.unwrap_or(Scheme::Http).as_str();
    if let Some(upstream) = named.or_else(|| format!("{scheme}://{}", at.authority).parse().ok()) {
        settings
            .logins
            .push(upstream.with_user(Some(user.to_owned())));
    }
}

/// The user is nobody there any more. One that stands in the upstream of the settings stays: the
/// user wrote it.
pub(super) fn forget(settings: &mut Settings, authority: &str) {
    settings
        .logins
        .retain(|login| login.authority() != authority);
}

/// Every user that credentials may be kept for at `authority`.
pub(super) fn users(
    settings: &Settings,
    wanted: &[WantedCredentials],
    authority: &str,
) -> Vec<String> {
    let mut users: Vec<String> = settings
        .upstream
        .iter()
        .chain(&settings.logins)
        .chain(wanted.iter().map(|wanted| &wanted.upstream))
        .filter(|upstream| upstream.authority() == authority)
        .filter_map(|upstream| upstream.user().map(str::to_owned))
        .collect();
    users.sort_unstable();
    users.dedup();
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_kept_with_the_scheme_that_the_source_names() {
        let named = ["https://proxy.test:8443".parse().unwrap()];
        let mut settings = Settings::default();
        let at = |authority| At {
            authority,
            scheme: None,
        };
        remember(&mut settings, &named, &at("proxy.test:8443"), "ann");
        remember(&mut settings, &named, &at("other.test:3128"), "bob");
        let logins: Vec<String> = settings.logins.iter().map(ToString::to_string).collect();
        assert_eq!(
            logins,
            ["https://ann@proxy.test:8443", "http://bob@other.test:3128"]
        );
    }

    #[test]
    fn a_login_that_was_given_for_tls_is_never_one_in_clear() {
        let at = At {
            authority: "proxy.test:8443",
            scheme: Some(Scheme::Https),
        };
        // What the sources or a script say of the same host.
        for named in [&[][..], &["http://proxy.test:8443"]] {
            let named: Vec<Upstream> = { named.iter() }
                .map(|url| url.parse().expect("upstream"))
                .collect();
            let upstream = named.first().cloned();
            let mut settings = Settings {
                upstream,
                ..Settings::default()
            };
            remember(&mut settings, &named, &at, "ann");
            let logins: Vec<String> = settings.logins.iter().map(ToString::to_string).collect();
            assert_eq!(logins, ["https://ann@proxy.test:8443"]);
            assert!(
                settings
                    .upstream
                    .is_none_or(|upstream| upstream.user().is_none())
            );
        }
    }
}
