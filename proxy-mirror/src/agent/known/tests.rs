use super::*;
use crate::control::Said;
use crate::source::SourceId;

#[test]
fn the_one_who_logs_in_changes_nothing_of_a_proxy_but_the_user() {
    for (named, with_user) in [
        ("https://proxy.test:8443", "https://ann@proxy.test:8443"),
        ("socks5h://proxy.test:8443", "socks5h://ann@proxy.test:8443"),
        ("http://proxy.test:8443", "http://ann@proxy.test:8443"),
        // These know no users.
        ("socks4a://proxy.test:8443", "socks4a://proxy.test:8443"),
        // Nobody logged in to these.
        ("https://proxy.test:8444", "https://proxy.test:8444"),
        ("https://bob@proxy.test:8443", "https://bob@proxy.test:8443"),
    ] {
        let settings = Settings {
            logins: vec!["http://ann@proxy.test:8443".parse().unwrap()],
            ..Settings::default()
        };
        let mut sources = [SourceFacts {
            source: SourceId::System,
            reading: Some(Reading {
                source: SourceId::System,
                origin: Said::verbatim("here"),
                says: Says::Proxy {
                    upstream: named.parse().unwrap(),
                    bypass: "".parse().unwrap(),
                    lost: Vec::new(),
                },
                password: None,
                otherwise: None,
            }),
            error: None,
        }];
        log_in(&mut sources, &settings);
        let says = sources[0].reading.as_ref().map(|reading| &reading.says);
        let Some(Says::Proxy { upstream, .. }) = says else {
            panic!("{named} became {says:?}");
        };
        assert_eq!(upstream.to_string(), with_user);
    }
}

/// A script at this address, and what is said beside it.
fn beside(address: &str, otherwise: Reading) -> Reading {
    Reading {
        source: SourceId::System,
        origin: Said::verbatim("here"),
        says: Says::Pac {
            url: Some(address.to_owned()),
        },
        password: None,
        otherwise: Some(Box::new(otherwise)),
    }
}

#[tokio::test]
async fn what_is_not_had_from_one_address_is_asked_for_at_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let address = |name: &str| format!("file://{}/{name}", folder.path().display());
    let proxy = Reading {
        source: SourceId::System,
        origin: Said::verbatim("here"),
        says: Says::Proxy {
            upstream: "http://proxy.test:3128".parse().unwrap(),
            bypass: "".parse().unwrap(),
            lost: Vec::new(),
        },
        password: None,
        otherwise: None,
    };
    let reading = beside(&address("one.pac"), beside(&address("two.pac"), proxy));
    let settings = Settings {
        logins: vec!["http://ann@proxy.test:3128".parse().unwrap()],
        ..Settings::default()
    };
    let decided = || async {
        let sources = vec![SourceFacts {
            source: SourceId::System,
            reading: Some(reading.clone()),
            error: None,
        }];
        let scripts = Scripts {
            keeper: &Keeper::default(),
            patience: Duration::from_secs(10),
        };
        Known::decide(
            settings.clone(),
            None,
            sources,
            Vec::new(),
            Vec::new(),
            scripts,
        )
        .await
    };

    let known = decided().await;
    let decision = &known.decision;
    assert_eq!(decision.pac, [address("one.pac"), address("two.pac")]);
    assert_eq!(decision.view.upstreams, ["http://ann@proxy.test:3128"]);
    let named: Vec<String> = known.upstreams().iter().map(ToString::to_string).collect();
    assert_eq!(named, ["http://ann@proxy.test:3128"]);

    let script = "function FindProxyForURL() { return 'DIRECT'; }";
    fs::write(folder.path().join("two.pac"), script).unwrap();
    let known = decided().await;
    assert_eq!(
        known.decision.cause.english,
        format!("PAC file {}", address("two.pac"))
    );
}
