//! Upstreams of the settings: their order, rules and credentials.

use super::super::*;
use super::{decided, manual, proxy, source};
use crate::settings::{Mode, Style};
use crate::source::Says;

#[test]
fn the_upstreams_of_the_settings_stand_in_their_order_and_beside_no_source() {
    let mut settings = manual("http://a:1");
    settings.fallbacks = vec![
        "https://b:2".parse().unwrap(),
        "socks5h://c:3".parse().unwrap(),
    ];
    settings.tickets = vec!["a:1".parse().unwrap()];
    let own = crate::source::of_settings(&settings);
    let own = [source(SourceId::Manual, own.says)];
    let decision = decided(&settings, &own);
    assert_eq!(
        decision.view.upstreams,
        ["http://a:1", "https://b:2", "socks5h://c:3"]
    );
    assert_eq!(decision.policy.tickets, settings.tickets);
    settings.mode = Mode::System;
    let sources = [source(SourceId::Environment, proxy("http://d:4", ""))];
    let decision = decided(&settings, &sources);
    assert_eq!(decision.view.upstreams, ["http://d:4"]);
}

#[test]
fn what_style_mirror_cannot_tell_targets_is_noticed() {
    let codes = |settings: &Settings| -> Vec<String> {
        let own = [source(
            SourceId::Manual,
            crate::source::of_settings(settings).says,
        )];
        let notices = decided(settings, &own).notices.into_iter();
        notices.map(|notice| notice.code).collect()
    };
    let mut settings = manual("http://a:1");
    settings.style = Style::Mirror;
    assert_eq!(codes(&settings), Vec::<String>::new());
    settings.rules = vec!["x.test=http://b:2".parse().unwrap()];
    assert_eq!(codes(&settings), ["mirror_tells_one"]);
    settings.rules.clear();
    settings.fallbacks = vec!["http://b:2".parse().unwrap()];
    assert_eq!(codes(&settings), ["mirror_tells_one"]);
    settings.style = Style::Relay;
    assert_eq!(codes(&settings), Vec::<String>::new());
}

#[test]
fn rules_hold_in_every_mode_but_off_and_get_no_password_of_the_source() {
    use proxy_engine::route::{Destination, Route, Router, World};
    use secrecy::ExposeSecret;

    let rule = "registry.test=https://ann@other.test:443,direct";
    let settings = |mode| Settings {
        mode,
        upstream: Some("http://ann@proxy.test:3128".parse().unwrap()),
        rules: vec![rule.parse().unwrap()],
        ..Settings::default()
    };
    let mut said = source(SourceId::Firefox, proxy("http://ann@proxy.test:3128", ""));
    said.reading.as_mut().unwrap().password = Some("canary".into());
    let manual = source(SourceId::Manual, Says::Nothing);
    for (mode, followed) in [
        (Mode::System, true),
        (Mode::Manual, true),
        (Mode::Off, false),
    ] {
        let decision = decided(&settings(mode), &[said.clone(), manual.clone()]);
        let router = Router::new(decision.policy.clone());
        let to = Destination::parse("registry.test:443", None).unwrap();
        let route = router.route(&to, World::Own);
        let by_rule = matches!(&route, Route::Upstreams { ways, .. } if ways.len() == 2);
        assert_eq!(by_rule, followed, "{mode:?}: {route:?}");
        for wanted in &decision.wanted {
            let password = wanted.password.as_ref().map(ExposeSecret::expose_secret);
            let own = mode == Mode::System && wanted.upstream.host() == "proxy.test";
            assert_eq!(password, own.then_some("canary"), "{:?}", wanted.upstream);
        }
        assert_eq!(decision.wanted.len(), if followed { 2 } else { 0 });
    }
}

#[test]
fn credentials_are_wanted_for_an_upstream_with_a_user_and_no_other() {
    let mut reading = source(SourceId::System, proxy("http://ann@p:1", ""));
    reading.reading.as_mut().unwrap().password = Some("s3cret".into());
    let decision = decided(&Settings::default(), &[reading]);
    assert_eq!(decision.wanted.len(), 1);
    assert_eq!(decision.wanted[0].account(), "ann@p:1");
    assert!(!format!("{decision:?}").contains("s3cret"));
    let decision = decided(
        &manual("http://p:1"),
        &[source(SourceId::Manual, Says::Nothing)],
    );
    assert!(decision.wanted.is_empty());
}
