use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

use super::{Heard, Login};
use crate::accept::Asker;
use crate::config::{CredentialUsers, Limits, Upstream};
use crate::control::LentCredentials;
use crate::dial::DialError;
use crate::dial::auth::Credentials;
use crate::http::ResponseHead;
use crate::observe::Changes;

const DIGEST: &str = "Digest realm=r, nonce=n, qop=auth";

fn upstream() -> Upstream {
    "http://anna@proxy.test:3128".parse().expect("upstream")
}

fn lent(password: &str) -> Credentials {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(
        &LentCredentials {
            lease: "l".into(),
            authority: "proxy.test:3128".into(),
            user: "anna".into(),
            password: password.into(),
            anew: false,
        },
        0,
    );
    credentials
}

async fn login(credentials: &Credentials) -> Login {
    let client = "172.17.0.9:40000".parse().expect("address");
    let guest = Asker::captured(client, "203.0.113.1:443".parse().expect("address"));
    let login = credentials.login(&upstream(), &guest).await;
    login.expect("a conversation")
}

/// The scheme that is said next, empty for none.
async fn said(login: &mut Login) -> String {
    let said = login.say(b"CONNECT", b"a.test:443").await.expect("said");
    let Some(said) = said else {
        return String::new();
    };
    let (_, value) = said.fields().next().expect("a field");
    let text = String::from_utf8(value.to_vec()).expect("text");
    text.split(' ').next().expect("a word").to_owned()
}

fn answer(status: u16, offers: &[&str]) -> ResponseHead {
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    for offer in offers {
        text = format!("{text}Proxy-Authenticate: {offer}\r\n");
    }
    text.push_str("\r\n");
    let head = ResponseHead::parse(&mut BytesMut::from(text.as_str()), &Limits::default());
    head.expect("a head").expect("whole")
}

fn asks(login: &mut Login, offers: &[&str]) -> Result<Heard, DialError> {
    login.hear(&answer(407, offers))
}

/// A second message of NTLM, with nothing but a nonce.
fn second() -> String {
    let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
    message.extend_from_slice(&[0, 0, 0, 0, 48, 0, 0, 0, 1, 2, 0, 0]);
    message.resize(40, 7);
    message.extend_from_slice(&[0, 0, 0, 0, 48, 0, 0, 0]);
    format!("NTLM {}", STANDARD.encode(message))
}

#[tokio::test]
async fn nothing_is_said_before_it_is_known_how_and_then_the_strongest() {
    for (offers, scheme) in [
        (&["Basic realm=x"][..], "Basic"),
        (&["Basic realm=x", DIGEST], "Digest"),
        (&[DIGEST, "Basic realm=x", "NTLM"], "NTLM"),
        (
            &[
                "Bearer",
                "Digest realm=r, nonce=n, algorithm=X",
                "Basic realm=x",
            ],
            "Basic",
        ),
    ] {
        let credentials = lent("pw");
        let mut login = login(&credentials).await;
        assert_eq!(said(&mut login).await, "", "{offers:?}");
        assert_eq!(asks(&mut login, offers).expect("heard"), Heard::Again);
        assert_eq!(said(&mut login).await, scheme, "{offers:?}");
    }
}

