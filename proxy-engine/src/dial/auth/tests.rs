use super::{Credentials, Permit};
use crate::accept::Asker;
use crate::config::{CredentialUsers, Upstream};
use crate::control::LentCredentials;
use crate::dial::DialError;
use crate::observe::Changes;

fn upstream() -> Upstream {
    "http://alice@proxy.test:3128".parse().expect("upstream")
}

/// A container.
fn guest() -> Asker {
    let client = "172.17.0.9:40000".parse().expect("address");
    Asker::captured(client, "203.0.113.1:443".parse().expect("address"))
}

fn lent(lease: &str, user: &str, password: &str) -> LentCredentials {
    LentCredentials {
        lease: lease.into(),
        authority: "proxy.test:3128".into(),
        user: user.into(),
        password: password.into(),
        anew: false,
    }
}

async fn attempt(credentials: &Credentials) -> super::Attempt {
    let (upstream, asker) = (upstream(), guest());
    let permit = credentials.permit(&upstream, &asker);
    let permit = tokio::time::timeout(std::time::Duration::from_secs(20), permit).await;
    match permit.expect("in time").expect("permit") {
        Permit::Attempt(attempt) => attempt,
        other => panic!("a user is named, and a guest asks: {other:?}"),
    }
}

#[tokio::test]
async fn credentials_go_only_to_their_authority_and_user() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "pw"), 0);
    assert!(credentials.are_lent(&upstream()));
    for other in [
        "http://alice@proxy.test:3129",
        "http://alice@other.test:3128",
        "http://bob@proxy.test:3128",
    ] {
        let refused = credentials
            .permit(&other.parse().expect("upstream"), &guest())
            .await;
        assert!(
            matches!(refused, Err(DialError::CredentialsNotLent { .. })),
            "{other}"
        );
    }
    let anonymous = "http://proxy.test:3128".parse().expect("upstream");
    assert!(matches!(
        credentials.permit(&anonymous, &guest()).await,
        Ok(Permit::NoneNeeded)
    ));
}

#[tokio::test]
async fn an_untried_password_is_tried_by_one_request_at_a_time() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "pw"), 0);
    let first = attempt(&credentials).await;
    let second = attempt(&credentials);
    tokio::pin!(second);
    assert!(futures_util::poll!(&mut second).is_pending());
    first.accepted();
    let second = second.await;
    let third = attempt(&credentials).await;
    drop((second, third));
}

#[tokio::test]
async fn an_attempt_without_a_verdict_lets_the_next_one_try() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "pw"), 0);
    drop(attempt(&credentials).await);
    attempt(&credentials).await.refused();
    let refused = credentials.permit(&upstream(), &guest()).await;
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
}

#[tokio::test]
async fn a_password_that_was_said_twice_without_a_verdict_is_not_said_again() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "pw"), 0);
    for _ in 0..2 {
        let attempt = attempt(&credentials).await;
        attempt.with_user_and_password(|_, _| ());
    }
    let refused = credentials.permit(&upstream(), &guest()).await;
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
    // Once accepted, a connection that breaks says nothing about it.
    credentials.lend(&lent("l", "alice", "another"), 0);
    attempt(&credentials).await.accepted();
    for _ in 0..3 {
        let attempt = attempt(&credentials).await;
        attempt.with_user_and_password(|_, _| ());
    }
    attempt(&credentials).await.accepted();
}

#[tokio::test]
async fn a_refused_password_is_tried_again_only_when_another_is_lent() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "wrong"), 0);
    attempt(&credentials).await.refused();
    credentials.lend(&lent("m", "alice", "wrong"), 0);
    assert!(credentials.permit(&upstream(), &guest()).await.is_err());
    credentials.lend(&lent("m", "alice", "right"), 0);
    attempt(&credentials).await.accepted();
    credentials.take_back("m");
    let gone = credentials.permit(&upstream(), &guest()).await;
    assert!(matches!(gone, Err(DialError::CredentialsNotLent { .. })));
}

#[tokio::test]
async fn no_secret_shows_in_debug_output() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "canary"), 0);
    let shown = format!("{credentials:?} {:?}", attempt(&credentials).await);
    assert!(
        !shown.contains("canary") && !shown.contains("YWxpY2U6Y2FuYXJ5"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_password_lent_again_while_it_is_tried_is_tried_by_nobody_else() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "wrong"), 0);
    let first = attempt(&credentials).await;
    credentials.lend(&lent("m", "alice", "wrong"), 0);
    credentials.take_back("l");
    let upstream = upstream();
    let asker = guest();
    let second = credentials.permit(&upstream, &asker);
    tokio::pin!(second);
    assert!(futures_util::poll!(&mut second).is_pending());
    first.refused();
    let refused = second.await;
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
}

#[tokio::test]
async fn a_refused_password_stays_refused_though_it_was_taken_back_while_its_lease_lives() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    credentials.lend(&lent("l", "alice", "wrong"), 0);
    attempt(&credentials).await.refused();
    credentials.take_back("l");
    credentials.lend(&lent("l", "alice", "wrong"), 0);
    let refused = credentials.permit(&upstream(), &guest()).await;
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
    credentials.take_back("l");
    credentials.lend(&lent("l", "alice", "right"), 0);
    drop(attempt(&credentials).await);
    // Whoever attaches next does not know of it; only the user says that it is good again.
    credentials.lend(&lent("l", "alice", "wrong"), 0);
    attempt(&credentials).await.refused();
    credentials.forget("l");
    assert!(!credentials.lend(&lent("m", "alice", "wrong"), 0));
    let refused = credentials.permit(&upstream(), &guest()).await;
    assert!(matches!(refused, Err(DialError::CredentialsRefused { .. })));
    credentials.forget("m");
    let anew = LentCredentials {
        anew: true,
        ..lent("n", "alice", "wrong")
    };
    assert!(credentials.lend(&anew, 0));
    drop(attempt(&credentials).await);
}

#[tokio::test]
async fn no_more_refusals_are_remembered_than_there_is_room_for() {
    let credentials = Credentials::new(CredentialUsers::default(), Changes::default());
    for port in 0..200 {
        let authority = format!("proxy.test:{}", 3000 + port);
        let mut lent = lent("l", "alice", "wrong");
        lent.authority.clone_from(&authority);
        credentials.lend(&lent, 0);
        let upstream = format!("http://alice@{authority}")
            .parse()
            .expect("upstream");
        match credentials.permit(&upstream, &guest()).await {
            Ok(Permit::Attempt(attempt)) => attempt.refused(),
            other => panic!("{other:?}"),
        }
        credentials.forget("l");
    }
    assert_eq!(credentials.lock().taken_back.len(), super::REFUSALS);
}
