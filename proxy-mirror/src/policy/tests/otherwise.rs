//! Where something is set beside a script, for networks that have none.

use proxy_engine::config::{DefaultRoute, Unavailable};
use proxy_engine::pac::Script;

use super::{RELAY, decided, docker0, proxy, source};
use crate::control::PolicyKind;
use crate::pac::{DETECTED, Kept};
use crate::policy::{Decision, Facts, PacFacts, SourceFacts, decide};
use crate::settings::{PacUnavailable, Settings};
use crate::source::{Reading, Says, SourceId};

const ADDRESS: &str = "http://w.test/p.pac";

/// One that says these in turn.
fn in_turn<const N: usize>(all: [Says; N]) -> SourceFacts {
    let reading = all.into_iter().rev().fold(None, |otherwise, says| {
        let said = source(SourceId::System, says).reading.unwrap();
        Some(Reading {
            otherwise: otherwise.map(Box::new),
            ..said
        })
    });
    SourceFacts {
        source: SourceId::System,
        reading,
        error: None,
    }
}

fn detection() -> Says {
    Says::Pac { url: None }
}

fn script_at(address: &str) -> Says {
    Says::Pac {
        url: Some(address.to_owned()),
    }
}

fn manual() -> Says {
    proxy("http://p.test:3128", ".corp.test")
}

fn none_at(address: &str) -> PacFacts {
    PacFacts {
        address: address.to_owned(),
        kept: Kept {
            error: Some("there is no such host".to_owned()),
            ..Kept::default()
        },
    }
}

fn had_at(address: &str) -> PacFacts {
    let script = Script::new("function FindProxyForURL() { return 'PROXY p.test:1'; }");
    PacFacts {
        address: address.to_owned(),
        kept: Kept {
            script: Some(script.unwrap()),
            ..Kept::default()
        },
    }
}

fn with(settings: &Settings, sources: &[SourceFacts], pac: &[PacFacts]) -> Decision {
    decide(&Facts {
        settings,
        sources,
        networks: &[docker0()],
        distros: &[],
        relay: RELAY,
        unread: None,
        pac,
        certificates: None,
    })
}

#[test]
fn where_nothing_is_detected_the_proxy_beside_it_is_followed_with_its_exceptions() {
    let sources = [in_turn([detection(), manual()])];
    let decision = with(&Settings::default(), &sources, &[none_at(DETECTED)]);
    assert_eq!(decision.view.upstreams, ["http://p.test:3128"]);
    assert_eq!(decision.view.bypass, [".corp.test"]);
    assert_eq!(decision.bypass_of_source, 1);
    assert_eq!(decision.chosen, Some(SourceId::System));
    assert_eq!(decision.pac, [DETECTED], "it is looked for again");
    assert!(decision.notices.is_empty(), "{:?}", decision.notices);
    let said = &decision.sources[0].says.english;
    let want = "automatic detection; where there is none, http://p.test:3128";
    assert_eq!(said, want);
}

#[test]
fn what_is_detected_decides() {
    let sources = [in_turn([detection(), manual()])];
    let decision = with(&Settings::default(), &sources, &[had_at(DETECTED)]);
    assert_eq!(decision.view.kind, PolicyKind::Pac);
    assert_eq!(decision.pac, [DETECTED]);
}

#[test]
fn while_it_is_being_looked_for_nothing_goes_out_beside_it() {
    let sources = [in_turn([detection(), manual()])];
    let decision = decided(&Settings::default(), &sources);
    assert_eq!(decision.view.kind, PolicyKind::Refused);
    assert_eq!(decision.pac, [DETECTED]);
}

#[test]
fn a_script_beside_detection_is_asked_for_next_and_the_proxy_last() {
    let sources = [in_turn([detection(), script_at(ADDRESS), manual()])];
    let settings = Settings::default();
    let next = with(&settings, &sources, &[none_at(DETECTED)]);
    assert_eq!(next.pac, [DETECTED, ADDRESS]);
    assert_eq!(next.view.kind, PolicyKind::Refused);

    let had = with(&settings, &sources, &[none_at(DETECTED), had_at(ADDRESS)]);
    let unavailable = Unavailable::Block;
    assert!(
        matches!(&had.policy.default, DefaultRoute::Pac { unavailable: is, .. } if *is == unavailable)
    );

    let last = with(&settings, &sources, &[none_at(DETECTED), none_at(ADDRESS)]);
    assert_eq!(last.view.upstreams, ["http://p.test:3128"]);
    assert_eq!(last.pac, [DETECTED, ADDRESS]);
    assert_eq!(last.notices.len(), 1, "{:?}", last.notices);
    assert_eq!(last.notices[0].code, "pac_not_had_otherwise");
    assert_eq!(last.notices[0].args["url"], ADDRESS);
    assert_eq!(last.notices[0].args["otherwise"], "http://p.test:3128");
}

#[test]
fn what_is_set_beside_a_script_stands_before_a_choice_to_go_directly() {
    let settings = Settings {
        pac_unavailable: PacUnavailable::Direct,
        ..Settings::default()
    };
    let sources = [in_turn([script_at(ADDRESS), manual()])];
    let decision = with(&settings, &sources, &[none_at(ADDRESS)]);
    assert_eq!(decision.view.upstreams, ["http://p.test:3128"]);
    let alone = [in_turn([script_at(ADDRESS)])];
    let decision = with(&settings, &alone, &[none_at(ADDRESS)]);
    assert_eq!(decision.policy.default, DefaultRoute::Direct);
}

#[test]
fn gangways_own_relay_beside_detection_is_nothing_and_what_is_not_had_is_refused() {
    let own = proxy("http://127.0.0.1:3182", "");
    let sources = [in_turn([detection(), own])];
    let decision = with(&Settings::default(), &sources, &[none_at(DETECTED)]);
    assert_eq!(decision.view.kind, PolicyKind::Refused);
    assert_eq!(decision.notices[0].code, "pac_not_had");
}
