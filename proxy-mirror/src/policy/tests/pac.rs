//! Where a script decides.

use proxy_engine::config::{DefaultRoute, Unavailable};
use proxy_engine::pac::Script;

use super::{RELAY, decided, docker0, source};
use crate::control::PolicyKind;
use crate::pac::{DETECTED, Kept};
use crate::policy::{Decision, Facts, PacFacts, SourceFacts, decide};
use crate::settings::{Mode, PacUnavailable, Settings};
use crate::source::{Says, SourceId};

const ADDRESS: &str = "http://w.test/p.pac";

fn settings(unavailable: PacUnavailable) -> Settings {
    Settings {
        mode: Mode::Pac,
        pac: Some(ADDRESS.to_owned()),
        pac_unavailable: unavailable,
        logins: vec!["http://ann@p.test:1".parse().unwrap()],
        ..Settings::default()
    }
}

fn script() -> Script {
    Script::new("function FindProxyForURL() { return 'PROXY p.test:1'; }").unwrap()
}

fn with_kept(settings: &Settings, sources: &[SourceFacts], address: &str, kept: Kept) -> Decision {
    let address = address.to_owned();
    decide(&Facts {
        settings,
        sources,
        networks: &[docker0()],
        distros: &[],
        relay: RELAY,
        unread: None,
        pac: &[PacFacts { address, kept }],
        certificates: None,
    })
}

#[test]
fn the_script_that_is_had_decides_with_the_users_logins() {
    let settings = settings(PacUnavailable::Block);
    let kept = Kept {
        script: Some(script()),
        ..Kept::default()
    };
    let decision = with_kept(&settings, &[], ADDRESS, kept);
    let want = DefaultRoute::Pac {
        script: script(),
        unavailable: Unavailable::Block,
        logins: settings.logins.clone(),
    };
    assert_eq!(decision.policy.default, want);
    assert_eq!(decision.view.kind, PolicyKind::Pac);
    assert_eq!(decision.pac, [ADDRESS]);
    assert_eq!(decision.wanted.len(), 1);
    assert!(decision.notices.is_empty(), "{:?}", decision.notices);
}

#[test]
fn a_script_that_was_never_had_blocks_unless_the_user_chose_direct() {
    let failed = Kept {
        error: Some("the server answers 404 Not Found".to_owned()),
        ..Kept::default()
    };
    let blocked = with_kept(
        &settings(PacUnavailable::Block),
        &[],
        ADDRESS,
        failed.clone(),
    );
    assert!(
        matches!(&blocked.policy.default, DefaultRoute::Refused { reason } if reason.contains("404"))
    );
    assert_eq!(blocked.notices[0].code, "pac_not_had");
    let direct = with_kept(&settings(PacUnavailable::Direct), &[], ADDRESS, failed);
    assert_eq!(direct.policy.default, DefaultRoute::Direct);
    assert_eq!(direct.notices[0].code, "pac_not_had_direct");
    // What is being fetched is not there yet.
    let fetched = decided(&settings(PacUnavailable::Block), &[]);
    assert_eq!(fetched.view.kind, PolicyKind::Refused);
    assert_eq!(fetched.pac, [ADDRESS]);
}

#[test]
fn the_last_good_script_outlives_its_server_and_that_is_said() {
    let stale = Kept {
        script: Some(script()),
        good_at: Some(std::time::SystemTime::now() - std::time::Duration::from_mins(10)),
        error: Some("gone".to_owned()),
    };
    let decision = with_kept(&settings(PacUnavailable::Block), &[], ADDRESS, stale);
    assert_eq!(decision.view.kind, PolicyKind::Pac);
    assert_eq!(decision.notices[0].code, "pac_stale");
    assert_eq!(decision.notices[0].args["minutes"], "10");
}

#[test]
fn a_script_of_another_address_decides_nothing() {
    let kept = Kept {
        script: Some(script()),
        ..Kept::default()
    };
    let other = with_kept(
        &settings(PacUnavailable::Block),
        &[],
        "http://other.test/",
        kept,
    );
    assert_eq!(other.view.kind, PolicyKind::Refused);
}

#[test]
fn a_source_that_says_pac_is_followed_and_detection_only_where_it_is_asked_for() {
    let url = Says::Pac {
        url: Some(ADDRESS.to_owned()),
    };
    for (says, address) in [(url, ADDRESS), (Says::Pac { url: None }, DETECTED)] {
        let sources = [source(SourceId::System, says)];
        let decision = decided(&Settings::default(), &sources);
        assert_eq!(decision.pac, [address]);
        assert_eq!(decision.chosen, Some(SourceId::System));
        assert_eq!(decision.view.kind, PolicyKind::Refused);
    }
    let silent = [source(SourceId::System, Says::Nothing)];
    assert_eq!(decided(&Settings::default(), &silent).pac, [""; 0]);
}

#[test]
fn mode_pac_without_an_address_is_refused() {
    let settings = Settings {
        pac: None,
        ..settings(PacUnavailable::Direct)
    };
    let decision = decided(&settings, &[]);
    assert_eq!(decision.view.kind, PolicyKind::Refused);
    assert_eq!(decision.notices[0].code, "refused_no_pac");
}
