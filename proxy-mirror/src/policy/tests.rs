use proxy_engine::config::DefaultRoute;

use super::*;
use crate::control::PolicyKind;
use crate::settings::{Mode, Style};
use crate::source::Says;
use std::net::Ipv4Addr;

const RELAY: Relay = Relay {
    port: 3182,
    containers: Some(IpAddr::V4(Ipv4Addr::new(172, 17, 0, 1))),
};

fn proxy(url: &str, bypass: &str) -> Says {
    Says::Proxy {
        upstream: url.parse().unwrap(),
        bypass: bypass.parse().unwrap(),
        lost: Vec::new(),
    }
}

fn source(source: SourceId, says: Says) -> SourceFacts {
    SourceFacts {
        source,
        reading: Some(Reading {
            source,
            origin: Said::verbatim(format!("{source:?}")),
            says,
            password: None,
            otherwise: None,
        }),
        error: None,
    }
}

fn unreadable(source: SourceId) -> SourceFacts {
    SourceFacts {
        source,
        reading: None,
        error: Some(SourceError {
            source_id: source,
            origin: "prefs.js:3:4".to_owned(),
            message: "`;` was expected".to_owned(),
        }),
    }
}

fn docker0() -> ContainerNetwork {
    ContainerNetwork {
        interface: "docker0".to_owned(),
        subnets: vec!["172.17.0.0/16".parse().unwrap()],
        internal: false,
    }
}

fn decided(settings: &Settings, sources: &[SourceFacts]) -> Decision {
    decide(&Facts {
        settings,
        sources,
        networks: &[docker0()],
        distros: &[],
        relay: RELAY,
        unread: None,
        pac: &[],
        certificates: None,
    })
}

fn manual(url: &str) -> Settings {
    Settings {
        mode: Mode::Manual,
        upstream: Some(url.parse().unwrap()),
        ..Settings::default()
    }
}

#[test]
fn the_first_source_that_says_something_is_followed() {
    let sources = [
        source(SourceId::System, Says::Nothing),
        source(SourceId::Environment, proxy("http://b:1", "")),
        source(SourceId::Firefox, proxy("http://c:1", "")),
    ];
    let decision = decided(&Settings::default(), &sources);
    assert_eq!(decision.chosen, Some(SourceId::Environment));
    assert_eq!(decision.view.upstreams, ["http://b:1"]);
    let chosen: Vec<bool> = decision
        .sources
        .iter()
        .map(|source| source.chosen)
        .collect();
    assert_eq!(chosen, [false, true, false]);
}

#[test]
fn an_explicit_no_proxy_ends_the_search() {
    let sources = [
        source(SourceId::System, Says::Direct),
        source(SourceId::Environment, proxy("http://b:1", "")),
    ];
    let decision = decided(&Settings::default(), &sources);
    assert_eq!(decision.view.kind, PolicyKind::Direct);
    assert_eq!(decision.chosen, Some(SourceId::System));
}

#[test]
fn where_no_source_speaks_everything_is_direct_and_says_so() {
    let sources = [source(SourceId::System, Says::Nothing)];
    let decision = decided(&Settings::default(), &sources);
    assert_eq!(decision.policy.default, DefaultRoute::Direct);
    assert_eq!(decision.view.cause.english, "no proxy is set anywhere");
    assert_eq!(decision.origin.english, "the default");
}

#[test]
fn a_source_that_names_our_own_relay_is_passed_over() {
    let sources = [
        source(SourceId::System, proxy("http://127.0.0.1:3182", "")),
        source(SourceId::Environment, proxy("http://172.17.0.1:3182", "")),
        source(SourceId::Firefox, proxy("http://127.0.0.1:3128", "")),
    ];
    let decision = decided(&Settings::default(), &sources);
    assert_eq!(decision.chosen, Some(SourceId::Firefox));
    assert_eq!(decision.sources[0].says.english, "nothing");
    assert!(
        decision.sources[0]
            .origin
            .english
            .contains("Gangway itself"),
        "{:?}",
        decision.sources
    );

    let decision = decided(
        &manual("http://localhost:3182"),
        &[source(SourceId::Manual, Says::Nothing)],
    );
    assert_eq!(decision.view.kind, PolicyKind::Refused);
}

#[test]
fn unusable_proxies_are_refused_never_direct() {
    let unusable = Says::Unusable {
        proxy: "socks5://p:1".to_owned(),
        reason: "not supported".to_owned(),
    };
    let behind = source(SourceId::Firefox, proxy("http://c:1", ""));
    let system = source(SourceId::System, unusable);
    let decision = decided(&Settings::default(), &[system, behind]);
    let DefaultRoute::Refused { reason } = &decision.policy.default else {
        panic!("{:?}", decision.policy);
    };
    assert!(reason.contains("manual or off"), "{reason}");
    assert_eq!(decision.notices[0].code, "refused_unusable");
}

mod otherwise;
mod pac;
mod upstreams;