#[tokio::test]
async fn a_bare_407_and_unknown_ways_get_no_password() {
    for (offers, named) in [
        (&[][..], "nothing"),
        (&["Bearer", "Hawk x=y"], "bearer, hawk"),
    ] {
        let mut login = login(&lent("pw")).await;
        said(&mut login).await;
        let error = asks(&mut login, offers).expect_err("no way");
        assert!(
            matches!(error, DialError::LoginImpossible { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[tokio::test]
async fn what_worked_is_said_at_once_the_next_time() {
    for (offer, scheme) in [("Basic realm=x", "Basic"), (DIGEST, "Digest")] {
        let credentials = lent("pw");
        let mut first = login(&credentials).await;
        said(&mut first).await;
        asks(&mut first, &[offer]).expect("heard");
        assert_eq!(said(&mut first).await, scheme);
        assert_eq!(first.hear(&answer(200, &[])).expect("heard"), Heard::Passed);
        let mut second = login(&credentials).await;
        assert_eq!(said(&mut second).await, scheme);
        credentials.retain(|_| false);
        assert_eq!(said(&mut login(&credentials).await).await, "", "forgotten");
    }
}

#[tokio::test]
async fn a_refused_password_leads_to_no_other_way() {
    let credentials = lent("wrong");
    let mut first = login(&credentials).await;
    said(&mut first).await;
    asks(&mut first, &[DIGEST, "Basic realm=x"]).expect("heard");
    assert_eq!(said(&mut first).await, "Digest");
    let refused = asks(&mut first, &[DIGEST, "Basic realm=x"]);
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
    let client = "172.17.0.9:40001".parse().expect("address");
    let guest = Asker::captured(client, "203.0.113.1:443".parse().expect("address"));
    let next = credentials.login(&upstream(), &guest).await;
    assert!(matches!(next, Err(DialError::CredentialsRefused { .. })));
}

#[tokio::test]
async fn a_stale_nonce_is_no_refusal_once() {
    const STALE: &str = "Digest realm=r, nonce=m, qop=auth, stale=TRUE";
    let credentials = lent("pw");
    let mut first = login(&credentials).await;
    said(&mut first).await;
    asks(&mut first, &[DIGEST]).expect("heard");
    said(&mut first).await;
    first.hear(&answer(200, &[])).expect("passed");
    let mut second = login(&credentials).await;
    assert_eq!(said(&mut second).await, "Digest");
    assert_eq!(asks(&mut second, &[STALE]).expect("heard"), Heard::Again);
    assert_eq!(said(&mut second).await, "Digest");
    // One that is new cannot be too old: whoever says so again and again is not believed.
    let refused = asks(&mut second, &[STALE]);
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
}

#[tokio::test]
async fn ntlm_says_its_three_messages_on_one_connection_or_none() {
    let credentials = lent("pw");
    let mut first = login(&credentials).await;
    said(&mut first).await;
    asks(&mut first, &["NTLM", "Basic realm=x"]).expect("heard");
    assert_eq!(said(&mut first).await, "NTLM");
    asks(&mut first, &[&second()]).expect("heard");
    first
        .reconnects()
        .expect_err("cut off, and nothing else is offered");
    let mut next = login(&credentials).await;
    said(&mut next).await;
    asks(&mut next, &["NTLM"]).expect("heard");
    assert_eq!(said(&mut next).await, "NTLM");
    asks(&mut next, &[&second(), "Basic realm=x"]).expect("heard");
    assert_eq!(said(&mut next).await, "NTLM");
    assert!(next.bound().is_none());
    next.hear(&answer(200, &[])).expect("passed");
    let bound = next.bound().expect("the connection is logged in");
    let mut over = login(&credentials).await;
    over.over(Some(&bound));
    assert_eq!(said(&mut over).await, "");
    // Somebody else's log-in is nobody's here.
    let mut stranger = login(&lent("pw")).await;
    stranger.over(Some(&bound));
    assert!(stranger.bound().is_none());
}

/// An upstream that wants it in another way each time, so that none of them was refused: how often
/// something was said to it, and how that ended.
async fn asked_without_end(credentials: &Credentials) -> (usize, DialError) {
    let mut login = login(credentials).await;
    let mut words = 0;
    for asked in 0.. {
        match login.say(b"CONNECT", b"a.test:443").await {
            Ok(said) => words += usize::from(said.is_some()),
            Err(error) => return (words, error),
        }
        let offers = [[DIGEST], ["Basic realm=x"]];
        if let Err(error) = asks(&mut login, &offers[asked % 2]) {
            return (words, error);
        }
    }
    unreachable!("it is given up")
}

#[tokio::test]
async fn an_upstream_that_asks_without_end_is_given_up() {
    let (words, error) = asked_without_end(&lent("pw")).await;
    assert!(
        words == 2 && matches!(error, DialError::CredentialsRefused { .. }),
        "a password that nobody ever took, {words} times: {error}"
    );
    let credentials = lent("pw");
    let mut first = login(&credentials).await;
    said(&mut first).await;
    asks(&mut first, &["Basic realm=x"]).expect("heard");
    said(&mut first).await;
    first.hear(&answer(200, &[])).expect("passed");
    let (words, error) = asked_without_end(&credentials).await;
    assert!(
        words < 10 && matches!(error, DialError::UpstreamAnswer { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_request_with_a_body_waits_until_it_is_said_once() {
    let credentials = lent("pw");
    let mut first = login(&credentials).await;
    assert!(first.needs_rehearsal(), "how it is wanted is not known");
    said(&mut first).await;
    asks(&mut first, &[DIGEST]).expect("heard");
    assert!(first.needs_rehearsal(), "nobody took the password yet");
    said(&mut first).await;
    first.hear(&answer(200, &[])).expect("passed");
    let mut second = login(&credentials).await;
    assert!(second.needs_rehearsal(), "a nonce of old may be too old");
    second.rehearse();
    assert_eq!(said(&mut second).await, "");
}

#[tokio::test]
async fn a_password_that_took_too_long_is_not_refused_for_that() {
    let credentials = lent("pw");
    for _ in 0..4 {
        let mut slow = login(&credentials).await;
        said(&mut slow).await;
        asks(&mut slow, &["Basic realm=x"]).expect("heard");
        assert_eq!(said(&mut slow).await, "Basic");
        slow.unheard();
    }
    // A connection that ends at it is another thing, twice.
    for _ in 0..2 {
        let mut cut = login(&credentials).await;
        said(&mut cut).await;
        asks(&mut cut, &["Basic realm=x"]).expect("heard");
        assert_eq!(said(&mut cut).await, "Basic");
    }
    let client = "172.17.0.9:40001".parse().expect("address");
    let guest = Asker::captured(client, "203.0.113.1:443".parse().expect("address"));
    let next = credentials.login(&upstream(), &guest).await;
    assert!(matches!(next, Err(DialError::CredentialsRefused { .. })));
}

#[tokio::test]
async fn a_new_password_is_not_said_before_it_is_asked_for() {
    let credentials = lent("pw");
    let mut first = login(&credentials).await;
    said(&mut first).await;
    asks(&mut first, &["Basic realm=x"]).expect("heard");
    said(&mut first).await;
    first.hear(&answer(200, &[])).expect("passed");
    credentials.lend(
        &LentCredentials {
            lease: "l".into(),
            authority: "proxy.test:3128".into(),
            user: "anna".into(),
            password: "another".into(),
            anew: false,
        },
        0,
    );
    // What passes without a question may never have been looked at.
    let mut second = login(&credentials).await;
    assert_eq!(said(&mut second).await, "");
    second.hear(&answer(403, &[])).expect("passed");
    let mut third = login(&credentials).await;
    assert_eq!(said(&mut third).await, "");
    asks(&mut third, &["Basic realm=x"]).expect("heard");
    assert_eq!(said(&mut third).await, "Basic");
    let refused = asks(&mut third, &["Basic realm=x"]);
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
}

#[tokio::test]
async fn a_proof_that_got_no_answer_is_followed_by_no_other_way() {
    let credentials = lent("pw");
    let mut login = login(&credentials).await;
    said(&mut login).await;
    asks(&mut login, &["NTLM", "Basic realm=x"]).expect("heard");
    assert_eq!(said(&mut login).await, "NTLM");
    asks(&mut login, &[&second(), "Basic realm=x"]).expect("heard");
    assert_eq!(said(&mut login).await, "NTLM");
    let cut = login.reconnects();
    assert!(
        matches!(cut, Err(DialError::UpstreamAnswer { .. })),
        "{cut:?}"
    );
}

#[tokio::test]
async fn a_request_with_a_body_waits_until_the_password_is_known_to_be_good() {
    let credentials = lent("pw");
    let mut first = login(&credentials).await;
    said(&mut first).await;
    asks(&mut first, &["Basic realm=x"]).expect("heard");
    assert!(first.needs_rehearsal(), "everybody else would wait for it");
    assert_eq!(said(&mut first).await, "Basic");
    first.hear(&answer(200, &[])).expect("passed");
    first.is_rehearsed();
    assert!(!first.needs_rehearsal());
    assert_eq!(said(&mut first).await, "Basic");
}

#[tokio::test]
async fn no_secret_shows_in_debug_output() {
    let credentials = lent("canary");
    let mut login = login(&credentials).await;
    login.say(b"CONNECT", b"a.test:443").await.expect("said");
    asks(&mut login, &["Basic realm=x"]).expect("heard");
    let said = login.say(b"CONNECT", b"a.test:443").await.expect("said");
    let shown = format!("{credentials:?} {login:?} {said:?}");
    assert!(
        !shown.contains("canary") && !shown.contains("YW5uYTpjYW5hcnk"),
        "{shown}"
    );
}
