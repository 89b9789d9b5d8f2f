//! Tokens for Negotiate (RFC 4559): of the user's ticket, or of a password that the KDC gives a
//! ticket for.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::gss::Cred;
use super::tickets::{GssError, Ticket};
use super::{Attempt, spnego};

/// A KDC that cannot be reached in this time is given up.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one that was given up is not asked again for the same password.
const PAUSE: Duration = Duration::from_mins(1);
/// Tokens that are made at once, each on a thread of its own: the library waits for the KDC.
static ROOM: Semaphore = Semaphore::const_new(8);

/// What the KDC gave for one user's password; made when it is first needed, and anew when it is too
/// old.
#[derive(Debug, Default)]
pub(super) struct Kerberos(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    cred: Option<Arc<Cred>>,
    /// A KDC that did not answer is left alone until then: every request would wait for it, one
    /// after the other, and what it hears too late it may count as a try.
    pause: Option<Instant>,
}

impl Kept {
    /// Whether the KDC is asked now.
    fn may_ask(&self, now: Instant) -> bool {
        self.pause.is_none_or(|until| until <= now)
    }

    /// It was asked for so long.
    fn asked(&mut self, for_long: Duration, now: Instant) {
        self.pause = (for_long >= PATIENCE).then(|| now + PAUSE);
    }
}

/// The ticket that this process's user has now, and which one it is.
///
/// # Errors
/// [`GssError::Unusable`].
pub(super) async fn ticket() -> Result<(Cred, Ticket), GssError> {
    apart(|| {
        let cred = Cred::of_tickets()?;
        let ticket = cred.ticket();
        Ok((cred, ticket))
    })
    .await
}

/// A token of that ticket.
///
/// # Errors
/// [`GssError::Unusable`].
pub(super) async fn of_ticket(cred: Cred, host: &str) -> Result<Vec<u8>, GssError> {
    let host = host.to_owned();
    let made = apart(move || cred.token(&host)).await?;
    Ok(spnego::wrap(&made))
}

/// A token for the password. The right to try it is held by the caller: the KDC counts tries.
///
/// # Errors
/// See [`GssError`].
pub(super) async fn of_password(attempt: &Attempt, host: &str) -> Result<Vec<u8>, GssError> {
    let mut kept = attempt.kerberos().0.lock().await;
    if let Some(cred) = kept.cred.clone() {
        let host = host.to_owned();
        if let Ok(token) = apart(move || cred.token(&host)).await {
            return Ok(spnego::wrap(&token));
        }
    }
    if !kept.may_ask(Instant::now()) {
        return Err(late());
    }
    let (user, host) = (principal(attempt.user()), host.to_owned());
    let password = attempt.password().clone();
    let begun = Instant::now();
    let made = apart(move || {
        let cred = Cred::of_password(&user, password.expose_secret())?;
        let token = cred.token(&host)?;
        Ok((cred, token))
    })
    .await;
    kept.asked(begun.elapsed(), Instant::now());
    let (cred, token) = made?;
    kept.cred = Some(Arc::new(cred));
    Ok(spnego::wrap(&token))
}

/// As Kerberos names a user: `user@REALM`, or in the machine's own realm. A domain of Windows
/// before it is not the realm's name.
fn principal(user: &str) -> String {
    let user = user.split_once('\\').map_or(user, |(_, user)| user);
    match user.rsplit_once('@') {
        Some((name, realm)) => format!("{name}@{}", realm.to_uppercase()),
        None => user.to_owned(),
    }
}

fn late() -> GssError {
    GssError::Unusable("Kerberos did not answer in time".into())
}

pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GssError> + Send + 'static,
) -> Result<T, GssError> {
    let done = async {
        // It is never closed.
        let place = ROOM.acquire().await.map_err(|_| late())?;
        let task = tokio::task::spawn_blocking(move || {
            // Kept as long as the thread: also where nobody waits any more.
            let _place = place;
            work()
        });
        task.await.unwrap_or_else(|_| Err(late()))
    };
    tokio::time::timeout(PATIENCE, done)
        .await
        .unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Kept, PATIENCE, PAUSE, principal};

    #[test]
    fn a_kdc_that_did_not_answer_is_left_alone_for_a_minute() {
        let (mut kept, now) = (Kept::default(), Instant::now());
        kept.asked(PATIENCE / 2, now);
        assert!(kept.may_ask(now), "it answered");
        kept.asked(PATIENCE, now);
        assert!(!kept.may_ask(now) && !kept.may_ask(now + PAUSE / 2));
        assert!(kept.may_ask(now + PAUSE));
    }

    #[test]
    fn a_user_is_named_as_kerberos_has_it() {
        for (user, named) in [
            ("anna", "anna"),
            ("CORP\\anna", "anna"),
            ("anna@corp.test", "anna@CORP.TEST"),
        ] {
            assert_eq!(principal(user), named);
        }
    }
}
