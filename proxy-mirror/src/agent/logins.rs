//! Who the user is at which upstream.

use proxy_engine::config::Upstream;

use crate::policy::WantedCredentials;
use crate::settings::Settings;

/// From now on the user is `user` at `authority`: at the upstream of the settings, or at one that a
/// source names (`named`) without a user.
pub(super) fn remember(settings: &mut Settings, named: &[Upstream], authority: &str, user: &str) {
    if let Some(upstream) = &mut settings.upstream
        && upstream.authority() == authority
    {
        *upstream = upstream.clone().with_user(Some(user.to_owned()));
        return;
    }
    forget(settings, authority);
    let named = named
        .iter()
        .find(|upstream| upstream.authority() == authority && upstream.scheme().knows_users())
        .cloned();
    // One that no source names now has no scheme yet; the source says it later. An authority that
    // is none was refused by the keychain before.
    if let Some(upstream) = named.or_else(|| format!("http://{authority}").parse().ok()) {
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
        remember(&mut settings, &named, "proxy.test:8443", "ann");
        remember(&mut settings, &named, "other.test:3128", "bob");
        let logins: Vec<String> = settings.logins.iter().map(ToString::to_string).collect();
        assert_eq!(
            logins,
            ["https://ann@proxy.test:8443", "http://bob@other.test:3128"]
        );
    }
}