#[test]
fn a_source_that_was_never_read_is_not_taken_for_silent() {
    let sources = [
        source(SourceId::Environment, Says::Nothing),
        unreadable(SourceId::Firefox),
    ];
    let decision = decided(&Settings::default(), &sources);
    assert_eq!(decision.view.kind, PolicyKind::Refused);
    assert!(
        decision.view.cause.english.contains("prefs.js:3:4"),
        "{}",
        decision.view.cause
    );
    // Another one that speaks is followed, wherever it stands.
    for sources in [
        [
            unreadable(SourceId::System),
            source(SourceId::Environment, proxy("http://b:1", "")),
        ],
        [
            source(SourceId::Environment, proxy("http://b:1", "")),
            unreadable(SourceId::Firefox),
        ],
    ] {
        let decision = decided(&Settings::default(), &sources);
        assert_eq!(decision.view.upstreams, ["http://b:1"]);
        assert_eq!(decision.notices[0].code, "source_unreadable");
    }
}

#[test]
fn the_last_good_reading_stands_while_a_source_cannot_be_read() {
    let mut firefox = unreadable(SourceId::Firefox);
    firefox.reading = source(SourceId::Firefox, proxy("http://c:1", "")).reading;
    let decision = decided(&Settings::default(), &[firefox]);
    assert_eq!(decision.view.upstreams, ["http://c:1"]);
    assert!(decision.sources[0].error.is_some());
}

#[test]
fn off_is_direct_and_keeps_the_listeners() {
    let on = decided(
        &manual("http://p:1"),
        &[source(SourceId::Manual, Says::Nothing)],
    );
    let off = decided(
        &Settings {
            mode: Mode::Off,
            ..manual("http://p:1")
        },
        &[],
    );
    assert_eq!(off.policy.default, DefaultRoute::Direct);
    assert_eq!(off.policy.listen, ["172.17.0.1:3182".parse().unwrap()]);
    assert_eq!(off.policy.listen, on.policy.listen);
    assert_eq!(off.policy.clients, on.policy.clients);
    assert!(off.policy.intercept.interfaces.is_empty());
}

#[test]
fn containers_are_served_and_their_bridges_intercepted_but_never_internal_ones() {
    let mut settings = manual("http://p:1");
    settings.intercept.interfaces = vec!["cni0".parse().unwrap()];
    let internal = ContainerNetwork {
        interface: "br-0123456789ab".to_owned(),
        subnets: vec!["172.30.0.0/16".parse().unwrap()],
        internal: true,
    };
    let sources = [source(SourceId::Manual, Says::Nothing)];
    let networks = [docker0(), internal];
    let decided_among = |settings: &Settings| {
        decide(&Facts {
            settings,
            sources: &sources,
            networks: &networks,
            distros: &["172.28.80.1".parse().unwrap()],
            relay: RELAY,
            unread: None,
            pac: &[],
            certificates: None,
        })
    };
    let decision = decided_among(&settings);
    let interfaces: Vec<String> = decision
        .policy
        .intercept
        .interfaces
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(interfaces, ["cni0", "docker0"]);
    let exclude: Vec<String> = decision
        .policy
        .intercept
        .exclude
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        exclude,
        ["br-0123456789ab"],
        "whatever pattern the user adds"
    );
    let listen: Vec<String> = decision
        .policy
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(listen, ["172.17.0.1:3182", "172.28.80.1:3182"]);
    assert_eq!(decision.policy.clients, ["172.17.0.0/16".parse().unwrap()]);

    settings.style = Style::Mirror;
    let decision = decided_among(&settings);
    assert!(decision.policy.listen.is_empty() && decision.policy.intercept.interfaces.is_empty());
}

#[test]
fn bypass_is_the_sources_and_the_users() {
    let settings = Settings {
        bypass: "b.example,c.example".parse().unwrap(),
        ..Settings::default()
    };
    let sources = [source(
        SourceId::System,
        proxy("http://p:1", "a.example,b.example"),
    )];
    let decision = decided(&settings, &sources);
    assert_eq!(
        decision.policy.bypass.to_string(),
        "a.example,b.example,c.example"
    );
    assert_eq!(decision.bypass_of_source, 2);
}

#[test]
fn an_exception_without_room_takes_every_entry_with_it_and_those_behind_it_too() {
    let patterns: Vec<String> = (0..64).map(|n| format!("a*{n}.example")).collect();
    let list = format!(
        "{},!secret*.corp.example,*,.corp.example",
        patterns.join(",")
    );
    let rules = list.split(',').map(|rule| rule.parse().unwrap()).collect();
    let settings = Settings {
        bypass: proxy_engine::config::Bypass(rules),
        ..Settings::default()
    };
    let sources = [source(
        SourceId::System,
        proxy("http://a:1", "lab.example,corp.example"),
    )];
    let decision = decided(&settings, &sources);
    assert_eq!(decision.policy.bypass.to_string(), "");
    assert_eq!(decision.bypass_of_source, 0);
    assert!(
        decision.notices[0]
            .message
            .contains("!secret*.corp.example")
    );
}
